"""Local mode in one worker: which version answers which project, and what is reported to the trainer."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import anyio.to_thread

from labelloop.local.local_settings import MAX_PROJECTS, LocalSettings
from labelloop.local.predictors import candidates, load
from labelloop.local.version_handover import Handover, Hold, advance, on_setup
from labelloop.local.version_store import ProjectStore, Store
from labelloop.local.worker_state import WorkerState
from labelloop.prediction.predictor import Predictor

if TYPE_CHECKING:
    from labelloop.custom_model_settings import CustomModelSettings
    from labelloop.prediction.custom_predictor import CustomPredictor

POLL_SECONDS = 0.2
LONGEST_HOLD = 0.05

AnyPredictor: TypeAlias = "Predictor | CustomPredictor"

log = logging.getLogger(__name__)


class Trainer(Protocol):
    """Counts and trains in the background, in one worker of all that share a MODEL_DIR."""

    def start(self) -> None:
        """Begin, or wait until no other worker trains."""

    def stop(self) -> None:
        """End a training under way."""


@dataclass
class _Project:
    """What this worker knows of a project."""

    store: ProjectStore
    stamp: tuple[int, int] = (-1, -1)
    key: str | None = None
    wanted: str = ""
    announced: str | None = None
    """The version that the trainer knows to be announced."""
    loaded: dict[str, AnyPredictor] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """What a project, or the backend without any, answers with; for people."""

    predictor: AnyPredictor
    store: ProjectStore | None = None
    """None: no project has asked yet."""


class LocalMode:
    """Answers by project; `base` answers where nothing was trained yet. `start` and `stop` run in the event loop."""

    def __init__(
        self,
        settings: LocalSettings,
        base: AnyPredictor,
        server: str,
        trainer: Trainer | None = None,
        clock: Callable[[], float] = time.monotonic,
        own: "CustomModelSettings | None" = None,
        show_models: Callable[[Collection[tuple[str, str]]], None] = lambda _models: None,
    ) -> None:
        """`server` names the workers that share a port; all of them change versions together.

        `own`: a custom model, whose versions run in processes of their own; `show_models` gets version and class of
        all that answer, after each change.
        """
        self._settings = settings
        self._store = Store(settings.directory)
        self._base = base
        self._trainer = trainer
        self._clock = clock
        self._own = own
        self._show_models = show_models
        self._projects: dict[int, _Project] = {}
        self._board = WorkerState(settings.directory / "run" / server)
        self._poller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what is on disk before the first request, then follow it."""
        for number in self._settings.projects:
            self._known(number)
        await self._look()
        for shown in self.shown():
            if shown.store is not None:
                log.info("Project %d: serving %s", shown.store.project, shown.predictor.version)
        self._poller = asyncio.create_task(self._poll(), name="labelloop-local")
        if self._trainer is not None:
            self._trainer.start()

    async def stop(self) -> None:
        """End a training under way; it is done again after the next start."""
        if self._trainer is not None:
            await anyio.to_thread.run_sync(self._trainer.stop)
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller
        self._board.close()

    # What the routes ask

    async def setup(self, key: object) -> AnyPredictor:
        """What `/setup` announces to a project; waits for a moment while a new version is about to be announced."""
        project = self._project(key, make=True)
        if project is None:
            return self._base
        while True:
            answer = self._board.exchange(project.store.project, self._first(project), partial(self._answer, project))
            if isinstance(answer, str):
                return await self._predictor(project, answer)
            await asyncio.sleep(min(answer.seconds, LONGEST_HOLD))

    async def predictor(self, key: object) -> AnyPredictor:
        """What `/predict` answers with: the announced version, for the whole request."""
        project = self._project(key, make=False)
        if project is None:
            return self._base
        announced = self._board.exchange(
            project.store.project, self._first(project), lambda before: (before, before.announced)
        )
        return await self._predictor(project, announced)

    @property
    def projects(self) -> list[int]:
        """The projects that have a model here, by number."""
        return sorted(self._projects)

    def shown(self) -> list[Shown]:
        """What serves each project, by number; what serves before any project is known."""
        shown = [self._shown(self._projects[number]) for number in self.projects]
        return shown or [Shown(self._base)]

    def shown_for(self, key: str) -> Shown | None:
        """What serves the project of this number; None for any other text."""
        number = _number(key)
        return self._shown(self._projects[number]) if number in self._projects and str(number) == key else None

    def _shown(self, project: _Project) -> Shown:
        return Shown(project.loaded.get(project.wanted, self._base), project.store)

    def versions(self) -> list[str]:
        """Versions that answer now, of all projects."""
        answering = {project.wanted for project in self._projects.values()}
        return sorted(answering or {self._base.version})

    def hint(self, key: object) -> None:
        """An event of a project: count soon."""
        project = self._project(key, make=True)
        if project is not None and self._trainer is not None:
            project.store.hint()

    def request_training(self, key: object) -> str | None:
        """Note a pressed Start Training on disk; why that cannot be done, or None when it stands."""
        if self._settings.unconfigured is not None:
            return self._settings.unconfigured
        project = self._project(key, make=True)
        if project is None:
            return "the request names no project: connect the backend to a project in Label Studio"
        project.store.request()
        return None

    # Which project

    def _project(self, key: object, *, make: bool) -> _Project | None:
        """The project that a request names as `<id>.<unix time of creation>`, or means, being the only one."""
        number = _number(key)
        if number is None:
            return next(iter(self._projects.values())) if len(self._projects) == 1 else None
        project = self._projects.get(number)
        if project is None and make and self._trainer is not None:
            project = self._known(number)
        if project is not None and project.key and "." in str(key) and project.key != str(key):
            return None  # another project of this number: Label Studio was set up again
        return project

    def _known(self, number: int) -> _Project | None:
        if number not in self._projects and len(self._projects) < MAX_PROJECTS:
            store = self._store.project(number)
            store.directory.mkdir(parents=True, exist_ok=True)
            project = _Project(store, wanted=self._base.version)
            # Nothing is loaded for a project that is new to all workers; one that is not is loaded by the next look.
            project.loaded[self._base.version] = self._base
            self._projects[number] = project
            self._report_loaded()
        return self._projects.get(number)

    # Which version

    def _first(self, project: _Project) -> Handover:
        return Handover(project.wanted)

    def _answer(self, project: _Project, before: Handover) -> tuple[Handover, str | Hold]:
        now = self._clock()
        after = self._advanced(project, before, now)
        told = on_setup(after, now)
        return (after, told) if isinstance(told, Hold) else (told, told.announced)

    def _advanced(self, project: _Project, before: Handover, now: float) -> Handover:
        ready = before.announced != project.wanted and self._board.all_have(project.store.project, project.wanted)
        after = advance(before, project.wanted, ready=ready, now=now)
        if after.announced != before.announced:
            log.info("Project %d: serving %s", project.store.project, after.announced)
        return after

    async def _predictor(self, project: _Project, version: str) -> AnyPredictor:
        """Loaded as a rule; a worker that has just started may have to load what the others announce."""
        if version not in project.loaded:
            found = await anyio.to_thread.run_sync(load, project.store, version, self._own)
            project.loaded[version] = found or project.loaded[project.wanted]
        return project.loaded[version]

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look()
            except Exception:
                log.exception("The models on disk cannot be followed; what is loaded continues to serve")

    async def _look(self) -> None:
        """Load what is wanted now, and announce it as soon as that is allowed."""
        for number in self._store.projects():
            project = self._projects.get(number) or self._known(number)
            if project is None:
                continue
            stamp = project.store.stamp()
            if stamp != project.stamp:
                await self._load_wanted(project)
                project.stamp = stamp
            announced = self._board.exchange(number, self._first(project), partial(self._step, project))
            if announced != project.announced:
                with contextlib.suppress(OSError):  # the folder was laid aside, or the disk is full: tried again
                    project.store.announce(announced)
                    project.announced = announced
            unused = set(project.loaded) - {announced, project.wanted}
            for version in unused:
                gone = project.loaded.pop(version)
                # One that could not be loaded was answered for by another, which may still serve.
                if gone not in (self._base, *project.loaded.values()) and not isinstance(gone, Predictor):
                    gone.close()
            if unused:
                self._report_loaded()

    def _step(self, project: _Project, before: Handover) -> tuple[Handover, str]:
        after = self._advanced(project, before, self._clock())
        return after, after.announced

    async def _load_wanted(self, project: _Project) -> None:
        state = await anyio.to_thread.run_sync(project.store.read)
        project.key = state.key
        for version in candidates(state, project.store.versions()):
            if version not in project.loaded:
                found = await anyio.to_thread.run_sync(load, project.store, version, self._own)
                if found is None:
                    continue
                project.loaded[version] = found
            project.wanted = version
            break
        else:
            project.wanted = self._base.version
            project.loaded[self._base.version] = self._base
        self._report_loaded()

    def _report_loaded(self) -> None:
        answering = [shown.predictor for shown in self.shown()]
        self._show_models({(predictor.version, predictor.model_class) for predictor in answering})
        self._board.report_loaded({number: frozenset(project.loaded) for number, project in self._projects.items()})


def _number(key: object) -> int | None:
    """The id before the dot of `7.1795325720`, also of a plain number; None when there is none."""
    text = str(key).partition(".")[0] if isinstance(key, str | int) and not isinstance(key, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 19 and int(text) else None
