"""`train`, `evaluate` and `predict` with a custom model."""

import json
from pathlib import Path

import pytest
from tests.support.command_line import run
from tests.support.custom_models import IMAGE_CONFIG, MODULE

CLASS = f"{MODULE}:Obedient"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Label Studio's export of labelled images."""
    tasks = []
    for number in range(1, 41):
        label = "plane" if number % 4 == 0 else "car"
        result = {"from_name": "kind", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        annotation = {"id": number, "result": [result], "was_cancelled": False}
        data = {"image": f"http://pictures/{number}.png"}
        tasks.append({"id": number, "data": data, "annotations": [annotation]})
    (tmp_path / "config.xml").write_text(IMAGE_CONFIG)
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    return tmp_path / "export.json"


def test_a_model_is_trained_measured_and_asked(export: Path) -> None:
    common = ("--model-class", CLASS, "--label-config", export.parent / "config.xml", "--data", export, "--json")
    out = export.parent / "model"
    trained = run("train", *common, "--out", out)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout.splitlines()[-1])["labels"] == ["car", "plane"]
    measured = json.loads(run("evaluate", *common, "--model", out).stdout.splitlines()[-1])
    assert measured["accuracy"] == 0.75
    answered = json.loads(run("predict", *common, "--model", out).stdout.splitlines()[-1])
    assert len(answered["predictions"]) == 40
    assert answered["predictions"][0]["result"][0]["value"] == {"choices": ["car"]}
    assert run("train", *common, "--out", out).returncode == 0  # in place of the old one


def test_faults_are_one_line(export: Path) -> None:
    common = ("--model-class", CLASS, "--label-config", export.parent / "config.xml", "--data", export)
    failed = run("train", *common, "--out", export.parent / "m", variables={"LABELLOOP_PARAMETERS": '{"do": "raise"}'})
    assert failed.returncode == 1
    assert "Obedient.fit failed with ValueError" in failed.stderr
    assert "Traceback" not in failed.stderr
    unknown = run("train", "--model-class", "no_such_module:Model", "--data", export, "--out", export.parent / "m")
    assert (unknown.returncode, "cannot be imported" in unknown.stderr) == (2, True)
