import json

import pytest
from examples.tickets.generator import LABELS
from tests.unit.training.annotated import annotation, config, task, ticket_tasks

from labelloop.datasets.snapshot import Snapshot
from labelloop.datasets.split import holdout, holdout_fraction
from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio import Task
from labelloop.models import load_model
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.training.gate import GateRules
from labelloop.training.train import train
from labelloop.training.training_settings import TrainingSettings

SCHEMA = parse_label_config(config(LABELS))
SETTINGS = TrainingSettings(project=7)


def snapshot(entries, schema=SCHEMA):
    tasks = [Task(entry["id"], entry["data"], entry["annotations"]) for entry in entries]
    return Snapshot.from_tasks(tasks, schema, project=7, url="http://label-studio")


def trained(directory, entries, schema=SCHEMA, settings=SETTINGS, **options):
    return train(snapshot(entries, schema), schema, settings, directory, **options)


def held_out_of(entries):
    examples = snapshot(entries).examples(SCHEMA).examples
    return holdout(examples, "7", holdout_fraction(len(examples), 0.2))[1]


def few(labels, each=10):
    texts = [(f"{label} text number {number}", label) for number in range(each) for label in labels]
    return [task(i, text, annotation(i, [label])) for i, (text, label) in enumerate(texts, start=1)]


def test_a_training_leaves_model_snapshot_and_result(tmp_path):
    lines = []
    result = trained(tmp_path, ticket_tasks(300), report=lines.append)
    assert (result.outcome, result.reason) == ("Trained", "Trained")
    assert result.labels == tuple(sorted(LABELS))
    assert result.counts["used"] == 300
    assert result.cut.size == 300
    assert 0.4 < result.metrics["accuracy"] < 1
    assert result.metrics["examples"] == len(held_out_of(ticket_tasks(300)))
    assert "300 tasks, 12 labels, accuracy 0." in result.message
    assert Snapshot.read(tmp_path / "snapshot.jsonl.gz").digest == result.dataset_digest
    model = load_model(tmp_path / "model")
    assert model.version == result.version
    assert model.created_at == "2026-11-22T06:05:00.000000Z"
    told = {name: figure for name, figure in model.metrics.items() if name not in ("origin", "history")}
    assert json.loads(json.dumps(result.metrics)) == told
    assert not any(entry["data"]["text"] in line for entry in ticket_tasks(300) for line in lines)


def test_the_same_data_give_the_same_bytes_and_version(tmp_path):
    results = [trained(tmp_path / name, ticket_tasks(120)) for name in ("a", "b")]
    assert results[0].version == results[1].version
    for file in ("model/model.json", "model/arrays.npz", "snapshot.jsonl.gz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_parameters_holdout_and_data_change_the_version(tmp_path):
    entries = ticket_tasks(60)
    versions = [
        trained(tmp_path, entries).version,
        trained(tmp_path, entries, settings=TrainingSettings(7, {"C": 1})).version,
        trained(tmp_path, entries, settings=TrainingSettings(7, holdout=0.3)).version,
        trained(tmp_path, entries[:-1]).version,
    ]
    assert len(set(versions)) == 4


def test_held_out_texts_are_never_trained_on(tmp_path):
    seen = []

    class Recorder(TextClassifier):
        @classmethod
        def fit(cls, examples, schema, parameters):
            seen.extend(example.text for example in examples)
            return super().fit(examples, schema, parameters)

    entries = ticket_tasks(200)
    trained(tmp_path, entries, model_class=Recorder)
    held_out = held_out_of(entries)
    assert len(held_out) > 10
    assert not {example.text for example in held_out} & {*seen}


def test_the_active_version_is_not_made_again(tmp_path):
    first = trained(tmp_path, ticket_tasks(60))
    again = trained(tmp_path, ticket_tasks(60), settings=TrainingSettings(7, active_version=first.version))
    assert (again.outcome, again.version, again.cut) == ("Unchanged", first.version, first.cut)
    assert again.exit_code == 0
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "snapshot.jsonl.gz").exists()


@pytest.mark.parametrize(
    ("entries", "reason", "told"),
    [
        ([], "NoUsableAnnotations", "no annotations yet"),
        (
            [task(1, "a", annotation(1, ["login"], skipped=True))],
            "NoUsableAnnotations",
            "all 1 annotated tasks",
        ),
        ([task(1, "a", annotation(1, []))], "NoUsableAnnotations", "1 empty"),
        ([task(1, "a", annotation(1, ["gone"]))], "NoUsableAnnotations", "1 removed labels"),
        (
            [task(1, "a", annotation(1, ["login"], from_name="other"))],
            "NoUsableAnnotations",
            "no annotation can be",
        ),
        ([task(1, None, annotation(1, ["login"]))], "NoUsableAnnotations", "1 unusable text"),
        (few(["login"]), "TooFewLabels", "found for 'label': 'login'"),
    ],
)
def test_what_cannot_be_trained_on_is_a_result(tmp_path, entries, reason, told):
    result = trained(tmp_path, entries)
    assert (result.outcome, result.reason, result.exit_code) == ("NotEnoughData", reason, 0)
    assert told in result.message
    assert result.version is None
    assert result.cut.size == len(entries)
    assert not (tmp_path / "model").exists()


def addresses(name: str) -> list[dict]:
    labels = ("login", "refund")
    return [task(i, name.format(i), annotation(i, [labels[i % 2]])) for i in range(1, 41)]


def test_names_of_files_are_not_learnt(tmp_path):
    result = trained(tmp_path, addresses("/data/local-files/?d=tickets/{}.txt"))
    assert (result.outcome, result.reason) == ("NotEnoughData", "NoUsableAnnotations")
    assert "references to files" in result.message
    assert not (tmp_path / "model").exists()


def test_addresses_are_learnt_as_they_are_written_and_reported(tmp_path):
    result = trained(tmp_path, addresses("https://example.org/{}.txt"))
    assert result.outcome == "Trained"
    assert "40 of the first 40 texts look like addresses: store the text itself" in result.message
    assert "addresses" not in trained(tmp_path, ticket_tasks(60)).message


def test_a_stale_model_does_not_survive(tmp_path):
    trained(tmp_path, ticket_tasks(60))
    trained(tmp_path, [])
    assert not (tmp_path / "model").exists()


def test_few_held_out_texts_train_without_figures(tmp_path):
    result = trained(tmp_path, few(["login", "refund"], each=5))
    assert result.outcome == "Trained"
    assert [result.metrics[name] for name in ("accuracy", "macro_f1", "log_loss")] == [None, None, None]
    assert "no metrics" in result.message


def test_without_holdout_everything_is_trained_on(tmp_path):
    result = trained(tmp_path, few(["login", "refund"], each=1), settings=TrainingSettings(7, holdout=0))
    assert result.outcome == "Trained"
    assert result.metrics["examples"] == 0


def test_a_label_only_held_out_texts_have_is_told(tmp_path):
    usual = few(["login", "refund"], each=30)
    odd = [task(100 + number, f"{number} odd", annotation(100 + number, ["billing"])) for number in range(100)]
    rare = next(entry for entry in odd if len(held_out_of([*usual, entry])) > len(held_out_of(usual)))
    result = trained(tmp_path, [*usual, rare])
    assert "only held-out texts have: billing" in result.message


@pytest.mark.parametrize("project", range(8))
def test_with_two_labelled_texts_both_are_learned_whatever_the_project(tmp_path, project):
    """Each may be the only one of its label, and nothing could be measured on one or two."""
    entries = few(["login", "refund"], each=1)
    result = trained(tmp_path, entries, settings=TrainingSettings(project))
    assert result.outcome == "Trained"
    assert "only held-out" not in result.message


def test_removed_labels_are_dropped_and_told(tmp_path):
    result = trained(tmp_path, [*few(["login", "refund"]), task(99, "x", annotation(99, ["gone"]))])
    assert result.removed_labels == ("gone",)
    assert result.counts["removed_labels"] == 1


def test_a_wrong_parameter_is_told(tmp_path):
    result = trained(tmp_path, few(["login", "refund"]), settings=TrainingSettings(7, {"C": -1}))
    assert (result.outcome, result.reason, result.exit_code) == ("Failed", "ModelFailed", 1)
    assert "C is -1" in result.message


def test_multiple_choice(tmp_path):
    schema = parse_label_config(config(["login", "refund", "billing"], multiple=True))
    entries = [
        task(i, f"about {' and '.join(chosen)} number {i}", annotation(i, chosen))
        for i in range(1, 91)
        for chosen in [[["login"], ["login", "refund"], ["billing"]][i % 3]]
    ]
    result = trained(tmp_path, entries, schema)
    assert result.metrics["accuracy"] > 0.8
    probabilities = load_model(tmp_path / "model").probabilities("label", ["about login and refund number 5"])
    assert (probabilities[0] > 0.5).tolist() == [False, True, True]


def shuffled(entries):
    """Every label moved on by one: a model trained on these is wrong about nearly everything."""
    moved = {name: LABELS[(position + 1) % len(LABELS)] for position, name in enumerate(LABELS)}
    changed = []
    for entry in entries:
        [note] = entry["annotations"]
        [result] = note["result"]
        names = [moved[name] for name in result["value"]["choices"]]
        changed.append({**entry, "annotations": [{**note, "result": [{**result, "value": {"choices": names}}]}]})
    return changed


def test_a_model_worse_than_the_one_that_serves_is_refused_and_kept(tmp_path):
    trained(tmp_path / "first", ticket_tasks(600))
    incumbent = load_model(tmp_path / "first" / "model")
    held_out = {example.text for example in held_out_of(ticket_tasks(600))}
    entries = ticket_tasks(600)
    mixed = [entry if entry["data"]["text"] in held_out else shuffled([entry])[0] for entry in entries]

    result = trained(tmp_path / "second", mixed, incumbent=incumbent)

    assert (result.outcome, result.reason, result.exit_code) == ("Refused", "WorseThanActive", 0)
    assert result.gate["accepted"] is False
    assert load_model(tmp_path / "second" / "model").version == result.version
    assert "of the model that serves" in result.gate["message"]


def test_a_model_as_good_as_the_one_that_serves_passes_with_both_figures(tmp_path):
    trained(tmp_path / "first", ticket_tasks(400))
    incumbent = load_model(tmp_path / "first" / "model")

    result = trained(tmp_path / "second", ticket_tasks(600), incumbent=incumbent)

    assert result.outcome == "Trained"
    assert result.gate["reason"] == "Passed"
    figures = result.gate["figures"]
    assert figures["compared"] == len(held_out_of(ticket_tasks(600)))
    assert figures["candidate"] == pytest.approx(result.metrics["accuracy"])


def test_only_texts_held_out_for_both_are_compared(tmp_path):
    small = TrainingSettings(project=7, holdout=0.05)
    trained(tmp_path / "first", ticket_tasks(600), settings=small)
    incumbent = load_model(tmp_path / "first" / "model")

    result = trained(tmp_path / "second", ticket_tasks(600), incumbent=incumbent)

    fewer = holdout(snapshot(ticket_tasks(600)).examples(SCHEMA).examples, "7", 0.05)[1]
    assert result.gate["figures"]["compared"] == len(fewer) < len(held_out_of(ticket_tasks(600)))


def test_a_floor_refuses_the_first_model_too(tmp_path):
    result = trained(
        tmp_path, ticket_tasks(300), settings=TrainingSettings(project=7, gate=GateRules(min_accuracy=0.99))
    )

    assert (result.outcome, result.reason) == ("Refused", "BelowMinimum")
