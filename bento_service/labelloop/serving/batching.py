"""Small requests that come at the same moment are predicted together.

A text predicted alone costs five times what it costs among others: calls into numpy instead of work. So a request lets
those already waiting join it before the work is done: one turn of the event loop, and no waiting for anything else.
When none has joined for a while, only some of the requests look for company.
"""

import asyncio

from labelloop.label_config.schema import Schema
from labelloop.prediction.predictor import Entry, Predictor

BATCH_TASKS = 32
"""Bounds how long a batch keeps the event loop; among more, a text is hardly cheaper."""
BATCH_BYTES = 256 * 1024
ALONE_FOR = 16
"""Requests in a row without company, after which one in LOOK_EVERY looks for it."""
LOOK_EVERY = 8


class Batch:
    """Requests for one predictor and one labelling configuration."""

    def __init__(self, predictor: Predictor, schema: Schema | None) -> None:
        self._predictor = predictor
        self._schema = schema
        self._tasks: list[object] = []
        self._indices: list[int] = []
        self._bytes = 0
        self._entries: list[Entry] | None = None
        self._done: asyncio.Event | None = None

    def has_room(self, tasks: int, size: int) -> bool:
        """Whether a request with so many tasks and bytes may join."""
        return len(self._tasks) + tasks <= BATCH_TASKS and self._bytes + size <= BATCH_BYTES

    def join(self, tasks: list[object], size: int) -> int:
        """Add a request; where its entries will begin."""
        first = len(self._tasks)
        self._tasks += tasks
        self._indices += range(len(tasks))
        self._bytes += size
        return first

    def run(self) -> None:
        """Predict all; whatever is raised is left to the requests, each of which then tries alone."""
        try:
            self._entries = self._predictor.predict(self._tasks, self._schema, self._indices)
        except Exception:  # one request's fault must not be the others'
            self._entries = None
        if self._done is not None:
            self._done.set()

    async def wait(self) -> None:
        """Until `run` has ended."""
        if self._done is None:
            self._done = asyncio.Event()
        await self._done.wait()

    def entries(self, tasks: list[object], first: int) -> list[Entry]:
        """Those of the request that has joined at `first`."""
        if self._entries is None:
            return self._predictor.predict(tasks, self._schema)
        return self._entries[first : first + len(tasks)]


class Batcher:
    """One for all requests of an event loop."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], Batch] = {}
        self._alone = 0

    async def predict(self, predictor: Predictor, tasks: list[object], schema: Schema | None, size: int) -> list[Entry]:
        """One entry per task, in order. `size`: bytes of the request."""
        if len(tasks) > BATCH_TASKS // 2 or size > BATCH_BYTES // 2:
            return predictor.predict(tasks, schema)  # nothing is gained by company
        key = (id(predictor), id(schema))
        batch = self._open.get(key)
        if batch is not None and batch.has_room(len(tasks), size):
            self._alone = 0
            first = batch.join(tasks, size)
            await batch.wait()
            return batch.entries(tasks, first)
        self._alone += 1
        if self._alone > ALONE_FOR and self._alone % LOOK_EVERY:
            return predictor.predict(tasks, schema)
        batch = self._open[key] = Batch(predictor, schema)
        batch.join(tasks, size)
        try:
            await asyncio.sleep(0)
        finally:
            # Also when this request is cancelled: the others wait for it.
            if self._open.get(key) is batch:
                del self._open[key]
            batch.run()
        return batch.entries(tasks, 0)
