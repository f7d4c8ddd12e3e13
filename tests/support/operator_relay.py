"""The operator's relay, as a backend sees it: a small HTTP server on loopback that records what it is reported."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class RelayRecord:
    """What came in, and what is answered."""

    url: str = ""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """Path, Authorization header, body."""
    status: int = 202
    answer: Any = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    """Answers wait while it is cleared."""

    def bodies(self, call: str) -> list[Any]:
        """Bodies of the requests to `hints` or `train`, in order."""
        return [body for path, _, body in self.requests if path.endswith(f"/{call}")]


@contextmanager
def operator_relay() -> Iterator[RelayRecord]:
    """Run it as long as the block lasts."""
    record = RelayRecord()
    record.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            record.requests.append((self.path, self.headers.get("Authorization", ""), json.loads(body)))
            record.gate.wait(30)
            answer = json.dumps(record.answer).encode()
            self.send_response(record.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the name is http.server's)
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    record.url = f"http://127.0.0.1:{server.server_port}/v1/backends/team-a/intents"
    try:
        yield record
    finally:
        record.gate.set()
        server.shutdown()
        server.server_close()
