"""The backend in one process: model, labelling configurations seen, relay. What the routes talk to."""

import logging
from functools import lru_cache

import anyio
import anyio.to_thread

from labelloop.label_config import LabelConfigError, Schema, parse_label_config
from labelloop.serving.loading import Serving, load_serving
from labelloop.serving.metrics import ServingMetrics
from labelloop.serving.predictor import SCHEMAS_KEPT, Entry, Predictor
from labelloop.serving.relay import Relay, RelayError
from labelloop.serving.request_bodies import BodyReader
from labelloop.serving.request_error import RequestError
from labelloop.serving.settings import ServingSettings
from labelloop.serving.webhook_events import Event

# A thread hop costs more than such a request; for more the event loop must stay free for /health (1 s at Label Studio).
INLINE_TASKS = 32
INLINE_BYTES = 256 * 1024
CHUNK_TASKS = 256

log = logging.getLogger(__name__)


class Backend:
    """Made once per process, before the server answers; `start` and `stop` run in its event loop."""

    def __init__(self, settings: ServingSettings, metrics: ServingMetrics) -> None:
        self.metrics = metrics
        self.serving: Serving = load_serving(settings)
        self.metrics.show_model(self.serving)
        self.webhook_secret = settings.webhook_secret
        self.bodies = BodyReader()
        self._relay_target = settings.relay
        self._relay: Relay | None = None
        # One thread: large requests take turns by chunk, and leave the rest of the processor to the small ones.
        self._heavy = anyio.CapacityLimiter(1)
        self._schema = lru_cache(SCHEMAS_KEPT)(_read_schema)

    async def start(self) -> None:
        """Begin to relay, when there is an operator."""
        if self._relay_target is not None:
            self._relay = Relay(
                self._relay_target, lambda call, outcome: self.metrics.relayed.labels(call, outcome).inc()
            )
            await self._relay.start()

    async def stop(self) -> None:
        """Send the last hints."""
        if self._relay is not None:
            await self._relay.stop()

    def setup(self, label_config: str) -> str:
        """The version served; RequestError 422 when the labelling configuration cannot be used, 503 without a model."""
        predictor = self._predictor()
        schema = self._schema(label_config)
        if isinstance(schema, LabelConfigError):
            raise RequestError(
                422,
                str(schema),
                field="schema",
                remedy="Change the labelling configuration in Label Studio (Settings > Labeling Interface).",
            )
        return predictor.version

    async def predict(self, tasks: list[object], label_config: str, size: int) -> list[Entry]:
        """One entry per task, in order. `size` of the request in bytes decides where the work is done."""
        predictor = self._predictor()
        schema = self._schema(label_config)
        known = None if isinstance(schema, LabelConfigError) else schema
        if len(tasks) <= INLINE_TASKS and size <= INLINE_BYTES:
            return predictor.predict(tasks, known)
        entries: list[Entry] = []
        for first in range(0, len(tasks), CHUNK_TASKS):
            chunk = tasks[first : first + CHUNK_TASKS]
            entries += await anyio.to_thread.run_sync(predictor.predict, chunk, known, first, limiter=self._heavy)
        return entries

    def hint(self, event: Event, authenticated: bool) -> None:
        """Pass an event on in the background."""
        if self._relay is not None:
            self._relay.hint(event, authenticated)

    async def train(self, authenticated: bool) -> None:
        """Ask the operator for a training; RequestError 503 unless it has accepted."""
        if self._relay is None:
            raise RequestError(
                503,
                "This backend runs without an operator and cannot start a training",
                field="LABELLOOP_RELAY_URL",
                remedy="Run it by a LabelStudioBackend resource, or train with `labelloop train`.",
            )
        try:
            await self._relay.train(authenticated)
        except RelayError as error:
            raise RequestError(
                503, str(error), remedy="Predictions go on meanwhile. See the LabelStudioBackend's conditions."
            ) from None

    def _predictor(self) -> Predictor:
        if self.serving.predictor is None:
            raise RequestError(
                503, self.serving.problem or "No model is loaded", remedy="Serve an image whose model can be loaded."
            )
        return self.serving.predictor


def _read_schema(label_config: str) -> Schema | LabelConfigError:
    """The error is kept like a schema: Label Studio sends the same configuration again and again."""
    try:
        return parse_label_config(label_config)
    except LabelConfigError as error:
        log.warning("Labelling configuration not supported: %s", error)
        return error
