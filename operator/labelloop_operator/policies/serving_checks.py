"""Whether a version serves, and if not, why: read off its Deployment and pods."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelloop_operator.api.conditions import ConditionStatus, Reason
from labelloop_operator.policies.chain import Check, first_decision

IMAGE_PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
CONFIG_REASONS = frozenset({"CreateContainerConfigError"})
DETAIL_MAX_LENGTH = 300


@dataclass(frozen=True)
class PodTrouble:
    """Why a pod does not run, as Kubernetes says it."""

    reason: str
    message: str


@dataclass(frozen=True)
class ServingInput:
    """A version's Deployment as it stands. `wanted`: replicas asked for."""

    version: str
    image: str
    exists: bool
    current: bool
    """Its controller has seen the newest manifest, and as many replicas are asked for as we want."""
    wanted: int
    updated: int
    available: int
    refused: str | None = None
    """Message of the Deployment's ReplicaFailure condition: pods could not even be created."""
    troubles: Sequence[PodTrouble] = ()


@dataclass(frozen=True)
class Answer:
    """What was answered through the Service since the route to the pods last changed."""

    probed: bool
    """False: the operator does not ask; available pods count as answering."""
    version: str | None = None
    error: str | None = None
    """Why several probes in a row got no answer."""

    @property
    def unknown(self) -> bool:
        """Not asked yet, or too few probes failed to call it a failure."""
        return self.probed and self.version is None and self.error is None

    def comes_from(self, version: str) -> bool:
        """Whether this version answers."""
        return not self.probed or (self.error is None and self.version == version)


NOT_PROBED = Answer(probed=False)


@dataclass(frozen=True)
class ServingDecision:
    """The condition Serving."""

    status: ConditionStatus
    reason: Reason
    message: str


def fully_available(given: ServingInput) -> bool:
    """All replicas of the newest manifest answer."""
    return given.exists and given.current and given.updated >= given.wanted and given.available >= given.wanted


def evaluate_serving(
    given: ServingInput, answer: Answer = NOT_PROBED, url: str = "", served_before: bool = False
) -> ServingDecision:
    """The condition Serving for the active version. `served_before`: it was True; nothing unknown makes it False."""
    ready = f"pods of {given.version} are ready"
    if given.available > 0 and answer.error is not None:
        message = (
            f"{ready}, but {url} does not answer the operator: {answer.error}. Check network policies and kube-proxy; "
            "set the chart's probe.enabled to false where the operator may not reach Services."
        )
        return ServingDecision(ConditionStatus.FALSE, Reason.SERVICE_UNREACHABLE, message)
    if given.available > 0 and answer.unknown and not served_before:
        return ServingDecision(ConditionStatus.FALSE, Reason.STARTING, f"{ready}; waiting for an answer of {url}")
    return _judge_pods(given)


def _judge_pods(given: ServingInput) -> ServingDecision:
    count = f"{given.available} of {given.wanted} pods of {given.version} serve"
    if fully_available(given):
        return ServingDecision(ConditionStatus.TRUE, Reason.AVAILABLE, count)
    trouble = explain(given)
    if given.available > 0:
        why = f"; {trouble.message}" if trouble else ""
        return ServingDecision(ConditionStatus.TRUE, Reason.PARTIALLY_AVAILABLE, count + why)
    if trouble is not None:
        return trouble
    return ServingDecision(ConditionStatus.FALSE, Reason.STARTING, f"pods of {given.version} are starting")


def explain(given: ServingInput) -> ServingDecision | None:
    """Why pods of this version do not serve; None when nothing is wrong yet."""
    return first_decision(TROUBLES, given)


def is_pull_failure(reason: str) -> bool:
    """Whether a waiting reason says that the image cannot be had."""
    return reason in IMAGE_PULL_REASONS


def _pods_refused(given: ServingInput) -> ServingDecision | None:
    if given.refused is None:
        return None
    detail = given.refused[:DETAIL_MAX_LENGTH]
    return ServingDecision(
        ConditionStatus.FALSE,
        Reason.POD_CREATION_FAILED,
        f"Kubernetes refuses the pods: {detail}. Check the namespace's quota, limits and PodSecurity level.",
    )


def _image_pull_failed(given: ServingInput) -> ServingDecision | None:
    return _trouble(
        given,
        lambda reason: reason in IMAGE_PULL_REASONS,
        Reason.IMAGE_PULL_FAILED,
        f"image {given.image} cannot be pulled; check spec.image, the registry and spec.registry.pullSecretRef",
    )


def _configuration_invalid(given: ServingInput) -> ServingDecision | None:
    return _trouble(
        given,
        lambda reason: reason in CONFIG_REASONS,
        Reason.CONTAINER_CONFIG_INVALID,
        "the container cannot be configured; check the Secrets named in spec.serving and their keys",
    )


def _unschedulable(given: ServingInput) -> ServingDecision | None:
    return _trouble(
        given,
        lambda reason: reason == "Unschedulable",
        Reason.UNSCHEDULABLE,
        "no node takes the pods; check spec.serving.resources and the nodes' free capacity",
    )


def _crashing(given: ServingInput) -> ServingDecision | None:
    return _trouble(
        given,
        lambda _: True,
        Reason.CONTAINER_CRASHING,
        f"the backend does not start from image {given.image}; see the pod's log",
    )


def _trouble(given: ServingInput, applies: "_Applies", reason: Reason, remedy: str) -> ServingDecision | None:
    found = next((trouble for trouble in given.troubles if applies(trouble.reason)), None)
    if found is None:
        return None
    detail = f" ({found.reason}: {found.message[:DETAIL_MAX_LENGTH]})" if found.message else f" ({found.reason})"
    return ServingDecision(ConditionStatus.FALSE, reason, remedy + detail)


_Applies = Check[str, bool]
TROUBLES: Sequence[Check[ServingInput, ServingDecision]] = (
    _pods_refused,
    _image_pull_failed,
    _configuration_invalid,
    _unschedulable,
    _crashing,
)
