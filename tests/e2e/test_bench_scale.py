"""The short form of `bench.scale`: a cluster of its own, a few resources."""

import json
from pathlib import Path

from bench import scale


def test_every_figure_is_told_and_rest_costs_nothing(tmp_path: Path) -> None:
    assert scale.main(["--sizes", "3", "--rest", "1", "--out", str(tmp_path)]) == 0

    (figures,) = json.loads((tmp_path / "scale.json").read_text())["figures"]
    assert figures["resources"] == 3
    assert (figures["reads_per_no_op"], figures["writes_per_no_op"]) == (0, 0)
    assert all(value > 0 for name, value in figures.items() if name.endswith(("seconds", "_ms", "_mb")))
    page = (tmp_path / "scale.md").read_text()
    assert all(what in page for what in scale.WANTED)
    assert "Simulated: Label Studio" in page
    assert (tmp_path / "scale.svg").exists()
