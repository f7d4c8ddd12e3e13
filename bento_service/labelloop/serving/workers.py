"""Several server processes behind one port (WORKERS): started, restarted when one dies, ended together.

Each worker is the one-process server, listening at the socket it inherits; the kernel spreads connections over them.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from types import FrameType

LISTENER_VARIABLE = "LABELLOOP_LISTENER"
"""File descriptor of the inherited socket; set in workers only."""
LOOK_SECONDS = 0.2
SHORT_LIFE_SECONDS = 5.0
RESTART_PAUSE_SECONDS = 2.0
MOST_SHORT_LIVES = 5
STOP_SECONDS = 60.0


def supervise(workers: int, listener: socket.socket) -> int:
    """Keep that many workers running until SIGTERM or Ctrl-C; gives the exit code."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with tempfile.TemporaryDirectory(prefix="labelloop-metrics-") as metrics:
        running = [_Worker(listener, metrics) for _ in range(workers)]
        while not stopping.wait(LOOK_SECONDS):
            if any(worker.is_hopeless() for worker in running):
                stopping.set()
            for worker in running:
                worker.keep()
        for worker in running:
            worker.process.terminate()
        return max(worker.wait() for worker in running)


class _Worker:
    """One worker process and those that follow it when it dies."""

    def __init__(self, listener: socket.socket, metrics: str) -> None:
        self._listener = listener
        self._metrics = metrics
        self._start_at: float | None = None
        self._short_lives = 0
        self._start()

    def _start(self) -> None:
        descriptor = self._listener.fileno()
        variables = {
            **os.environ,
            "WORKERS": "1",
            LISTENER_VARIABLE: str(descriptor),
            "PROMETHEUS_MULTIPROC_DIR": self._metrics,
        }
        # Its standard input ends with this process, however that ends; then it ends too.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labelloop", "serve"], env=variables, pass_fds=[descriptor], stdin=subprocess.PIPE
        )
        self._started = time.monotonic()
        self._start_at = None

    def is_hopeless(self) -> bool:
        """Whether it ended for its settings (exit code 2, it has reported why), or has died at each start."""
        return self.process.poll() == 2 or self._short_lives >= MOST_SHORT_LIVES

    def keep(self) -> None:
        """Start it again when it has died; one that dies right after its start waits a little."""
        if self.process.poll() is None:
            return
        now = time.monotonic()
        if self._start_at is None:
            short = now - self._started < SHORT_LIFE_SECONDS
            self._short_lives = self._short_lives + 1 if short else 0
            self._start_at = now + (RESTART_PAUSE_SECONDS if short else 0.0)
            sys.stderr.write(f"labelloop serve: worker {self.process.pid} ended with {self.process.returncode}\n")
        if now >= self._start_at:
            self._start()

    def wait(self) -> int:
        """Its exit code after SIGTERM; killed when requests under way do not end."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def inherited_listener() -> socket.socket | None:
    """The socket of this worker, or None in a server that is none. Ends the worker when its supervisor is gone."""
    descriptor = os.environ.get(LISTENER_VARIABLE)
    if descriptor is None:
        return None
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    return socket.socket(fileno=int(descriptor))


def _end_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
