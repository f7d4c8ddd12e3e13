"""The short form of `bench.gate`: every question is asked and answered."""

import json
from pathlib import Path

from bench import gate


def test_every_kind_of_candidate_is_judged(tmp_path: Path):
    assert gate.main(["--rounds", "2", "--out", str(tmp_path)]) == 0

    told = json.loads((tmp_path / "gate.json").read_text())
    shares = told["tickets"]["shares"]
    assert shares["shuffled labels: refused"] == 1.0
    assert shares["more texts: passed"] == 1.0
    assert set(shares) <= set(gate.SHARES)
    assert all(0 <= share <= 1 for share in shares.values())
    page = (tmp_path / "gate.md").read_text()
    assert "| shuffled labels: refused | 100.0 % | 2 | at least 95 % |" in page
    assert told["machine"] in page
