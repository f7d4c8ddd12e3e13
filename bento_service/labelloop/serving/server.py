"""`labelloop serve`: the Bento's ASGI application in one process, without BentoML's supervisor.

One process instead of two saves a second of start-up and 80 MB. WORKERS above 1 starts that many behind one port.
"""

import errno
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from labelloop import __version__
from labelloop.environment import SettingsError
from labelloop.serving.allocator import give_back_large_blocks
from labelloop.serving.bentoml_patches.deferred_imports import defer
from labelloop.serving.serving_settings import ServingSettings
from labelloop.serving.workers import LISTENER_VARIABLE, inherited_listener, supervise

if TYPE_CHECKING:
    from starlette.applications import Starlette

NOT_FOR_SERVING = (
    "_bentoml_impl.client",
    "_bentoml_impl.server.proxy",
    "_bentoml_impl.server.serving",
    "_bentoml_impl.tasks",
    "_bentoml_sdk.models",
    "bentoml._internal.bento",
    "bentoml._internal.bento.bento",
    "bentoml._internal.bento.build_config",
    "bentoml._internal.container.generate",
    "bentoml._internal.models",
    "bentoml._internal.runner.runnable",
    "bentoml._internal.runner.runner",
    "bentoml._internal.service.loader",
    "bentoml._internal.service.openapi",
    "bentoml._internal.service.openapi.specification",
    "bentoml._internal.service.service",
    "bentoml._internal.utils.cattr",
    "psutil",
    "python_multipart",
    "python_multipart.multipart",
    "uvicorn.main",
    "uvicorn.middleware.wsgi",
)
"""What BentoML and its libraries import to build, deploy, supervise, call and upload: not needed to answer."""
KEEP_ALIVE_SECONDS = 65
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

log = logging.getLogger(__name__)


def run() -> None:
    """Serve until SIGTERM or Ctrl-C; exit code 2 for settings that cannot work."""
    # As process 1 of a container Python would ignore a SIGTERM that comes before the server has its own handler.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    settings = settings_or_exit()
    prepare_environment()
    give_back_large_blocks()
    _log_as(settings)
    listener = inherited_listener()
    if listener is None:
        check_model_class(settings)
        listener = _bind(settings.host, settings.port)
        _report_exposure(settings)
    if settings.workers > 1:
        sys.exit(supervise(settings.workers, listener))
    _serve(settings, listener)


def check_model_class(settings: ServingSettings) -> None:
    """End with exit code 2 when the model class cannot be imported and this backend looks after itself.

    A process of its own imports it: what the class does on import must not touch the server. In a pod the server stays,
    not ready: the operator reports why.
    """
    if settings.local is None or settings.own is None:
        return
    from labelloop.prediction.model_process import ModelClassError, ModelProcess, ModelProcessError

    process = ModelProcess(settings.own, None)
    try:
        process.hello()
    except ModelClassError as error:
        _exit(str(error))
    except ModelProcessError:
        pass  # too slow or out of memory: the server says so at each request
    finally:
        process.kill()


def _log_as(settings: ServingSettings) -> None:
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(LOG_FORMAT)
    if settings.log_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        formatter = JsonFormatter(LOG_FORMAT, rename_fields=names)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("labelloop").setLevel(settings.log_level)


def _report_exposure(settings: ServingSettings) -> None:
    """In a pod a NetworkPolicy and the operator's secret guard the backend; elsewhere nothing does."""
    if settings.local is not None and settings.is_open:
        log.warning(
            "Listening at %s without a password: whoever reaches port %d may read predictions and start trainings; "
            "set BASIC_AUTH_USER and BASIC_AUTH_PASS, or LABELLOOP_HOST=127.0.0.1",
            settings.host,
            settings.port,
        )


def settings_or_exit() -> ServingSettings:
    """Settings from the environment, or one line for each that is wrong and exit code 2."""
    try:
        return ServingSettings.from_environment()
    except SettingsError as error:
        _exit(*str(error).splitlines())


def prepare_environment() -> None:
    """What libraries read from the environment when they are imported."""
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # pydantic would look for plug-ins in the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Products of a few rows: threads would only wait for each other, and each holds buffers of its own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _bind(host: str, port: int) -> socket.socket:
    """Listening at once: the probe that comes while the server starts is answered when it is ready.

    Were it refused, the kubelet would wait for a second before the next.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            _exit(f"LABELLOOP_HOST is {host}, which is no address of this machine: use one of its own, or 127.0.0.1")
        _exit(f"PORT is {port}, which cannot be used ({error.strerror}): stop what listens there or set another PORT")
    return listener


def _serve(settings: ServingSettings, listener: socket.socket) -> None:
    app = application(settings)
    from uvicorn.config import Config
    from uvicorn.server import Server

    config = Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing asks who the client is
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    Server(config).run(sockets=[listener])


def application(settings: ServingSettings) -> "Starlette":
    """BentoML's ASGI application around the service, for one process without a supervisor."""
    is_worker = LISTENER_VARIABLE in os.environ
    if not is_worker:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # one process counts in memory
    defer(NOT_FOR_SERVING)
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.context import server_context
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    from labelloop.serving.bentoml_patches.app_factory import AppFactory
    from labelloop.serving.service import NAME, build_service

    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=is_worker))
    server_context.service_type = "entry_service"
    server_context.service_name = server_context.bento_name = NAME
    server_context.bento_version = __version__
    service = build_service(settings)
    service.inject_config()
    app: Starlette = AppFactory(service, is_main=True)()
    return app


def _exit(*lines: str) -> NoReturn:
    for line in lines:
        sys.stderr.write(f"labelloop serve: {line}\n")
    sys.exit(2)
