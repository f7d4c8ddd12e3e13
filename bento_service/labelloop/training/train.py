"""Training proper: snapshot in, model directory and result out; knows nothing of Label Studio's API or of the pod."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from labelloop.datasets.examples import Example, ExampleSet
from labelloop.datasets.snapshot import Snapshot
from labelloop.datasets.split import FEWEST_MEASURED, holdout, holdout_fraction, position
from labelloop.label_config.schema import Schema
from labelloop.models.custom import code_digest, name_of
from labelloop.models.errors import NotEnoughExamplesError, ParameterError
from labelloop.models.model import Model, TextModel
from labelloop.models.store import load_model, save_model
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.models.version import model_version
from labelloop.prediction.golden import write_golden
from labelloop.prediction.predictor import Predictor
from labelloop.training.address_texts import mostly_addresses, only_references
from labelloop.training.measure import measure
from labelloop.training.model_calls import guard_model_call
from labelloop.training.provenance import data_time, history, origin
from labelloop.training.result import Result
from labelloop.training.training_settings import TrainingSettings

SNAPSHOT_FILE = "snapshot.jsonl.gz"
MODEL_DIRECTORY = "model"
RESULT_FILE = "result.json"

Report = Callable[[str], None]


def train(
    snapshot: Snapshot,
    schema: Schema,
    settings: TrainingSettings,
    directory: Path,
    report: Report = lambda _line: None,
    model_class: type[Model] = TextClassifier,
    incumbent: Model | None = None,
) -> Result:
    """Write the snapshot and, if one comes of it, the model into `directory`; `report` gets each step, no texts.

    The model never sees a held-out text. A user's problem (too few labels, nothing usable) is a result; an unusable
    parameter is the Failed result ModelFailed; other errors (ModelFailedError) are raised, and SnapshotError
    when rows that were kept of an earlier snapshot prove damaged.
    """
    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(directory / MODEL_DIRECTORY, ignore_errors=True)
    (directory / SNAPSHOT_FILE).unlink(missing_ok=True)
    example_set = snapshot.examples(schema)
    if settings.store_snapshot:
        snapshot.write(directory / SNAPSHOT_FILE)
    result = Result(
        outcome="NotEnoughData",
        reason="NoUsableAnnotations",
        message="",
        dataset_digest=snapshot.digest,
        label_config_sha256=schema.digest,
        cut=snapshot.cut,
        counts=example_set.counts.to_json(),
        project=settings.project,
        removed_labels=example_set.removed_labels,
    )
    report(_counts_message(example_set))
    if not example_set.examples:
        return replace(result, message=_nothing_usable(example_set))
    if model_class is TextClassifier and (why := only_references(example_set.examples)):
        return replace(result, message=why)
    if model_class.FIXED_VERSION is not None:
        message = f"{name_of(model_class)} does not learn: it stays at its version {model_class.FIXED_VERSION}"
        version = settings.active_version or model_class.FIXED_VERSION
        return replace(result, outcome="Unchanged", reason="Unchanged", message=message, version=version)
    version = _version(snapshot, schema, settings, model_class)
    if version == settings.active_version:
        message = f"{version} is served already: data, labelling configuration and parameters are the same"
        return replace(result, outcome="Unchanged", reason="Unchanged", message=message, version=version)
    return _fit(
        example_set, schema, settings, replace(result, version=version), directory, report, model_class, incumbent
    )


def _fit(
    example_set: ExampleSet,
    schema: Schema,
    settings: TrainingSettings,
    result: Result,
    directory: Path,
    report: Report,
    model_class: type[Model],
    incumbent: Model | None,
) -> Result:
    fraction = settings.holdout
    if not settings.exact_holdout:
        fraction = holdout_fraction(len(example_set.examples), settings.holdout)
    training, held_out = holdout(example_set.examples, str(settings.project), fraction)
    seconds: dict[str, float] = {}
    try:
        with _timed(seconds, "fit"), guard_model_call(model_class, "fit"):
            model = model_class.fit(training, schema, settings.parameters)
    except NotEnoughExamplesError as error:
        message = f"{error} ({len(training)} texts to train on, {len(held_out)} held out for evaluation)"
        return replace(result, reason="TooFewLabels", message=message, version=None)
    except ParameterError as error:
        return replace(result, outcome="Failed", reason="ModelFailed", message=str(error), version=None)
    report(f"fitted on {len(training)} texts in {seconds['fit']:.1f} s")
    with _timed(seconds, "evaluate"):
        # The fraction: a later training compares on texts that were held out for both.
        for_both = _held_out_for(incumbent, held_out, settings)
        measured, verdict = measure(model, incumbent, held_out, for_both, schema, settings.gate)
        metrics = {**measured, "holdout": fraction, "trained_on": len(training)}
    model.version = result.version or ""
    # Not the clock: the same data must give the same bytes.
    model.created_at = data_time(result.cut)
    described = origin(result, training, held_out, settings.holdout)
    model.metrics = {**metrics, "origin": described, "history": history(incumbent)}
    _save(model, schema, directory / MODEL_DIRECTORY, report)
    labels = tuple(dict.fromkeys(label for names in model.labels.values() for label in names))
    trained = replace(
        result, outcome="Trained", reason="Trained", labels=labels, metrics=metrics, seconds=seconds, message=""
    )
    trained = replace(trained, gate=verdict.to_json(), message=_summary(trained, schema, model, training, held_out))
    if model_class is TextClassifier and (warning := mostly_addresses(training)):
        report(warning)
        trained = replace(trained, message=f"{trained.message}, {warning}")
    report(f"gate: {verdict.message}")
    return trained if verdict.accepted else replace(trained, outcome="Refused", reason=verdict.reason)


def _save(model: Model, schema: Schema, directory: Path, report: Report) -> None:
    """With golden predictions next to it. A custom model is read again at once: what cannot be, must not serve."""
    is_own = not isinstance(model, TextClassifier)
    if is_own and not model.labels:
        model.labels = {control.name: control.labels for control in schema.controls if control.choices}
    with guard_model_call(type(model), "save"):
        save_model(model, directory)
    if is_own:
        with guard_model_call(type(model), "load"):
            load_model(directory, type(model))
    if isinstance(model, TextModel):
        _keep_golden(model, directory, report)


def _keep_golden(model: TextModel, directory: Path, report: Report) -> None:
    """Golden predictions next to the model; one that has none can be put on another base image all the same."""
    try:
        write_golden(directory, Predictor(model.version, model))
    except Exception as error:
        report(f"no golden predictions are kept: the model fails on texts of ours ({type(error).__name__})")


def _held_out_for(incumbent: Model | None, held_out: Sequence[Example], settings: TrainingSettings) -> list[Example]:
    """Those of the held-out examples that the incumbent was not trained on either: fractions are nested."""
    fraction = incumbent.metrics.get("holdout") if incumbent else None
    if not isinstance(fraction, int | float):
        return list(held_out)
    return [example for example in held_out if position(example.text, str(settings.project)) < fraction]


def _version(snapshot: Snapshot, schema: Schema, settings: TrainingSettings, model_class: type[Model]) -> str:
    effective: dict[str, object] = {
        "model": dict(settings.parameters),
        # Which texts are held out decides what the model is trained on.
        "holdout": settings.holdout,
        "project": settings.project,
    }
    if model_class is not TextClassifier:
        effective |= {"class": name_of(model_class), "code": code_digest(model_class)}
    return model_version(snapshot.digest, schema.digest, effective)


def _counts_message(example_set: ExampleSet) -> str:
    others = {name: number for name, number in example_set.counts.to_json().items() if number and name != "tasks"}
    details = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in others.items())
    return f"{example_set.counts.tasks} labelled tasks" + (f": {details}" if details else "")


def _nothing_usable(example_set: ExampleSet) -> str:
    counts = example_set.counts
    if not counts.tasks:
        return "the project has no annotations yet: annotate some tasks"
    if counts.skipped == counts.tasks:
        return f"all {counts.tasks} annotated tasks were skipped: submit annotations"
    return f"no annotation can be used ({_counts_message(example_set)}): check labelling configuration and task data"


def _summary(
    result: Result, schema: Schema, model: Model, training: Sequence[Example], held_out: Sequence[Example]
) -> str:
    parts = [f"{result.counts['tasks']} tasks", f"{len(result.labels)} labels"]
    accuracy = result.metrics["accuracy"]
    if isinstance(accuracy, float):
        parts.append(f"accuracy {accuracy:.2f}")
    elif schema.whole_tasks and len(held_out) >= FEWEST_MEASURED:
        parts.append("no metrics: the model makes no choices that could be compared")
    else:
        parts.append(f"no metrics: {len(held_out)} texts held out, {FEWEST_MEASURED} are needed")
    uncovered = [control.name for control in schema.controls if control.name not in model.labels]
    if uncovered:
        parts.append(f"still at the cold start for want of two labels: {', '.join(uncovered)}")
    unseen = _labels_of(held_out) - _labels_of(training)
    if unseen:
        parts.append(f"only held-out texts have: {', '.join(sorted(unseen))}")
    return ", ".join(parts)


def _labels_of(examples: Sequence[Example]) -> set[str]:
    return {label for example in examples for labels in example.labels.values() for label in labels}


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 3)
