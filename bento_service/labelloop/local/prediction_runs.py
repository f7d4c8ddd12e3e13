"""After a swap the predictions of the new version are written, one project at a time, in a process of its own.

The version whose predictions are complete is in the project's state. A run that was killed is done again: what it has
written is left out.
"""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labelloop.local.decision import backoff
from labelloop.local.local_settings import LocalSettings
from labelloop.local.version_store import ProjectStore

MOST_ATTEMPTS = 3
"""For one version; then the next one is waited for."""
_COMMAND = (sys.executable, "-m", "labelloop.local.batch_prediction")

Process = subprocess.Popen[bytes]
Start = Callable[[Mapping[str, str]], Process]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Run:
    """A process under way."""

    store: ProjectStore
    version: str
    process: Process


@dataclass(frozen=True)
class _Failures:
    """Of one project: attempts in a row for one version."""

    version: str
    number: int
    not_before: float


class PredictionRuns:
    """Does nothing when the scope is `None`. `keep` is called again and again; `stop` ends a run under way."""

    def __init__(
        self,
        settings: LocalSettings,
        variables: Mapping[str, str],
        start: Start | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`variables` go to the process, with model and connection added to them."""
        self._settings = settings
        self._variables = variables
        self._start_process = start or _started
        self._clock = clock
        self._run: _Run | None = None
        self._failures: dict[int, _Failures] = {}

    def keep(self, stores: Iterable[ProjectStore]) -> None:
        """See to the run under way, then start the next one that is due."""
        self._see()
        if self._run is None and self._settings.predictions.enabled:
            due = next((store for store in stores if self._is_due(store)), None)
            if due is not None:
                self._start(due)

    def stop(self) -> None:
        """End a run under way; it is done again after the next start."""
        run, self._run = self._run, None
        if run is not None:
            run.process.kill()
            _reap(run.process)

    def _is_due(self, store: ProjectStore) -> bool:
        state = store.read()
        if state.current is None or state.predicted == state.current or store.announced() != state.current:
            return False
        failures = self._failures.get(store.project)
        if failures is None or failures.version != state.current:
            return True
        return failures.number < MOST_ATTEMPTS and self._clock() >= failures.not_before

    def _start(self, store: ProjectStore) -> None:
        version, credentials = store.read().current, self._settings.credentials
        assert version is not None and credentials is not None  # noqa: PT018, S101 - it is due, and a trainer asks
        _result_of(store).unlink(missing_ok=True)
        process = self._start_process(
            {
                **self._variables,
                "LABEL_STUDIO_URL": credentials.url,
                "LABEL_STUDIO_API_KEY": credentials.token,
                "LABELLOOP_PROJECT": str(store.project),
                "LABELLOOP_MODEL_DIR": str(store.path_of(version)),
                "LABELLOOP_MODEL_VERSION": version,
                "LABELLOOP_TERMINATION_LOG": str(_result_of(store)),
            }
        )
        self._run = _Run(store, version, process)

    def _see(self) -> None:
        run = self._run
        if run is None:
            return
        if run.process.poll() is None:
            if run.store.read().current != run.version:
                log.info("Project %d: predictions of %s are not needed any more", run.store.project, run.version)
                self.stop()
            return
        self._run = None
        _reap(run.process)
        message = _message(run)
        if run.process.returncode == 0:
            self._failures.pop(run.store.project, None)
            run.store.change(lambda state: replace(state, predicted=run.version))
            log.info("Project %d: %s", run.store.project, message)
        else:
            self._fail(run, message)

    def _fail(self, run: _Run, message: str) -> None:
        number, before = run.store.project, self._failures.get(run.store.project)
        times = before.number + 1 if before is not None and before.version == run.version else 1
        pause = backoff(times, self._settings.backoff_seconds)
        self._failures[number] = _Failures(run.version, times, self._clock() + pause)
        again = f"it is tried again in {pause:.0f} s" if times < MOST_ATTEMPTS else "the next version is waited for"
        log.warning("Project %d: predictions of %s are not written; %s: %s", number, run.version, again, message)


def _started(variables: Mapping[str, str]) -> Process:
    # Its standard input ends when this process does, however that happens; then it ends too.
    return subprocess.Popen(_COMMAND, env=variables, stdin=subprocess.PIPE)


def _reap(process: Process) -> None:
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _result_of(store: ProjectStore) -> Path:
    return store.directory / "batch-prediction.json"


def _message(run: _Run) -> str:
    try:
        return str(json.loads(_result_of(run.store).read_bytes())["message"])
    except (OSError, ValueError, KeyError, TypeError):
        code = run.process.returncode
        return f"the process ended with {'signal' if code < 0 else 'exit code'} {abs(code)}: see the log"
