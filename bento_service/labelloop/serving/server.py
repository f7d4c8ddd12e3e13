"""`labelloop serve`: the Bento's ASGI application in one process, without BentoML's supervisor.

One process instead of two saves a second of start-up and 80 MB. Several workers are what `bentoml serve` is for.
"""

import logging
import os
import signal
import socket
import sys
from typing import NoReturn

from labelloop import __version__
from labelloop.environment import SettingsError
from labelloop.serving.settings import ServingSettings

KEEP_ALIVE_SECONDS = 65
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run() -> None:
    """Serve until SIGTERM or Ctrl-C; exit code 2 for settings that cannot work."""
    # As process 1 of a container Python would ignore a SIGTERM that comes before the server has its own handler.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    settings = settings_or_exit()
    prepare_environment()
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format=LOG_FORMAT)
    logging.getLogger("labelloop").setLevel(settings.log_level)
    listener = _bind(settings.port)
    _serve(settings, listener)


def settings_or_exit() -> ServingSettings:
    """Settings from the environment, or one line for each that is wrong and exit code 2."""
    try:
        return ServingSettings.from_environment()
    except SettingsError as error:
        _exit(*str(error).splitlines())


def prepare_environment() -> None:
    """What libraries read from the environment when they are imported."""
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # Products of a few rows: threads would only wait for each other, and each holds buffers of its own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _bind(port: int) -> socket.socket:
    """Bound but not listening: until the server is ready, connections are refused instead of left hanging."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("0.0.0.0", port))  # noqa: S104  (a pod's server is reached from outside of it)
    except OSError as error:
        _exit(f"PORT is {port}, which cannot be used ({error.strerror}): stop what listens there or set another PORT")
    return listener


def _serve(settings: ServingSettings, listener: socket.socket) -> None:
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # one process counts in memory
    import uvicorn
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.context import server_context
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    from labelloop.serving.service import NAME, build_service

    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=False))
    server_context.service_type = "entry_service"
    server_context.service_name = server_context.bento_name = NAME
    server_context.bento_version = __version__
    config = uvicorn.Config(
        build_service(settings).to_asgi(),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _exit(*lines: str) -> NoReturn:
    for line in lines:
        sys.stderr.write(f"labelloop serve: {line}\n")
    sys.exit(2)
