import json

from examples.tickets.generator import LABELS
from tests.unit.training.annotated import config, ticket_tasks
from tests.unit.training.test_train import snapshot

from labelloop.label_config import parse_label_config
from labelloop.models import load_model
from labelloop.training.origin import VERSIONS_KEPT, history
from labelloop.training.settings import TrainingSettings
from labelloop.training.train import train

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
