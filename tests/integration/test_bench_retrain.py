"""The short form of `bench.retrain`: every size is read both ways, and the page says what was simulated."""

import json
from pathlib import Path

from bench import retrain


def test_retrainings_of_two_sizes_are_measured_both_ways(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(retrain, "BASE_SIZE", 120)
    assert retrain.main(["--sizes", "120", "600", "--rounds", "1", "--out", str(tmp_path)]) == 0

    told = json.loads((tmp_path / "retrain.json").read_text())
    assert (told["rounds"], told["label_studio"]) == (1, "simulated")
    assert set(told["sizes"]) == {"120", "600"}
    for size, modes in told["sizes"].items():
        ((incremental,), (full,)) = modes["incremental"], modes["full"]
        assert (incremental["mode"], full["mode"]) == ("incremental", "full")
        # Six edits, an edited text, a skip and a new annotation, whose task may be among those of a query twice.
        assert 8 <= incremental["tasks_read"] <= 18 < int(size) - 1 <= full["tasks_read"]
        assert incremental["dataset"] == full["dataset"]
        assert set(incremental["seconds"]) == set(retrain.STEPS)
        assert incremental["megabytes"] > 20
    assert len(told["ratios"]) == 1
    page = (tmp_path / "retrain.md").read_text()
    assert "**Label Studio is simulated**" in page
    assert "among 600: " in page
    assert "at 600 tasks" in page
    assert told["machine"] in page
    assert (tmp_path / "retrain.svg").read_text().startswith("<?xml")
