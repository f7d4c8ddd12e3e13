"""Trainings of custom models: what they read, keep and measure, and what their faults become."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.custom_models import IMAGE_CONFIG, MODULE, Obedient
from tests.unit.training.annotated import TOKEN, annotation, label_studio, task

from labelloop.datasets.snapshot import Snapshot
from labelloop.label_config.schema import parse_label_config
from labelloop.models import ModelFileError, load_model
from labelloop.training import train_command
from labelloop.training.result import Result, read_result

BOXES = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
    '<Label value="wheel"/><Label value="door"/></RectangleLabels></View>'
)


def images(count: int = 60) -> list[dict]:
    """Tasks with an image each; of three images two are cars."""
    made = []
    for number in range(1, count + 1):
        said = annotation(number, ["plane" if number % 3 == 0 else "car"], from_name="kind")
        said["result"][0]["to_name"] = "image"
        made.append(task(number, "", said))
        made[-1]["data"] = {"image": f"http://pictures/{number}.png", "meta": {"camera": number % 2}}
    return made


def run(
    folder: Path, tasks: list[dict], config: str = IMAGE_CONFIG, name: str = "Obedient", **variables: str
) -> Result:
    with label_studio(tasks, config) as url:
        train_command.main(
            {
                "LABELLOOP_WORK_DIR": str(folder),
                "LABELLOOP_TERMINATION_LOG": str(folder / "termination-log"),
                "LABEL_STUDIO_URL": url,
                "LABEL_STUDIO_API_KEY": TOKEN,
                "LABELLOOP_PROJECT": "7",
                "LABELLOOP_MODEL_CLASS": f"{MODULE}:{name}",
                **variables,
            }
        )
    return read_result(folder / "out" / "result.json")


def ordered(**orders: str) -> str:
    return json.dumps(orders)


def test_whole_tasks_are_learnt_held_out_kept_and_compared(tmp_path: Path) -> None:
    result = run(tmp_path, images())
    assert (result.outcome, result.labels) == ("Trained", ("car", "plane"))
    assert result.metrics["log_loss"] is None
    accuracy = result.metrics["accuracy"]
    assert isinstance(accuracy, float)
    assert 0 < accuracy < 1
    assert result.gate["reason"] == "NothingToCompare"
    model = load_model(tmp_path / "out" / "model", Obedient)
    assert isinstance(model, Obedient)
    assert (model.most, model.version) == ("car", result.version)
    snapshot = Snapshot.read(tmp_path / "out" / "snapshot.jsonl.gz")
    assert snapshot.sources == ("Task:data",)
    (first, *_) = snapshot.examples(parse_label_config(IMAGE_CONFIG, Obedient.scope())).examples
    assert first.data == {"image": "http://pictures/1.png", "meta": {"camera": 1}}
    assert first.results[0]["value"] == {"choices": ["car"]}

    incumbent = tmp_path / "second" / "restored"
    incumbent.mkdir(parents=True)
    (tmp_path / "out" / "model").rename(incumbent / "model")
    (tmp_path / "out" / "snapshot.jsonl.gz").rename(incumbent / "snapshot.jsonl.gz")
    again = run(tmp_path / "second", images(90))
    assert again.outcome == "Trained"
    assert "of the model that serves" in str(again.gate["message"])


def test_the_same_data_gives_the_same_version_and_other_code_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tmp_path / "a", images()).version
    assert run(tmp_path / "b", images()).version == first
    monkeypatch.setattr("labelloop.training.train.code_digest", lambda _class: "other")
    assert run(tmp_path / "c", images()).version != first


def test_regions_have_no_figures_and_the_gate_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Obedient, "CONTROLS", ("RectangleLabels",))
    tasks = images(20)
    for number, each in enumerate(tasks):
        value = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["wheel"]}
        region = {"id": "r", "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value}
        each["annotations"][0]["result"] = [region] if number else []  # the first has nothing to mark
    monkeypatch.setattr(Obedient, "fit", classmethod(lambda cls, examples, *_: cls(str(len(examples)))))
    result = run(tmp_path, tasks, BOXES, LABELLOOP_HOLDOUT="0")
    assert result.outcome == "Trained"
    assert result.gate["accepted"]
    assert "has no figures to compare: it passes" in str(result.gate["message"])
    assert result.metrics["accuracy"] is None
    model = load_model(tmp_path / "out" / "model", Obedient)
    assert isinstance(model, Obedient)
    assert model.most == "20"


@pytest.mark.parametrize(
    ("variables", "reason", "told"),
    [
        (
            {"LABELLOOP_PARAMETERS": ordered(do="raise")},
            "ModelFailed",
            "Obedient.fit failed with ValueError (custom_models.py",
        ),
        ({"LABELLOOP_PARAMETERS": ordered(do="exit")}, "ModelFailed", "Obedient.fit failed with SystemExit"),
        ({"LABELLOOP_PARAMETERS": ordered(saves="raise")}, "ModelFailed", "Obedient.save failed with ValueError"),
        ({"LABELLOOP_PARAMETERS": ordered(saves="pickle")}, "ModelFailed", "holds code or a pickle"),
        (
            {"LABELLOOP_PARAMETERS": ordered(saves="nothing")},
            "ModelFailed",
            "load failed with FileNotFoundError",
        ),
        ({"LABELLOOP_MODEL_CLASS": "no_such_module:Model"}, "ModelFailed", "cannot be imported"),
        ({"LABELLOOP_MODEL_CLASS": f"{MODULE}:obey"}, "ModelFailed", "no subclass of labelloop.models.Model"),
        ({"LABELLOOP_MODEL_CLASS": "rubbish"}, "ModelFailed", "module:Class"),
    ],
)
def test_a_fault_is_a_failed_training_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variables: dict[str, str], reason: str, told: str
) -> None:
    result = run(tmp_path, images(20), **variables)
    assert (result.outcome, result.reason) == ("Failed", reason)
    assert told in result.message
    assert "some text" not in result.message + capsys.readouterr().err


def test_too_much_memory_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Obedient, "fit", fit)
    result = run(tmp_path, images(20))
    assert (result.outcome, result.reason) == ("Failed", "OutOfMemory")


@pytest.mark.parametrize(("do", "told"), [("raise", "predict failed with ValueError"), ("few", "predictions for")])
def test_a_model_that_cannot_predict_the_held_out_tasks_is_not_published(tmp_path: Path, do: str, told: str) -> None:
    tasks = images()
    for each in tasks:
        each["data"]["do"] = do
    result = run(tmp_path, tasks)
    assert (result.outcome, result.reason) == ("Failed", "ModelFailed")
    assert told in result.message


def test_wrong_answers_are_counted_and_told(tmp_path: Path) -> None:
    tasks = images()
    for each in tasks:
        each["data"]["do"] = "unknown"
    result = run(tmp_path, tasks)
    assert result.metrics["accuracy"] == 0
    assert "gives the label 'submarine'" in str(result.gate["message"])


def test_a_model_with_a_fixed_version_stays_at_it(tmp_path: Path) -> None:
    result = run(tmp_path, images(20), name="Untrained")
    assert (result.outcome, result.version) == ("Unchanged", "fixed-1")


def test_a_changed_or_foreign_model_is_not_loaded(tmp_path: Path) -> None:
    run(tmp_path, images(20))
    folder = tmp_path / "out" / "model"
    with pytest.raises(ModelFileError, match="LABELLOOP_MODEL_CLASS"):
        load_model(folder)
    with pytest.raises(ModelFileError, match="is of class"):
        load_model(folder, type("Other", (Obedient,), {}))
    (folder / "own" / "most.json").write_text('"plane"')
    with pytest.raises(ModelFileError, match="does not hold the files"):
        load_model(folder, Obedient)
    assert SimpleNamespace(**json.loads((folder / "model.json").read_text())).kind == "own-model"
