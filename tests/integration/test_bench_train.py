"""The short form of `bench.train`: the report is complete, and tells what was measured."""

import json
from pathlib import Path

import pytest
from bench import train
from examples.tickets import tickets


def test_both_sides_learn_the_same_texts_and_the_report_is_complete(tmp_path: Path):
    data = tmp_path / "letters" / "train.csv"
    data.parent.mkdir()
    lines = [f'"{ticket.text}",{ticket.label}' for ticket in tickets(240)]
    data.write_text("\n".join(["text,kind", *lines[:200]]) + "\n")
    (data.parent / "test.csv").write_text("\n".join(["text,kind", *lines[200:]]) + "\n")
    options = ["--data", str(data), "--label-column", "kind", "--rounds", "2", "--out", str(tmp_path)]
    assert train.main(options) == 0
    told = json.loads((tmp_path / "train.json").read_text())
    found = told["data"]["letters"]
    assert (found["texts"], found["tested on"]) == (200, 40)
    for side in ("ours", "peer"):
        assert len(found[side]["seconds"]) == 2
        assert 0.2 < found[side]["accuracy"] <= 1
        assert found[side]["log_loss"] > 0
    ratios = [peer / ours for ours, peer in zip(found["ours"]["seconds"], found["peer"]["seconds"], strict=True)]
    assert told["ratios"] == {"letters: training": pytest.approx(sum(ratios) / 2)}
    page = (tmp_path / "train.md").read_text()
    assert told["machine"] in page
    assert "letters, 200 texts, 12 labels: ours" in page
    assert (tmp_path / "train.svg").read_text().startswith("<?xml")
