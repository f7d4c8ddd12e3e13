"""Metrics of a fitted model and the gate's verdict on it, for models of every kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Schema
from labelloop.metrics import ACCURACY
from labelloop.models.model import Model, TextModel
from labelloop.training.evaluate import evaluate
from labelloop.training.gate import GateRules, compare
from labelloop.training.gate_checks import Verdict
from labelloop.training.model_calls import guard_model_call
from labelloop.training.task_classifier import TaskClassifier, without_probabilities

Metrics = Mapping[str, object]


def measure(
    model: Model,
    incumbent: Model | None,
    held_out: Sequence[Example],
    for_both: Sequence[Example],
    schema: Schema,
    rules: GateRules,
) -> tuple[Metrics, Verdict]:
    """`for_both`: those of the held-out examples that the incumbent was not trained on either.

    A model without probabilities is measured by the choices it makes; one that makes none has no figures, and passes.
    Raises ModelFailedError when a custom model fails on the held-out tasks.
    """
    before = incumbent if incumbent is not None and isinstance(incumbent, TextModel) else None
    if isinstance(model, TextModel):
        with guard_model_call(type(model), "probabilities"):
            return evaluate(model, held_out, schema), compare(before, model, for_both, schema, rules)
    answered = TaskClassifier(model, schema)
    if not answered.labels:
        kinds = ", ".join(sorted({control.result_type for control in schema.controls}))
        message = f"a model of {kinds} has no figures to compare: it passes"
        return evaluate(answered, (), schema), Verdict(True, "NothingToCompare", message)
    with guard_model_call(type(model), "predict"):
        metrics = without_probabilities(evaluate(answered, held_out, schema))
    if rules.metric.needs_probabilities:
        rules = replace(rules, metric=ACCURACY)
    verdict = compare(_asked(incumbent, for_both, schema), answered, for_both, schema, rules)
    if answered.faults:
        wrong = "; ".join(f"{number} times it {fault}" for fault, number in answered.faults.items())
        verdict = replace(verdict, message=f"{verdict.message} ({wrong})")
    return metrics, verdict


def _asked(incumbent: Model | None, examples: Sequence[Example], schema: Schema) -> TaskClassifier | None:
    """The incumbent with its answers; None when it cannot answer: an old model that fails must not stop a new one."""
    if incumbent is None or isinstance(incumbent, TextModel):
        return None
    answered = TaskClassifier(incumbent, schema)
    try:
        for control in answered.labels:
            answered.probabilities(control, [example.text for example in examples if example.labels.get(control)])
    except (Exception, SystemExit):
        return None
    return answered
