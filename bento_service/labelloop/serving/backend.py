"""The backend in one process: model, labelling configurations seen, relay. What the routes talk to."""

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from labelloop.label_config.schema import (
    BrokenXmlError,
    EmptyConfigError,
    LabelConfigError,
    Schema,
    Scope,
    parse_label_config,
)
from labelloop.prediction.bounded_cache import BoundedCache
from labelloop.prediction.model_loading import Serving, load_serving
from labelloop.prediction.predictor import Entry, Predictor
from labelloop.serving import presentation
from labelloop.serving.address_watch import AddressWatch
from labelloop.serving.batching import Batcher
from labelloop.serving.local_mode import NOT_CONFIGURED, local_mode
from labelloop.serving.relay import Relay, RelayError
from labelloop.serving.request_bodies import BodyReader
from labelloop.serving.request_error import RequestError, UnknownProjectError
from labelloop.serving.serving_metrics import ServingMetrics
from labelloop.serving.serving_settings import ServingSettings
from labelloop.serving.webhook_events import Event

if TYPE_CHECKING:
    from labelloop.local.mode import Shown
    from labelloop.page_facts import Facts
    from labelloop.prediction.custom_predictor import CustomPredictor

# A thread hop costs more than such a request; for more the event loop must stay free for /health (1 s at Label Studio).
INLINE_TASKS = 32
INLINE_BYTES = 256 * 1024
CHUNK_TASKS = 256
OWN_REQUESTS = 32
SCHEMAS_BYTES = 16 << 20
"""What may be kept of labelling configurations as they came, and of what was read in them."""
_CHOICE_BYTES = 1_000
"""About what a parsed choice takes besides its text."""

log = logging.getLogger(__name__)


class Backend:
    """Made once per process, before the server answers; `start` and `stop` run in its event loop."""

    def __init__(self, settings: ServingSettings, metrics: ServingMetrics) -> None:
        self.metrics = metrics
        self._settings = settings
        self._base: Serving = load_serving(settings, is_fallback=settings.local is not None)
        self.metrics.show_model(self._base)
        self.webhook_secret = settings.webhook_secret
        self.bodies = BodyReader()
        self._relay_target = settings.relay
        self._relay: Relay | None = None
        self._local = local_mode(settings, self._base, metrics.show_models)
        # One thread by default: large requests take turns by chunk and leave the rest of the processor to small ones.
        self._heavy = anyio.CapacityLimiter(settings.threads)
        self._batcher = Batcher()
        self._addresses = AddressWatch()
        # They mostly wait: for a custom model to come free, and for its answer.
        self._own = anyio.CapacityLimiter(OWN_REQUESTS)
        self._schema = BoundedCache(SCHEMAS_BYTES, partial(_read_schema, scope=self._base.scope), _schema_bytes)

    async def start(self) -> None:
        """Begin to relay, when there is an operator; without one to train, when there is a Label Studio."""
        if self._local is not None:
            await self._local.start()
        if self._relay_target is not None:
            self._relay = Relay(
                self._relay_target, lambda call, outcome: self.metrics.relayed.labels(call, outcome).inc()
            )
            await self._relay.start()

    async def stop(self) -> None:
        """Send the last hints, end a training under way."""
        if self._local is not None:
            await self._local.stop()
        if self._relay is not None:
            await self._relay.stop()

    @property
    def serving(self) -> Serving:
        """What answers where nothing was trained yet, and whether the backend is ready."""
        return self._base

    def health(self, project: str | None) -> dict[str, object]:
        """What answers: one project, or all there are; RequestError 404."""
        return presentation.health(self._base, self._shown(project))

    async def facts(self, project: str | None, started: str) -> "Facts":
        """For the model page; RequestError 404."""
        shown = self._shown(project)
        everything = shown if project is None else self._shown(None)
        asked = partial(presentation.facts, self._settings, self._base, shown, everything, started)
        return await anyio.to_thread.run_sync(asked, self._addresses.found)

    def _shown(self, project: str | None) -> "list[Shown]":
        if project is None:
            return [] if self._local is None else self._local.shown()
        found = None if self._local is None else self._local.shown_for(project)
        if found is None:
            raise UnknownProjectError(project, [] if self._local is None else self._local.projects)
        return [found]

    def versions(self) -> list[str]:
        """The versions that answer now."""
        if self._local is not None:
            return self._local.versions()
        return [] if self._base.version is None else [self._base.version]

    async def setup(self, label_config: str, project: object = None) -> str:
        """The version served; RequestError 422 when the labelling configuration cannot be used, 503 without a model.

        A project that is not configured yet can be connected; its tasks get no results.

        `project` is what the request names, as `<id>.<unix time of creation>`.
        """
        predictor = self._base_predictor() if self._local is None else await self._local.setup(project)
        schema = self._schema[label_config]
        if isinstance(schema, LabelConfigError) and not isinstance(schema, EmptyConfigError):
            raise _unusable(schema, "schema")
        return predictor.version

    async def predict(
        self, tasks: list[object], label_config: str, size: int, project: object = None, context: object = None
    ) -> list[Entry]:
        """One entry per task, in order. `size` of the request in bytes decides where the work is done.

        RequestError 422 when the labelling configuration cannot be read; one without a control that can be answered
        gets entries without a result.

        `context`: what an annotator has drawn, for interactive pre-annotation by a custom model.
        """
        predictor = self._base_predictor() if self._local is None else await self._local.predictor(project)
        schema = self._schema[label_config]
        if isinstance(schema, BrokenXmlError):
            raise _unusable(schema, "label_config")
        if not isinstance(predictor, Predictor):
            asked = partial(predictor.answer, tasks, label_config, context)
            answered = await anyio.to_thread.run_sync(asked, limiter=self._own, abandon_on_cancel=True)
            self.metrics.faults.inc(sum("error" in entry for entry in answered))
            return answered
        known = None if isinstance(schema, LabelConfigError) else schema
        if known is not None:
            self._addresses.look(project, tasks, known)
        if len(tasks) <= INLINE_TASKS and size <= INLINE_BYTES:
            return await self._batcher.predict(predictor, tasks, known, size)
        entries: list[Entry] = []
        for first in range(0, len(tasks), CHUNK_TASKS):
            chunk = tasks[first : first + CHUNK_TASKS]
            indices = range(first, first + len(chunk))
            entries += await anyio.to_thread.run_sync(predictor.predict, chunk, known, indices, limiter=self._heavy)
        return entries

    def hint(self, event: Event, authenticated: bool) -> None:
        """Pass an event on in the background."""
        if self._relay is not None:
            self._relay.hint(event, authenticated)
        elif self._local is not None:
            self._local.hint(event.project)

    async def train(self, authenticated: bool, project: str | None) -> str:
        """Ask for a training and say who does it; RequestError 503 unless the request is accepted."""
        if self._relay is None:
            return self._train_here(project)
        try:
            await self._relay.train(authenticated)
        except RelayError as error:
            raise RequestError(
                503, str(error), remedy="Predictions go on meanwhile. See the LabelStudioBackend's conditions."
            ) from None
        return "The operator starts a training."

    def _train_here(self, project: str | None) -> str:
        refusal = NOT_CONFIGURED if self._local is None else self._local.request_training(project)
        if refusal is not None:
            raise RequestError(
                503,
                f"This backend cannot start a training: {refusal}",
                field="LABEL_STUDIO_API_KEY" if refusal.startswith("LABEL_STUDIO_API_KEY") else "project",
                remedy="See docs/user/local.md; in Kubernetes run it by a LabelStudioBackend resource.",
            )
        return "A training starts on this machine."

    def _base_predictor(self) -> "Predictor | CustomPredictor":
        if self._base.predictor is None:
            raise RequestError(
                503, self._base.problem or "No model is loaded", remedy="Serve an image whose model can be loaded."
            )
        return self._base.predictor


def _read_schema(label_config: str, scope: Scope) -> Schema | LabelConfigError:
    """The error is kept like a schema: Label Studio sends the same configuration again and again."""
    try:
        return parse_label_config(label_config, scope)
    except LabelConfigError as error:
        log.warning("Labelling configuration not supported: %s", error)
        # Another one: with this one its trace would be kept, and with that the whole document as a tree.
        return type(error)(str(error))


def _unusable(error: LabelConfigError, field: str) -> RequestError:
    remedy = "Change the labelling configuration in Label Studio (Settings > Labeling Interface)."
    return RequestError(422, str(error), field=field, remedy=remedy)


def _schema_bytes(label_config: str, schema: Schema | LabelConfigError) -> int:
    if isinstance(schema, LabelConfigError):
        return sys.getsizeof(label_config) + _CHOICE_BYTES
    parsed = sum(len(control.choices) + len(control.groups) + 1 for control in schema.controls)
    return sys.getsizeof(label_config) * 2 + parsed * _CHOICE_BYTES
