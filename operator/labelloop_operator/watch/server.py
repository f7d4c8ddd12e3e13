"""One Label Studio as one user: all its resources share one request for counters and one for webhooks per poll."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from labelloop import label_studio as library
from labelloop_operator.api.spec import Problem
from labelloop_operator.clients.label_studio import LabelStudio
from labelloop_operator.watch.facts import problem
from labelloop_operator.watch.target import Pace

_LOG = logging.getLogger(__name__)

PARALLEL_SCANS = 2


class Polled(Protocol):
    """A project that is told what the polls say."""

    @property
    def project_id(self) -> int:
        """The project's number."""

    def polled(self, counters: library.Counters | None, webhooks: list[library.Webhook]) -> None:
        """Counters of this project and all webhooks."""

    def poll_failed(self, trouble: Problem) -> None:
        """No usable answer."""


class Server:
    """Polls for its projects, each interval with jitter. A dead server delays its own projects only."""

    def __init__(self, client: LabelStudio, pace: Pace, may_write: Callable[[], bool]) -> None:
        self.client = client
        self.may_write = may_write
        self.scans = asyncio.Semaphore(PARALLEL_SCANS)
        self.projects: set[Polled] = set()
        self._pace = pace
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop polling and close the connections."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.client.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0)  # projects made in the same turn are in the first poll
            try:
                await self._poll()
            except Exception:
                _LOG.exception("poll of Label Studio")
            await asyncio.sleep(self._pace.poll * random.uniform(0.9, 1.0))  # noqa: S311 - jitter

    async def _poll(self) -> None:
        if not self.projects:
            return
        try:
            counters = await self.client.run(library.counters({project.project_id for project in self.projects}))
            webhooks = await self.client.run(library.webhooks(None))
        except library.LabelStudioError as error:
            for project in tuple(self.projects):
                project.poll_failed(problem(error))
            return
        for project in tuple(self.projects):
            project.polled(counters.get(project.project_id), webhooks)
