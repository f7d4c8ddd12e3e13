"""The short form of `bench.memory`: the report is complete, and tells what was measured."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from bench import memory

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_trained_model_is_started_and_asked(tmp_path: Path):
    rows = [("where is my parcel", "delivery"), ("i want my money back", "refund")] * 20
    data = tmp_path / "data.csv"
    data.write_text("text,label\n" + "".join(f"{text} {number},{label}\n" for number, (text, label) in enumerate(rows)))
    assert memory.main(["--start", "--data", str(data), "--rounds", "1", "--out", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "memory.json").read_text())
    (starts,) = (told[name] for name in told if name not in ("machine", "rounds", "ratios"))
    assert told["rounds"] == len(starts["ours"]) == 1
    for start in starts["ours"]:
        assert min(start["seconds"], start["processor_seconds"]) > 0
        assert min(start["megabytes"], start["megabytes_used"]) > 20
    assert told["ratios"] == {}
    page = (tmp_path / "memory.md").read_text()
    assert told["machine"] in page
    assert "| ours |" in page
    assert (tmp_path / "memory.svg").read_text().startswith("<?xml")


def test_two_commands_are_started_in_turns_and_compared(tmp_path: Path):
    command = shlex.join([sys.executable, "-c", SERVER, "{port}"])
    options = ["--ready-path", "/ready", "--rounds", "2", "--out", str(tmp_path)]
    assert memory.main(["--ours", command, "--peer", command, *options]) == 0
    told = json.loads((tmp_path / "memory.json").read_text())
    assert {name: len(starts) for name, starts in told["commands"].items()} == {"ours": 2, "peer": 2}
    assert set(told["ratios"]) == {"commands: start", "commands: memory when ready"}
    assert "better by" in (tmp_path / "memory.md").read_text()


def test_a_command_that_ends_is_told_with_its_output(tmp_path: Path):
    side = memory.given(f"{sys.executable} -c 'print(\"no model\")' {{port}}", "/ready")
    with pytest.raises(RuntimeError, match="no model"):
        memory.start_once(side, tmp_path, ())


def test_a_command_without_a_port_is_refused():
    with pytest.raises(SystemExit, match="port"):
        memory.given("labelloop serve", "/health")
