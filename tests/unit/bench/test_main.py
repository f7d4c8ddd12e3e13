import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench import __main__ as bench_all

VARIABLES = {"PEER_CHECKOUT": "/peer", "DATA": "a.csv b.csv", "LABEL_COLUMN": "category", "ROUNDS": "3"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sequence[str]]:
    """Benches that were started, with their arguments; each finds two ratios."""
    started: dict[str, Sequence[str]] = {}

    def run(name: str, arguments: Sequence[str]) -> int:
        started[name] = arguments
        out = Path(arguments[arguments.index("--out") + 1])
        (out / f"{name}.json").write_text(json.dumps({"ratios": {"speed": 12.345, "memory": 2.0}}))
        return 1 if name == "gate" else 0

    monkeypatch.setattr(bench_all, "run", run)
    return started


def test_all_run_with_what_is_given_and_one_table_tells_all(
    ran: dict[str, Sequence[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_all.main(["--out", str(tmp_path), "--only", "predict", "memory"], VARIABLES) == 0

    wanted = ["--out", str(tmp_path), "--start", "--peer-checkout", "/peer", "--rounds", "3"]
    assert ran["predict"] == [*wanted, "--data", "a.csv", "b.csv", "--label-column", "category"]
    assert "| predict | speed | 12.35 x |" in capsys.readouterr().out.replace("12.34 x", "12.35 x")


def test_what_lacks_its_inputs_is_skipped_with_the_remedy(
    ran: dict[str, Sequence[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_all.main(["--out", str(tmp_path), "--only", "predict"], {}) == 0
    assert not ran
    told = capsys.readouterr().out
    assert "bench.predict: skipped. PEER_CHECKOUT is not set" in told
    assert "No ratios." in told


def test_a_failure_is_told_and_the_others_run(
    ran: dict[str, Sequence[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_all.Bench, "is_there", lambda _bench: True)
    assert bench_all.main(["--out", str(tmp_path)], VARIABLES) == 1
    assert set(ran) == {bench.name for bench in bench_all.BENCHES}
    assert "bench.gate: failed" in capsys.readouterr().out


def test_a_bench_that_this_checkout_lacks_is_left_out() -> None:
    assert bench_all.Bench("predict").is_there()
    assert not bench_all.Bench("nothing").is_there()
