"""What a reconcile decided: an ordered list of typed actions and the status to write.

The engine executes actions in order and stops at the first failure; every one is idempotent, so that
the operator may be killed between any two of them. What talks to Label Studio comes last (except while deleting), so
its failure is reported by planning again with `LabelStudioFacts.registration_problem` and writing that plan's status;
after a failure of the Kubernetes API no status is written, or that of a plan with `Observed.last_error` when a person
must act.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelloop_operator.api.status import Status


@dataclass(frozen=True)
class Apply:
    """Server-side apply of one full manifest. The engine skips it when the live object already covers it; an object
    missing in the cache is read first, and a foreign one becomes `Observed.conflicts` instead of being seized."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Create:
    """Create an immutable object (a Job); 409 is success when the existing one is ours."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """Delete one object of ours; 404 is success. `uid` guards against deleting a successor."""

    kind: str
    namespace: str
    name: str
    uid: str
    propagation: str = "Background"


@dataclass(frozen=True)
class SetFinalizer:
    """Add (present) or remove our finalizer on the resource."""

    present: bool


@dataclass(frozen=True)
class ReleaseRelaySecret:
    """Let go of the relay Secret, and of the connection that it keeps: nothing is registered any more."""

    name: str


@dataclass(frozen=True)
class EnsureWebhook:
    """Create or repair our webhook in Label Studio; extra ones of ours are removed."""

    project: int
    url: str
    secret: str
    webhook_id: int | None
    remove: tuple[int, ...] = ()


@dataclass(frozen=True)
class EnsureBackend:
    """Create the ML backend, or PATCH url and title of the one that is ours; duplicates of ours are removed."""

    project: int
    url: str
    title: str
    backend_id: int | None
    extra_params: Mapping[str, Any]
    basic_auth: tuple[str, str] | None = None
    remove: tuple[int, ...] = ()
    select: bool = False
    """Have annotators shown its predictions, unless somebody chose others: of the project's first ML backend only."""
    other_titles: tuple[str, ...] = ()
    """Of the project's other ML backends."""


@dataclass(frozen=True)
class Deregister:
    """Remove ML backend and webhook from Label Studio: the resource is being deleted or `register` was switched off.

    Whatever is ours goes (mark or URL), the ids are hints. A missing project is success.
    """

    project: int
    url: str
    backend_id: int | None = None
    webhook_id: int | None = None


@dataclass(frozen=True)
class DeregisterFormer:
    """Remove ML backend and webhook from the Label Studio at `address`, to which the resource belonged before; done
    outside the reconciles, reported by `Observed.former`."""

    project: int
    url: str
    address: str


@dataclass(frozen=True)
class TagPromoted:
    """Let the tag `promoted` name this image; done outside the reconciles, reported by `Observed.registry`."""

    image: str
    plain_http: bool
    secret: str | None


@dataclass(frozen=True)
class RemoveImages:
    """Delete images and snapshots of ours from the registry, named by digest or by the tag of a Job; done outside the
    reconciles. `keep`: names by digest that stay. `generation`: of the resource that asks."""

    images: tuple[str, ...]
    keep: frozenset[str]
    plain_http: bool
    secret: str | None
    generation: int


@dataclass(frozen=True)
class ProbeService:
    """Ask the backend at `url` which version answers, outside the reconciles; reported by `Observed.probe`.

    Asked again at once when `route` changes, and often until `version` answers.
    """

    url: str
    version: str
    route: str


@dataclass(frozen=True)
class Emit:
    """An Event on the resource; `type` is Normal or Warning."""

    type: str
    reason: str
    note: str


Action = (
    Apply
    | Create
    | Delete
    | SetFinalizer
    | ReleaseRelaySecret
    | EnsureWebhook
    | EnsureBackend
    | Deregister
    | DeregisterFormer
    | TagPromoted
    | RemoveImages
    | ProbeService
    | Emit
)


@dataclass(frozen=True)
class Plan:
    """Actions in order, the status to write afterwards, and when to look again (seconds) at the latest."""

    actions: tuple[Action, ...]
    status: Status
    requeue_after: float | None = None
    """0: at once (facts are stale by what this plan does)."""
    events: tuple[Emit, ...] = ()
    """Emitted after the status was written: they tell of transitions that are then on record."""
