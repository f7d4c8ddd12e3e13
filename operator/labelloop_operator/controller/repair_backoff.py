"""How often children had to be repaired: what another client keeps changing is repaired less and less often."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem

WINDOW = 600.0
"""Seconds after the newest repair until the earlier ones no longer count."""
AT_ONCE = 5
"""Repairs of one object without a pause."""
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
_SHOWN = 3
"""Fields in a message."""

Key = tuple[str, str]
"""Namespace and name of a resource."""
Fields = Mapping[str, str]
"""Paths of fields that differed, with the manager that changed each; empty when it is not known."""


@dataclass
class _Written:
    digest: str
    fields: Fields
    at: float
    count: int = 0
    """Times that the same manifest had to be written again."""

    @property
    def next_at(self) -> float:
        """When the next repair may be made."""
        if self.count < AT_ONCE:
            return self.at
        return self.at + min(FIRST_PAUSE * 2.0 ** (self.count - AT_ONCE), LONGEST_PAUSE)


class Repairs:
    """Writes of the last minutes, by resource and child. Writing the same manifest a second time is a repair."""

    def __init__(self) -> None:
        self._written: defaultdict[Key, dict[str, _Written]] = defaultdict(dict)

    def allowed(self, key: Key, child: str, digest: str, now: float) -> bool:
        """Whether the manifest with this digest may be written now."""
        found = self._recent(key, now).get(child)
        return found is None or found.digest != digest or now >= found.next_at

    def wrote(self, key: Key, child: str, digest: str, fields: Fields, now: float) -> None:
        """The manifest was written, because of these fields."""
        before = self._recent(key, now).get(child)
        count = before.count + (before.digest == digest) if before else 0
        self._written[key][child] = _Written(digest, fields, now, count)

    def disputed(self, key: Key, now: float) -> tuple[Problem, ...]:
        """Children that another client keeps changing."""
        found = sorted(self._recent(key, now).items())
        return tuple(_problem(child, item.fields) for child, item in found if item.count >= AT_ONCE)

    def look_again_after(self, key: Key, now: float) -> float | None:
        """Seconds until a disputed child may be written again, or is no longer disputed."""
        disputed = [item for item in self._recent(key, now).values() if item.count >= AT_ONCE]
        moments = [item.next_at if item.next_at > now else item.at + WINDOW for item in disputed]
        return min((moment - now for moment in moments), default=None)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._written.pop(key, None)

    def _recent(self, key: Key, now: float) -> Mapping[str, _Written]:
        recent = {child: item for child, item in self._written.pop(key, {}).items() if now - item.at < WINDOW}
        if recent:
            self._written[key] = recent
        return recent


def listed(fields: Fields) -> str:
    """The fields and who changed them, for a message."""
    shown = [f"{path} (manager {manager})" if manager else path for path, manager in fields.items()]
    more = [f"{len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    return ", ".join([*shown[:_SHOWN], *more])


def _problem(child: str, fields: Fields) -> Problem:
    message = (
        f"another client keeps changing {child} {listed(fields)}; it is restored less and less often. Stop that client"
        ", or make the change in the resource (spec.serving, spec.training)"
    )
    return Problem("", "", message, Reason.CHILD_DISPUTED)
