import json

from examples.tickets.generator import LABELS
from tests.unit.training.annotated import config, ticket_tasks
from tests.unit.training.test_train import snapshot

from labelloop.datasets.labelled_files import read_labelled
from labelloop.datasets.snapshot import Snapshot
from labelloop.label_config.schema import parse_label_config
from labelloop.models import load_model
from labelloop.training.provenance import VERSIONS_KEPT, history
from labelloop.training.train import train
from labelloop.training.training_settings import TrainingSettings

SCHEMA = parse_label_config(config(LABELS))


def trained(directory, count, incumbent=None):
    settings = TrainingSettings(project=7)
    result = train(snapshot(ticket_tasks(count)), SCHEMA, settings, directory, incumbent=incumbent)
    assert result.outcome in ("Trained", "Refused")
    return load_model(directory / "model"), result


def test_a_model_tells_what_it_was_made_of_but_no_text(tmp_path):
    model, result = trained(tmp_path, 60)
    origin = model.metrics["origin"]
    assert origin["dataset_digest"] == result.dataset_digest
    assert origin["cut"] == {"updated_at": model.created_at, "size": 60}
    assert origin["counts"]["used"] == origin["trained_on"] + origin["held_out"] == 60
    assert sum(origin["labels"]["label"].values()) == 60
    assert not any(task["data"]["text"] in (tmp_path / "model/model.json").read_text() for task in ticket_tasks(60))


def test_it_says_how_many_texts_figures_need(tmp_path):
    model, _ = trained(tmp_path, 40)
    assert model.metrics["accuracy"] is None
    assert model.metrics["origin"]["figures_from"] == 50


def test_annotations_of_a_file_without_times_give_no_time(tmp_path):
    table = tmp_path / "texts.csv"
    rows = [f"{word} {number},{word}" for word in ("refund", "login") for number in range(10)]
    table.write_text("\n".join(["text,label", *rows]))
    labelled = read_labelled(table)
    shot = Snapshot.from_tasks(labelled.tasks, labelled.schema, project=7, url="file")
    train(shot, labelled.schema, TrainingSettings(project=7), tmp_path / "out")
    model = load_model(tmp_path / "out" / "model")
    assert model.created_at is None
    assert model.metrics["origin"]["cut"] == {"updated_at": None, "size": 20}


def test_versions_before_it_are_remembered_oldest_first(tmp_path):
    first, _ = trained(tmp_path / "1", 40)
    second, _ = trained(tmp_path / "2", 80, first)
    third, _ = trained(tmp_path / "3", 120, second)
    assert first.metrics["history"] == []
    assert [entry["version"] for entry in third.metrics["history"]] == [first.version, second.version]
    assert third.metrics["history"][1] == {
        "version": second.version,
        "created_at": second.created_at,
        "accuracy": second.metrics["accuracy"],
        "examples": second.metrics["examples"],
        "trained_on": second.metrics["origin"]["trained_on"],
    }


def test_no_more_than_the_newest_are_kept(tmp_path):
    model, _ = trained(tmp_path, 40)
    entries = [{"version": f"model-{number}", "accuracy": 0.5} for number in range(VERSIONS_KEPT)]
    model.metrics = {**model.metrics, "history": entries}
    kept = history(model)
    assert len(kept) == VERSIONS_KEPT
    assert [kept[0]["version"], kept[-1]["version"]] == ["model-1", model.version]


def test_a_model_without_figures_or_with_damaged_ones_is_no_obstacle(tmp_path):
    model, _ = trained(tmp_path, 40)
    model.metrics = {"history": "none", "origin": [1]}
    (entry,) = history(model)
    assert entry["version"] == model.version
    assert json.dumps(entry)
    assert history(None) == []
