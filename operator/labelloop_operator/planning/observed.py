"""What one reconcile looks at: the single input value of `plan`, gathered by the engine.

Everything here is plain data; nothing reads a clock, a socket or the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from labelloop_operator.api.label_studio_objects import RegisteredBackend, RegisteredWebhook, ShownPredictions
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.api.status import Cut, Status

__all__ = [
    "Children",
    "Conflict",
    "ConnectionFacts",
    "FormerFacts",
    "JobOutcome",
    "LabelStudioFacts",
    "Manifest",
    "Observed",
    "OperatorFacts",
    "OtherTrainings",
    "PendingFacts",
    "PodProblem",
    "ProbeFacts",
    "ProjectFacts",
    "RegisteredBackend",
    "RegisteredWebhook",
    "RegistryFacts",
    "Resource",
    "ShownPredictions",
]

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """One LabelStudioBackend, metadata and status; `spec` is None when it could not be parsed."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    annotations: Mapping[str, str]
    finalizers: tuple[str, ...]
    deletion_requested_at: datetime | None
    spec: Spec | None
    problems: tuple[Problem, ...]
    status: Status


@dataclass(frozen=True)
class OperatorFacts:
    """What the operator knows without asking: its settings and the cluster it runs in."""

    backend_image: str
    registry_prefix: str
    registry_plain_http: bool
    cluster_domain: str
    relay_url: str
    cluster_id: str
    deregister_timeout: float
    trainings_per_namespace: int
    """Training Jobs at once in one namespace; 0: as many as are due."""
    trainings_per_label_studio: int
    """Training Jobs at once that read from one Label Studio; 0: as many as are due."""
    relay_secret: str
    """HMAC of the resource's uid, derived from the operator key (docs/internals/interfaces.md section 5)."""
    webhook_secret: str
    address_policy: str = ""
    """Where training pods may find Label Studio (AddressPolicy as JSON); empty: anywhere."""


@dataclass(frozen=True)
class ConnectionFacts:
    """The connection Secret: problems, the address, and what builders need to mount."""

    problem: Problem | None = None
    address: str = ""
    """Label Studio's; empty while no usable one was ever read."""
    has_ca: bool = False
    basic_auth_problem: Problem | None = None
    basic_auth: tuple[str, str] | None = None
    """User and password given to Label Studio with the backend's URL, when spec asks for basic auth."""
    former_address: str = ""
    """Of the Label Studio whose credentials the relay Secret keeps, when the resource may not belong there any more."""
    kept: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The Secret's values, to be kept next to the relay secrets for a time when it is gone; never reported anywhere."""


@dataclass(frozen=True)
class FormerFacts:
    """How far the removal from the Label Studio at `address`, which the resource no longer belongs to, has come."""

    address: str
    removed: bool = False
    problem: Problem | None = None


@dataclass(frozen=True)
class Children:
    """Objects we own, from the cache, which shows our own writes at once. Foreign ones are reported by `Conflict`;
    `plan` ignores what the resource's uid does not control."""

    service: Manifest | None = None
    deployments: tuple[Manifest, ...] = ()
    jobs: tuple[Manifest, ...] = ()
    succeeded_pods: tuple[Manifest, ...] = ()
    """Of Jobs, which themselves are reported to be complete a second later."""
    pod_problems: tuple["PodProblem", ...] = ()
    """Of pods that wait or crash; only needed while a Deployment is unavailable or a Job runs."""


@dataclass(frozen=True)
class PodProblem:
    """Why a pod of ours does not run, from its container statuses and PodScheduled condition."""

    owner: str
    """Name of our Deployment or Job that the pod belongs to."""
    reason: str
    """As Kubernetes writes it: ErrImagePull, ImagePullBackOff, InvalidImageName, CrashLoopBackOff, Unschedulable..."""
    message: str


@dataclass(frozen=True)
class Conflict:
    """An object that has the name of one of ours and is controlled by somebody else; found by the engine before
    the first Apply or Create of an object missing in the cache (GET), forgotten when it is gone."""

    kind: str
    name: str


@dataclass(frozen=True)
class JobOutcome:
    """What a finished Job left: its termination message, or why there is none."""

    job: str
    result: Mapping[str, Any]
    """`result.json` (docs/internals/interfaces.md 2.3) with `image` and `snapshot`. A technical failure is `Failed`."""


@dataclass(frozen=True)
class OtherTrainings:
    """Training Jobs of other resources that have not finished."""

    in_namespace: int = 0
    with_label_studio: int = 0
    predicting: int = 0
    """Prediction Jobs of other resources with the same Label Studio; they are no trainings."""


@dataclass(frozen=True)
class RegistryFacts:
    """What was done in the registry in this life of the operator."""

    promoted: str | None = None
    """The image that was tagged as promoted."""
    removed: frozenset[str] = frozenset()
    refusal: str | None = None
    """Why the registry deletes nothing, as it said when it was last asked to."""
    refused_generation: int = 0
    """The resource's generation at that time."""


@dataclass(frozen=True)
class ProbeFacts:
    """What the backend answered through its Service since the route to it last changed."""

    enabled: bool = False
    """False: the operator does not ask; available pods count as answering."""
    route: str = ""
    """The route that was probed (planning/children.py)."""
    version: str | None = None
    """In the newest answer; None: there was none yet."""
    failures: int = 0
    """Probes without an answer since then."""
    failing_since: datetime | None = None
    error: str = ""
    """Of the newest failure."""


@dataclass(frozen=True)
class ProjectFacts:
    """The project in Label Studio; `label_config` may be empty here, `plan` reads the digest only."""

    id: int
    title: str
    label_config: str
    label_config_digest: str | None
    """None when the configuration is not supported; `label_config_problem` says why."""
    label_config_problem: str | None
    created_at: datetime | None = None
    """Tells a project from another one with the same id, in a new or another Label Studio."""
    label_config_ignored: tuple[str, ...] = ()
    """Why some of its controls are left out, a sentence each, while others are learned."""
    labels: frozenset[str] = frozenset()
    """All labels of its controls."""


@dataclass(frozen=True)
class PendingFacts:
    """Updates not yet used by a training, derived from Label Studio against the cut in status."""

    total: int
    repeat_edits_seen: int
    """Edits of already pending annotations found since the last status write, in which `plan` added them; the engine
    forgets them only when that write succeeded."""
    size: int
    counted_at: datetime
    cut: Cut
    """What `total` was counted against: `plan` ignores a count against another cut than the one in status."""


@dataclass(frozen=True)
class LabelStudioFacts:
    """What Label Studio said. `problem` set: the rest may be missing or old."""

    problem: Problem | None = None
    registration_problem: Problem | None = None
    """The newest EnsureWebhook, EnsureBackend or Deregister failed; None again once one succeeded. While it stands
    `plan` still asks for them: the engine's back-off decides when."""
    project: ProjectFacts | None = None
    pending: PendingFacts | None = None
    backends: tuple[RegisteredBackend, ...] = ()
    """All of the project, foreign ones too: the lowest id is the one that annotators' Label Studio asks."""
    webhooks: tuple[RegisteredWebhook, ...] = ()
    shown: ShownPredictions | None = None
    """None: not known, or there is no ML backend of ours."""
    release: str = ""
    """Of Label Studio, as in "1.23.2"; empty: not known."""
    registration_known: bool = False
    """`backends` and `webhooks` were read in this process at least once."""
    count_waits: float = field(default=0.0, compare=False)
    """Seconds for which a new count has been due without one that succeeded; 0: none is due."""


@dataclass(frozen=True)
class Observed:
    """The single input of one reconcile."""

    resource: Resource
    operator: OperatorFacts
    connection: ConnectionFacts = field(default_factory=ConnectionFacts)
    children: Children = field(default_factory=Children)
    outcomes: tuple[JobOutcome, ...] = ()
    label_studio: LabelStudioFacts | None = None
    """None: not asked yet in this process."""
    conflicts: tuple[Conflict, ...] = ()
    other_trainings: OtherTrainings = OtherTrainings()
    registry: RegistryFacts = RegistryFacts()
    secret_versions: tuple[str, ...] = ()
    """Name and resource version of the Secrets that a training Job uses."""
    former: FormerFacts | None = None
    probe: ProbeFacts = ProbeFacts()
    promoted: Mapping[str, Any] | None = None
    """Of a resource without any version: what the image tagged `promoted` in its repository says about itself."""
    disputed: tuple[Problem, ...] = ()
    """Children of ours that another client keeps changing."""
    last_error: Problem | None = None
    """Why an action on the Kubernetes API failed in this reconcile, when a person must act (permission, quota,
    immutable field). The engine plans without it and executes; after such a failure it plans once more with it: that
    plan has no actions, and its status is the old one with Ready=False. A failure of Label Studio is reported by
    `LabelStudioFacts.registration_problem` instead: everything before it was done and is recorded."""
