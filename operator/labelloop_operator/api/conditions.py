"""Condition types, their reasons, and how a condition changes. Reasons are API: docs/user/conditions.md tells each.

Rules (as in KServe): every condition carries the generation it was observed at; lastTransitionTime moves only
when the status flips; messages tell the remedy.
"""

# ruff: noqa: S105 - reasons with "Secret" or "Token" in their name are no passwords

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from labelloop_operator.api.times import format_time, parse_time

MESSAGE_MAX_LENGTH = 1024
_EPOCH = datetime.fromtimestamp(0, UTC)


class ConditionType(StrEnum):
    """Conditions of a LabelStudioBackend, in the order in which they are written."""

    READY = "Ready"
    SPEC_VALID = "SpecValid"
    SERVING = "Serving"
    REGISTERED = "Registered"
    LABEL_CONFIG_SUPPORTED = "LabelConfigSupported"
    TRAINING_SUCCEEDED = "TrainingSucceeded"
    CANDIDATE_ACCEPTED = "CandidateAccepted"
    ROLLOUT_SUCCEEDED = "RolloutSucceeded"
    REBASED = "Rebased"
    PREDICTIONS_WRITTEN = "PredictionsWritten"
    SUSPENDED = "Suspended"


class ConditionStatus(StrEnum):
    """Values of a condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Reasons of conditions and Events; each is in docs/user/conditions.md."""

    # Ready
    READY = "Ready"
    CONFLICT = "Conflict"
    MISSING_PERMISSION = "MissingPermission"
    IMMUTABLE_FIELD = "ImmutableField"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADMISSION_DENIED = "AdmissionDenied"
    CHILD_REJECTED = "ChildRejected"
    CHILD_DISPUTED = "ChildDisputed"
    DELETING = "Deleting"
    INTERNAL_ERROR = "InternalError"
    # SpecValid
    VALID = "Valid"
    INVALID_SPEC = "InvalidSpec"
    SECRET_NOT_LABELLED = "SecretNotLabelled"
    # connection to Label Studio
    CONNECTION_SECRET_NOT_FOUND = "ConnectionSecretNotFound"
    CONNECTION_SECRET_KEY_MISSING = "ConnectionSecretKeyMissing"
    CONNECTION_URL_INVALID = "ConnectionURLInvalid"
    CONNECTION_CA_INVALID = "ConnectionCAInvalid"
    CONNECTION_ADDRESS_FORBIDDEN = "ConnectionAddressForbidden"
    UNAUTHORIZED = "Unauthorized"
    TOKEN_EXPIRED = "TokenExpired"
    PROJECT_NOT_FOUND = "ProjectNotFound"
    LABEL_STUDIO_UNREACHABLE = "LabelStudioUnreachable"
    NOT_LABEL_STUDIO = "NotLabelStudio"
    LABEL_STUDIO_REJECTED = "LabelStudioRejected"
    ADDRESS_BLOCKED = "AddressBlocked"
    CONNECTING = "Connecting"
    # Serving
    AVAILABLE = "Available"
    PARTIALLY_AVAILABLE = "PartiallyAvailable"
    STARTING = "Starting"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CRASHING = "ContainerCrashing"
    CONTAINER_CONFIG_INVALID = "ContainerConfigInvalid"
    POD_CREATION_FAILED = "PodCreationFailed"
    UNSCHEDULABLE = "Unschedulable"
    SERVICE_UNREACHABLE = "ServiceUnreachable"
    BASIC_AUTH_SECRET_NOT_FOUND = "BasicAuthSecretNotFound"
    BASIC_AUTH_SECRET_KEY_MISSING = "BasicAuthSecretKeyMissing"
    # Registered
    REGISTERED = "Registered"
    REGISTRATION_DISABLED = "RegistrationDisabled"
    WAITING_FOR_SERVING = "WaitingForServing"
    REGISTERING = "Registering"
    NOT_PRIMARY = "NotPrimary"
    NOT_CONNECTED = "NotConnected"
    OTHER_MODEL_VERSION_SELECTED = "OtherModelVersionSelected"
    PREDICTIONS_OFF = "PredictionsOff"
    DEREGISTRATION_INCOMPLETE = "DeregistrationIncomplete"
    REGISTRATION_ORPHANED = "RegistrationOrphaned"
    PROJECT_CHANGED = "ProjectChanged"
    RELEASE_UNSUPPORTED = "ReleaseUnsupported"
    # LabelConfigSupported
    SUPPORTED = "Supported"
    LABELS_REMOVED = "LabelsRemoved"
    LABEL_CONFIG_UNSUPPORTED = "LabelConfigUnsupported"
    # TrainingSucceeded: waiting, running, results
    WAITING_FOR_UPDATES = "WaitingForUpdates"
    COUNT_STALE = "CountStale"
    WAITING_FOR_ROLLOUT = "WaitingForRollout"
    BACKING_OFF = "BackingOff"
    PINNED = "Pinned"
    WAITING_FOR_MIN_INTERVAL = "WaitingForMinInterval"
    CONCURRENCY_LIMIT_REACHED = "ConcurrencyLimitReached"
    TOO_FEW_ANNOTATIONS = "TooFewAnnotations"
    REGISTRY_NOT_CONFIGURED = "RegistryNotConfigured"
    TRAINING_RUNNING = "TrainingRunning"
    JOB_REPLACED = "JobReplaced"
    TRAINED = "Trained"
    UNCHANGED = "Unchanged"
    NOT_ENOUGH_DATA = "NotEnoughData"
    TOO_FEW_LABELS = "TooFewLabels"
    NO_USABLE_ANNOTATIONS = "NoUsableAnnotations"
    # TrainingSucceeded: technical failures
    LABEL_STUDIO_UNAUTHORIZED = "LabelStudioUnauthorized"
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    REGISTRY_UNAUTHORIZED = "RegistryUnauthorized"
    REGISTRY_READ_ONLY = "RegistryReadOnly"
    BASE_IMAGE_NOT_FOUND = "BaseImageNotFound"
    MODEL_FAILED = "ModelFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    DISK_FULL = "DiskFull"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    JOB_DELETED = "JobDeleted"
    POD_DELETED = "PodDeleted"
    LABEL_CONFIG_CHANGED = "LabelConfigChanged"
    UNKNOWN = "Unknown"
    # CandidateAccepted
    PASSED = "Passed"
    NOTHING_TO_COMPARE = "NothingToCompare"
    TOO_FEW_EXAMPLES = "TooFewExamples"
    WORSE_THAN_ACTIVE = "WorseThanActive"
    BELOW_MINIMUM = "BelowMinimum"
    # RolloutSucceeded
    ROLLOUT_RUNNING = "RolloutRunning"
    SWITCHING = "Switching"
    PROMOTED = "Promoted"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    ROLLED_BACK = "RolledBack"
    PREVIOUSLY_REJECTED = "PreviouslyRejected"
    PINNED_VERSION_UNKNOWN = "PinnedVersionUnknown"
    # Rebased
    REBASED = "Rebased"
    REBASING = "Rebasing"
    REBASE_NEEDS_TRAINING = "RebaseNeedsTraining"
    # PredictionsWritten
    PREDICTIONS_WRITTEN = "PredictionsWritten"
    WRITING_PREDICTIONS = "WritingPredictions"
    # Suspended
    SUSPENDED = "Suspended"
    RUNNING = "Running"
    # Events only
    TRAINING_STARTED = "TrainingStarted"
    TRAINING_SUCCEEDED = "TrainingSucceeded"
    TRAINING_FAILED = "TrainingFailed"
    JOB_RESTORED = "JobRestored"
    CHILD_RESTORED = "ChildRestored"
    CANDIDATE_REJECTED = "CandidateRejected"
    ROLLOUT_STARTED = "RolloutStarted"
    ROLLOUT_FAILED = "RolloutFailed"
    SERVICE_RESTORED = "ServiceRestored"
    IMAGE_DELETION_FAILED = "ImageDeletionFailed"
    RESUMED = "Resumed"

    @classmethod
    def of(cls, value: object, default: "Reason") -> "Reason":
        """The reason with that text, or `default`: results of training name theirs as text."""
        return next((reason for reason in cls if reason.value == value), default)


@dataclass(frozen=True)
class Condition:
    """One entry of `status.conditions`."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int
    last_transition_time: datetime

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Condition | None":
        """None when the entry is not one of ours or is damaged."""
        try:
            type_, status = ConditionType(str(data.get("type"))), ConditionStatus(str(data.get("status")))
        except ValueError:
            return None
        generation = data.get("observedGeneration")
        return cls(
            type=type_,
            status=status,
            reason=str(data.get("reason", "")),
            message=str(data.get("message", "")),
            observed_generation=generation if isinstance(generation, int) else 0,
            last_transition_time=parse_time(data.get("lastTransitionTime")) or _EPOCH,
        )

    def to_dict(self) -> dict[str, Any]:
        """As it is in the object."""
        return {
            "type": str(self.type),
            "status": str(self.status),
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": self.observed_generation,
            "lastTransitionTime": format_time(self.last_transition_time),
        }


def condition(conditions: Sequence[Condition], type_: ConditionType) -> Condition | None:
    """The condition of that type."""
    return next((item for item in conditions if item.type == type_), None)


def is_true(conditions: Sequence[Condition], type_: ConditionType) -> bool:
    """Whether the condition stands and is True."""
    found = condition(conditions, type_)
    return found is not None and found.status is ConditionStatus.TRUE


def set_condition(
    conditions: Sequence[Condition],
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """The conditions with this one replaced; lastTransitionTime moves only when the status flips."""
    before = condition(conditions, type_)
    moved = before is None or before.status is not status
    replaced = Condition(
        type=type_,
        status=status,
        reason=str(reason),
        message=shorten(message),
        observed_generation=generation,
        last_transition_time=now.replace(microsecond=0) if moved or before is None else before.last_transition_time,
    )
    order = list(ConditionType)
    others = [item for item in conditions if item.type != type_]
    return tuple(sorted([*others, replaced], key=lambda item: order.index(item.type)))


def shorten(message: str) -> str:
    """`message` in at most 1,024 characters, as Events and conditions allow."""
    return message if len(message) <= MESSAGE_MAX_LENGTH else message[: MESSAGE_MAX_LENGTH - 1] + "…"
