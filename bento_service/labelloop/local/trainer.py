"""The trainer: counts every project, starts one training at a time in a process of its own, and sees to its end.

All workers of all servers on one MODEL_DIR have one; the one that holds the lock works, and the next takes over when
its process ends. What a training found is in the project's state, written by the training itself.
"""

import fcntl
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import IO

from labelloop.label_studio import LabelStudioError, project
from labelloop.label_studio.client import LabelStudioClient
from labelloop.local.activity import Activity
from labelloop.local.decision import TrainingInput, backoff, decide
from labelloop.local.local_settings import LocalSettings
from labelloop.local.pending_updates import UpdateCounter
from labelloop.local.prediction_runs import PredictionRuns
from labelloop.local.project_state import Last, ProjectState
from labelloop.local.self_registration import Registration
from labelloop.local.version_store import ProjectStore, Store

TICK_SECONDS = 0.25
TAKE_OVER_SECONDS = 2.0
STOP_SECONDS = 20.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Training:
    """A training under way."""

    store: ProjectStore
    attempt: str
    process: "subprocess.Popen[bytes]"
    started: float
    since: str
    """The same as RFC 3339, for people."""


class LocalTrainer:
    """Runs in a thread; `stop` ends a training under way."""

    def __init__(self, settings: LocalSettings, variables: Mapping[str, str] | None = None) -> None:
        """`variables` go to the training's process, with the connection added to them."""
        self._settings = settings
        self._variables = dict(os.environ if variables is None else variables)
        self._store = Store(settings.directory)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="labelloop-trainer", daemon=True)
        self._tallies: dict[int, UpdateCounter] = {}
        self._failing: dict[int, tuple[str, str]] = {}
        """Why a project cannot be counted, and since when."""
        self._shown: dict[int, Activity] = {}
        self._training: _Training | None = None
        self._registration = Registration(settings)
        self._predictions = PredictionRuns(settings, self._variables)

    def start(self) -> None:
        """Begin, or wait until no other worker trains."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread and a training under way have ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        self._settings.directory.mkdir(parents=True, exist_ok=True)
        with (self._settings.directory / "trainer.lock").open("wb") as lock:
            while not self._taken(lock):
                if self._stopping.wait(TAKE_OVER_SECONDS):
                    return
            try:
                self._work()
            finally:
                self._predictions.stop()
                if self._training is not None:
                    self._training.process.kill()
                    self._training.process.wait()

    @staticmethod
    def _taken(lock: IO[bytes]) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _work(self) -> None:
        assert self._settings.credentials is not None  # noqa: S101 - a trainer is made only with them
        with LabelStudioClient(self._settings.credentials) as client:
            while not self._stopping.wait(TICK_SECONDS):
                try:
                    self._tick(client)
                except Exception:
                    log.exception("The trainer continues after a fault of its own")

    def _tick(self, client: LabelStudioClient) -> None:
        self._see_training()
        projects = self._store.projects()
        for number in projects:
            if self._stopping.is_set():
                return
            self._count(client, number)
            store = self._store.project(number)
            self._registration.keep(client, number, store.read().current, store.announced())
        for number in projects:
            self._decide(number)
        self._predictions.keep(self._store.project(number) for number in projects)

    # Counting

    def _count(self, client: LabelStudioClient, number: int) -> None:
        store = self._store.project(number)
        state = store.read()
        tally = self._tallies.setdefault(
            number, UpdateCounter(self._settings.poll_seconds, self._settings.scan_seconds)
        )
        now = time.monotonic()
        tally.move(state.cut)
        tally.see_hint(store.hinted(), now)
        if not tally.due(now):
            return
        try:
            if state.key is None or tally.count is None:
                self._check_identity(client, store, state)
            repeats = client.run(tally.look(number, now))
        except LabelStudioError as error:
            self._report_failing(number, error.message)
            return
        self._report_failing(number, None)
        if repeats:
            store.change(lambda state: replace(state, repeat_edits=state.repeat_edits + repeats))

    def _check_identity(self, client: LabelStudioClient, store: ProjectStore, state: ProjectState) -> None:
        """A project of the same number, created at another time, is another one: what was learnt is laid aside."""
        key = client.run(project(store.project)).key
        if state.key not in (None, key):
            aside = store.lay_aside(state.key or "")
            self._shown.pop(store.project, None)
            log.warning(
                "Project %d of Label Studio is a new one; the models of the old one are in %s", store.project, aside
            )
        if state.key != key:
            store.change(lambda state: replace(state, key=key))

    def _report_failing(self, number: int, message: str | None) -> None:
        """One line when it begins and one when it ends."""
        before, since = self._failing.get(number, (None, _now()))
        if message is None:
            if self._failing.pop(number, None):
                log.info("Project %d: Label Studio answers again", number)
        elif message != before:
            self._failing[number] = message, since
            log.warning("Project %d is not counted: %s", number, message)

    def _show(self, number: int, state: ProjectState) -> None:
        """Tell the model page, when something has changed."""
        problem, problem_since = self._failing.get(number, (None, None))
        training = self._training
        activity = Activity(
            self._settings.updates_per_training,
            self._pending(number, state),
            training.since if training is not None and training.store.project == number else None,
            problem,
            problem_since,
        )
        if self._shown.get(number) != activity:
            self._store.project(number).show(activity)
            self._shown[number] = activity

    def _pending(self, number: int, state: ProjectState) -> int | None:
        """Updates since the newest training, repeat edits included; None: not counted yet."""
        tally = self._tallies.get(number)
        if tally is None or tally.count is None:
            return None
        return tally.count.pending.total + state.repeat_edits

    # Training

    def _decide(self, number: int) -> None:
        store = self._store.project(number)
        state, request = store.read(), store.requested()
        decision = decide(
            TrainingInput(
                now=datetime.now(UTC),
                training=self._training is not None,
                requested=request is not None and request != state.handled_request,
                failures=state.failures,
                not_before=state.not_before,
                pending=self._pending(number, state),
                updates_per_training=self._settings.updates_per_training,
            )
        )
        if decision.train:
            self._start(store, request, decision.reason)
        self._show(number, state)

    def _start(self, store: ProjectStore, request: str | None, reason: str) -> None:
        attempt = secrets.token_hex(8)
        credentials = self._settings.credentials
        assert credentials is not None  # noqa: S101
        log.info("Project %d: training (%s)", store.project, reason)
        variables = {
            **self._variables,
            "MODEL_DIR": str(self._settings.directory),
            "LABEL_STUDIO_URL": credentials.url,
            "LABEL_STUDIO_API_KEY": credentials.token,
            "LABELLOOP_PROJECT": str(store.project),
            "LABELLOOP_ATTEMPT": attempt,
            "LABELLOOP_REQUEST": request or "",
        }
        command = [sys.executable, "-m", "labelloop.local.training_process"]
        # Its standard input ends when this process does, however that happens; then it ends too.
        process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE)
        self._training = _Training(store, attempt, process, time.monotonic(), _now())

    def _see_training(self) -> None:
        training = self._training
        if training is None:
            return
        code = training.process.poll()
        if code is None:
            if time.monotonic() - training.started > self._settings.deadline_seconds:
                training.process.kill()
            return
        self._training = None
        if training.process.stdin is not None:
            training.process.stdin.close()
        state = training.store.read()
        if state.last is None or state.last.attempt != training.attempt:
            log.error("Project %d: %s", training.store.project, _how_it_ended(code))
            training.store.change(lambda state: failed(state, training.attempt, code, self._settings.backoff_seconds))
        self._show(training.store.project, training.store.read())


def failed(state: ProjectState, attempt: str, code: int, base: float) -> ProjectState:
    """The state after a training that could not even tell how it ended."""
    now = datetime.now(UTC)
    failures = state.failures + 1
    return replace(
        state,
        failures=failures,
        not_before=now + timedelta(seconds=backoff(failures, base)),
        last=Last(attempt, "Failed", "Unknown", _how_it_ended(code), now.isoformat()),
    )


def _how_it_ended(code: int) -> str:
    if code == -9:
        return "the training was killed: it ran out of memory or of time (LABELLOOP_TRAINING_SECONDS)"
    return f"the training ended with {'signal' if code < 0 else 'exit code'} {abs(code)}: see the log"


def _now() -> str:
    return datetime.now(UTC).isoformat()
