"""What a finished training means: result.json (docs/internals/interfaces.md 2.3) as untrusted input, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.status import Cut, ModelVersion

MESSAGE_MAX_LENGTH = 600


REPLACED = "Replaced"
"""Of a Job whose pod could not run: the operator deleted it for another one."""
OUTDATED = "Outdated"
"""A model came of it, but of a labelling configuration that lacks labels which the project has."""


class OutcomeKind(StrEnum):
    """Kinds of outcomes, as in result.json."""

    TRAINED = "Trained"
    REFUSED = "Refused"
    """A model came of it, but the gate holds it back; its image is kept for inspection."""
    UNCHANGED = "Unchanged"
    NOT_ENOUGH_DATA = "NotEnoughData"
    FAILED = "Failed"


@dataclass(frozen=True)
class GateVerdict:
    """What the comparison with the active model found (result.json, `gate`)."""

    accepted: bool
    reason: Reason
    message: str


@dataclass(frozen=True)
class Outcome:
    """One training's outcome. `cut` is set unless it failed, `model` when it trained or was refused."""

    kind: OutcomeKind
    reason: Reason
    message: str
    cut: Cut | None = None
    model: ModelVersion | None = None
    snapshot: str | None = None
    removed_labels: tuple[str, ...] = ()
    label_config: str | None = None
    """Digest of the labelling configuration that was read."""
    gate: GateVerdict | None = None


def failed(reason: Reason, message: str) -> Outcome:
    """A technical failure: the cut stays, the training is tried again."""
    return Outcome(OutcomeKind.FAILED, reason, message)


def read_outcome(result: Mapping[str, Any]) -> Outcome:
    """The outcome reported by a result; a result that does not say enough is a failure."""
    message = _text(result.get("message"))[:MESSAGE_MAX_LENGTH]
    kind = next((kind for kind in OutcomeKind if kind.value == result.get("outcome")), None)
    if kind is None:
        return failed(Reason.UNKNOWN, f"the training gave no outcome. {message}".strip())
    if kind is OutcomeKind.FAILED:
        return failed(Reason.of(result.get("reason"), Reason.UNKNOWN), message or "no message")
    cut = Cut.from_dict(result.get("cut"))
    if cut is None:
        return failed(Reason.UNKNOWN, "the training's result has no usable field cut")
    makes_a_model = kind in (OutcomeKind.TRAINED, OutcomeKind.REFUSED)
    model = _model(result) if makes_a_model else None
    if makes_a_model and model is None:
        return failed(Reason.UNKNOWN, "the training's result names no version or image")
    return Outcome(
        kind=kind,
        reason=_reason(kind, result),
        message=message,
        cut=cut,
        model=model,
        snapshot=_text(result.get("snapshot")) or None,
        removed_labels=tuple(item for item in _list(result.get("removed_labels")) if isinstance(item, str)),
        label_config=_text(result.get("label_config_sha256")) or None,
        gate=_gate(kind, result),
    )


def _reason(kind: OutcomeKind, result: Mapping[str, Any]) -> Reason:
    if kind is OutcomeKind.NOT_ENOUGH_DATA:
        return Reason.of(result.get("reason"), Reason.NOT_ENOUGH_DATA)
    return Reason.UNCHANGED if kind is OutcomeKind.UNCHANGED else Reason.TRAINED


def _gate(kind: OutcomeKind, result: Mapping[str, Any]) -> GateVerdict | None:
    """The outcome decides; the verdict explains it."""
    told = result.get("gate")
    if kind is OutcomeKind.REFUSED and not isinstance(told, Mapping):
        return GateVerdict(False, Reason.UNKNOWN, "the result does not say why")
    if not isinstance(told, Mapping) or kind not in (OutcomeKind.TRAINED, OutcomeKind.REFUSED):
        return None
    reason = Reason.of(told.get("reason"), Reason.UNKNOWN)
    return GateVerdict(kind is OutcomeKind.TRAINED, reason, _text(told.get("message"))[:MESSAGE_MAX_LENGTH])


def _model(result: Mapping[str, Any]) -> ModelVersion | None:
    metrics = result.get("metrics")
    return ModelVersion.from_dict(
        {
            "version": result.get("version"),
            "image": result.get("image"),
            "datasetDigest": result.get("dataset_digest"),
            "metrics": {name: _number(value) for name, value in metrics.items() if _is_number(value)}
            if isinstance(metrics, Mapping)
            else {},
        }
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
