"""When a new version is announced, so that `/setup` and the `/predict` after it never tell two versions. Pure.

Label Studio asks `/setup` for the version, then `/predict`, on two connections that may reach two workers, and nothing
in the second request tells which answer it follows. Hence the rule, the same for all workers because they share one
record per project:

1. Everybody answers the *announced* version, whatever else is loaded.
2. A new version can be announced once every worker has it loaded, and only when the last answer to `/setup` is at least
   PAIR_SECONDS old: the `/predict` that follows it has come by then.
3. Nobody waits for PATIENCE_SECONDS: usually there is such a gap. Without one, `/setup` is held from then on (its
   `/predict` requests are answered, with the old version) until the last answer is old enough, at most PAIR_SECONDS.
   Label Studio waits 3 s for `/setup`; so no request fails and no pair disagrees.
"""

from dataclasses import dataclass, replace

PAIR_SECONDS = 1.5
PATIENCE_SECONDS = 4.0


@dataclass(frozen=True)
class Handover:
    """What the workers of one server tell of one project. Times are seconds of the machine's monotonic clock."""

    announced: str
    setup_at: float | None = None
    """When `/setup` was last answered."""
    ready_since: float | None = None
    """Since when every worker has the wanted version loaded."""


@dataclass(frozen=True)
class Hold:
    """Do not answer `/setup` yet."""

    seconds: float


def advance(agreement: Handover, wanted: str, *, ready: bool, now: float) -> Handover:
    """The agreement as of `now`; `ready`: every worker has `wanted` loaded."""
    if agreement.announced == wanted or not ready:
        return agreement if agreement.ready_since is None else replace(agreement, ready_since=None)
    if agreement.setup_at is None or now - agreement.setup_at >= PAIR_SECONDS:
        return Handover(wanted, agreement.setup_at)
    return agreement if agreement.ready_since is not None else replace(agreement, ready_since=now)


def on_setup(agreement: Handover, now: float) -> Handover | Hold:
    """What `/setup` does with an agreement that is advanced to `now`: answer what is announced, or wait."""
    if agreement.ready_since is None or agreement.setup_at is None or now - agreement.ready_since < PATIENCE_SECONDS:
        return replace(agreement, setup_at=now)
    return Hold(max(agreement.setup_at + PAIR_SECONDS - now, 0.0))
