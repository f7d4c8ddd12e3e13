"""The short form of `bench.predict`: two of our own backends on loopback, one of them in the place of the peer."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import predict, server
from bench.report import example_data
from bench.server import Running

ROWS = example_data(300)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server.ours(ROWS, tmp_path_factory.mktemp("ours")) as running:
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server.ours(ROWS, tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "intent"), *ROWS])
    return path


def test_two_backends_are_compared(backend: Running, other: Running, data: Path, tmp_path: Path):
    options = ["--ours", backend.url, "--ours-pid", str(backend.pid), "--peer", other.url, "--out", str(tmp_path)]
    options += ["--data", str(data), "--label-column", "intent", "--rounds", "2"]
    assert predict.main([*options, "--seconds", "0.5", "--round-seconds", "0.2"]) == 0

    told = json.loads((tmp_path / "predict.json").read_text())
    (name,) = {key for key in told if key.endswith("/tickets")}
    cases = told[name]["loads"]
    assert set(cases) == {case.name for case in (predict.ONE, predict.BATCH, predict.MANY, predict.HEALTH)}
    for case, sides in cases.items():
        assert set(sides) == {"ours", "peer"}
        rounds = [found for side in sides.values() for found in side]
        assert len(rounds) == (2 if case == predict.MANY.name else 4)
        assert all(found["requests"] > 0 and not found["errors"] for found in rounds), case
        assert all(0 < found["p50_ms"] <= found["p99_ms"] <= found["p100_ms"] for found in rounds), case
    assert set(told["ratios"]) == {
        f"{name}: {case.name}, requests/s against peer" for case in (predict.ONE, predict.BATCH, predict.MANY)
    }
    assert all(times > 0 for times in told["ratios"].values())
    assert all(0.5 < share <= 1 for share in told[name]["agreement"].values())
    assert set(told[name]["resident_mb"]) == {"ours"}
    page = (tmp_path / "predict.md").read_text()
    assert told["machine"] in page
    assert "| 64 connections: errors | 0 | 0 | yes |" in page
    assert (tmp_path / "predict.svg").is_file()


def test_where_nobody_listens_is_told_in_one_line(tmp_path: Path):
    with pytest.raises(SystemExit, match="does not predict as an ML backend"):
        predict.main(["--ours", "http://127.0.0.1:9", "--out", str(tmp_path)])
