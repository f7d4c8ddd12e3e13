"""What is known about the project's labelling configuration, as a condition."""

from collections.abc import Sequence
from dataclasses import replace

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.training_result import Outcome
from labelloop_operator.planning.plan_builder import PlanBuilder

_TYPE = ConditionType.LABEL_CONFIG_SUPPORTED
_IGNORED_SHOWN = 3


def judge_label_config(builder: PlanBuilder, model_type: str | None) -> None:
    """The condition LabelConfigSupported; what was known stays while Label Studio is silent.

    `model_type`: a custom model, which alone knows what it can read.
    """
    facts = builder.observed.label_studio
    before = condition(builder.status.conditions, _TYPE)
    if facts is None or facts.project is None:
        if before is None:
            builder.set(_TYPE, ConditionStatus.UNKNOWN, Reason.CONNECTING, "Label Studio was not asked yet")
    elif model_type is not None:
        message = f"{model_type} reads what it can of the labelling configuration; its trainings tell what it cannot"
        builder.set(_TYPE, ConditionStatus.TRUE, Reason.SUPPORTED, message)
    elif facts.project.label_config_problem is not None:
        problem = facts.project.label_config_problem
        builder.set(_TYPE, ConditionStatus.FALSE, Reason.LABEL_CONFIG_UNSUPPORTED, problem)
    elif before is None or before.reason != Reason.LABELS_REMOVED or _has_changed(builder):
        builder.set(_TYPE, ConditionStatus.TRUE, Reason.SUPPORTED, _supported(builder))


def report_removed_labels(builder: PlanBuilder, removed: Sequence[str]) -> None:
    """A training has read the configuration: which labels of annotations it no longer has."""
    if removed:
        message = f"annotations with labels that the configuration no longer has are left out: {', '.join(removed)}"
        builder.set(_TYPE, ConditionStatus.TRUE, Reason.LABELS_REMOVED, message)
    else:
        builder.set(_TYPE, ConditionStatus.TRUE, Reason.SUPPORTED, _supported(builder))


def confirm_label_config(builder: PlanBuilder) -> None:
    """The first look at the project after a training tells whether it still has the configuration that was read."""
    training = builder.status.training
    if training.label_config is not None and _looked_since(builder) and not _has_changed(builder):
        builder.set_training(replace(training, label_config_confirmed=True))


def label_config_changed(builder: PlanBuilder) -> bool:
    """Whether it changed while the newest training ran. What changes later is learned with the next training."""
    return not builder.status.training.label_config_confirmed and _looked_since(builder) and _has_changed(builder)


def missing_labels(builder: PlanBuilder, outcome: Outcome) -> tuple[str, ...]:
    """Labels of annotations that the configuration has now, and did not have when the training read it."""
    facts = builder.observed.label_studio
    project, training = facts.project if facts else None, builder.status.training
    if project is None or training.label_config is None or training.label_config_confirmed:
        return ()  # nothing to compare with, or the digests never agree
    if training.label_config == project.label_config_digest:
        return ()
    return tuple(label for label in outcome.removed_labels if label in project.labels)


def _has_changed(builder: PlanBuilder) -> bool:
    read, facts = builder.status.training.label_config, builder.observed.label_studio
    present = facts.project.label_config_digest if facts and facts.project else None
    return read is not None and present is not None and read != present


def _looked_since(builder: PlanBuilder) -> bool:
    """Whether the project was read after the newest training had ended: the count against its cut was."""
    training, facts = builder.status.training, builder.observed.label_studio
    pending = facts.pending if facts else None
    if pending is None or pending.cut != training.cut:
        return False
    return training.finished_at is None or pending.counted_at >= training.finished_at


def _supported(builder: PlanBuilder) -> str:
    """Also tells the controls that nobody will learn, with the reasons of the first few."""
    facts = builder.observed.label_studio
    ignored = facts.project.label_config_ignored if facts and facts.project else ()
    if not ignored:
        return "the labelling configuration can be learned"
    more = f" And {len(ignored) - _IGNORED_SHOWN} more." if len(ignored) > _IGNORED_SHOWN else ""
    return f"the labelling configuration can be learned, but for: {' '.join(ignored[:_IGNORED_SHOWN])}{more}"
