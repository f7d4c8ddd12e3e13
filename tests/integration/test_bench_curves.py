"""The short form of `bench.curves`: the report is complete and honest, and a run is resumed from its cache."""

import json
from pathlib import Path

import pytest
from bench import curves, learning
from examples.tickets import tickets


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "letters" / "all.csv"
    path.parent.mkdir()
    path.write_text("text,label\n" + "".join(f'"{ticket.text}",{ticket.label}\n' for ticket in tickets(200)))
    (path.parent / "out_of_scope.csv").write_text("text\n" + "".join(f"unlike number {n}\n" for n in range(20)))
    return path


def test_the_report_is_complete_and_a_run_is_resumed(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    options = ["--data", str(data), "--labels", "0", "60", "9999", "--seeds", "2"]
    options += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path)]
    assert curves.main(options) == 0
    told = json.loads((tmp_path / "curves.json").read_text())
    curve = told["curves"]["letters"]
    assert [entry["labels"] for entry in curve] == [0, 60, 150]
    for entry in curve:
        for side in ("ours", "peer"):
            assert len(entry[side]) == 2
            for figures in entry[side]:
                assert set(figures) == {"accuracy", "log_loss", "ece", "seconds", "auroc"}
                assert 0 <= figures["ece"] <= 1
    page = (tmp_path / "curves.md").read_text()
    assert "## letters" in page
    assert "At all labels: " in page
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(learning, "ours", refuse)
    monkeypatch.setattr(learning, "peer", refuse)
    assert curves.main(options) == 0
    assert json.loads((tmp_path / "curves.json").read_text())["curves"] == told["curves"]


def test_both_sides_get_the_same_labels_and_no_test_text():
    rows = [(f"text {number}", "a" if number % 2 else "b") for number in range(40)]
    data = curves.DataSet("letters", rows)
    learned, tested = data.split(3)
    assert sorted([*learned, *tested]) == sorted(rows)
    assert len(tested) == 10
    assert data.split(3) == (learned, tested)
    assert data.split(4)[0] != learned


def test_measures_are_those_of_scikit_learn():
    import numpy as np
    from sklearn.metrics import log_loss

    probabilities = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])
    answers = learning.Answers(("a", "b"), probabilities)
    truths = ["a", "a", "b"]
    assert learning.accuracy(answers, truths) == pytest.approx(1 / 3)
    assert learning.log_loss(answers, truths) == pytest.approx(log_loss(truths, probabilities, labels=["a", "b"]))
    assert learning.calibration_error(answers, truths) == pytest.approx((0.3 + 0.6 + 0.9) / 3)
    assert learning.log_loss(answers, ["c", "c", "c"]) == pytest.approx(-np.log(1e-7))
