"""The process of a custom model, from the server's side: started, asked within a time, killed."""

import contextlib
import os
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import orjson

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.models.errors import ModelFileError

STDERR = 2
MAX_ANSWER_BYTES = 256 * 2**20
_NOT_FOR_MODELS = ("LABELLOOP_RELAY_SECRET", "LABELLOOP_WEBHOOK_SECRET", "BASIC_AUTH_USER", "BASIC_AUTH_PASS")


class ModelProcessError(ModelFileError):
    """The process cannot answer; the message completes "the model ..."."""


class ModelClassError(ModelProcessError):
    """The class cannot be imported, or is no model: a setting is wrong."""


class ModelProcess:
    """One process with one model. Not for several threads at a time."""

    def __init__(self, settings: CustomModelSettings, directory: Path | None) -> None:
        """Starts it; `hello` waits for the model. `directory` None: nothing was trained yet."""
        self._settings = settings
        ours, theirs = socket.socketpair()
        variables = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_MODELS}
        package = str(Path(__file__).parents[2])
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (package, variables.get("PYTHONPATH"))))
        with theirs:
            command = [sys.executable, "-m", "labelloop.prediction.model_worker", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, env=variables, stdin=subprocess.PIPE, stdout=STDERR, pass_fds=[theirs.fileno()]
            )
        self._connection = Connection(ours.detach())
        self._finalizer = weakref.finalize(self, _end, self._process, self._connection)
        wanted = {
            "class": settings.class_name,
            "directory": None if directory is None else str(directory.absolute()),
            "memory": settings.memory_megabytes,
        }
        self._send(orjson.dumps(wanted))

    def hello(self) -> dict[str, object]:
        """What the model says about itself. Raises ModelProcessError when it cannot be loaded."""
        seconds = self._settings.load_seconds
        told = self._receive(seconds, f"was not loaded within {seconds:g} s (LABELLOOP_LOAD_SECONDS)")
        if "error" in told:
            kind = ModelClassError if told.get("wrong_class") else ModelProcessError
            raise kind(str(told["error"]))
        return told

    def ask(self, request: Mapping[str, object], seconds: float) -> dict[str, object]:
        """Its answer. Raises ModelProcessError; the process is of no use after that."""
        self._send(orjson.dumps(request))
        return self._receive(seconds, f"took longer than {seconds:.3g} s (LABELLOOP_PREDICT_SECONDS)")

    def kill(self) -> None:
        """End it, whatever it does."""
        self._finalizer()

    def _send(self, message: bytes) -> None:
        try:
            self._connection.send_bytes(message)
        except OSError:
            raise self._ended() from None

    def _receive(self, seconds: float, too_late: str) -> dict[str, object]:
        try:
            if not self._connection.poll(max(seconds, 0)):
                raise ModelProcessError(too_late)
            answer: dict[str, object] = orjson.loads(self._connection.recv_bytes(MAX_ANSWER_BYTES))
        except (EOFError, OSError, orjson.JSONDecodeError):
            raise self._ended() from None
        return answer

    def _ended(self) -> ModelProcessError:
        """Why nothing comes any more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        if code is None:
            return ModelProcessError("closed its connection")
        if code == -9:
            return ModelProcessError("was killed (signal 9): out of memory, most likely")
        return ModelProcessError(f"ended with {'signal' if code < 0 else 'exit code'} {abs(code)}")


def _end(process: "subprocess.Popen[bytes]", connection: Connection) -> None:
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(OSError):
        connection.close()
