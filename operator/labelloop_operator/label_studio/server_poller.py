"""One Label Studio as one user: all its resources share one request for counters and one for webhooks per poll.

The poll is also the circuit breaker: while it fails nothing else is asked of that Label Studio, and it is asked less
often, so that one that is down or overloaded costs one request now and then, however many resources it has.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from labelloop import label_studio as library
from labelloop_operator.api.spec import Problem
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.facts import problem, timed_out
from labelloop_operator.label_studio.project_ref import PollIntervals
from labelloop_operator.label_studio.supervised_task import SupervisedTask, wait_for_event

PARALLEL_SCANS = 2
POLL_DEADLINE = 120.0
"""Seconds for all requests of one poll; each has a shorter one of its own."""
JOIN_PAUSE = 2.0
"""Seconds between two polls at least, when projects join: many that come one after another share a poll."""
SLOWEST_POLL = 4
"""A Label Studio that does not answer is asked after 1, 2, then 4 poll intervals."""
ROUND_REQUESTS_PER_SECOND = 1.3
"""What the unconditional looks at all projects of one Label Studio may cost: with many of them rounds get longer."""
REQUESTS_PER_ROUND = 2.0
"""Of one project, on average (`label_studio.project_monitor`)."""


class Polled(Protocol):
    """A project that gets what the polls say."""

    @property
    def project_id(self) -> int:
        """The project's number."""

    def on_poll(self, counters: library.Counters | None, webhooks: list[library.Webhook]) -> None:
        """Counters of this project, and its webhooks: those of the organisation first."""

    def on_project(self, project: library.Project) -> None:
        """The project itself."""

    def on_poll_error(self, trouble: Problem) -> None:
        """No usable answer."""


class ServerPoller:
    """Polls for its projects, each interval with jitter. A dead server delays its own projects only."""

    def __init__(
        self,
        client: LabelStudio,
        pace: PollIntervals,
        may_write: Callable[[], bool],
        begun: asyncio.Event | None = None,
    ) -> None:
        self.client = client
        self.may_write = may_write
        self._begun = begun
        self.scans = asyncio.Semaphore(PARALLEL_SCANS)
        self.projects: set[Polled] = set()
        self.problem: Problem | None = None
        """Why the newest poll failed; until one succeeds again nothing else is asked."""
        self._pace = pace
        self._failures = 0
        self._left_alone = 0.0
        """Seconds that it asked for when it refused the newest poll."""
        self._described_at = -pace.scan
        self.release = ""
        """Of this Label Studio; empty: not known."""
        self._joined = asyncio.Event()
        self._loop = SupervisedTask(self._run, f"the poll of Label Studio at {client.address}")

    def join(self, project: Polled) -> None:
        """Poll for this project too, and soon: without its webhooks nothing can be registered."""
        self.projects.add(project)
        self._joined.set()

    async def close(self) -> None:
        """Stop polling and close the connections."""
        await self._loop.close()
        await self.client.close()

    async def wait_until_started(self) -> None:
        """Wait until Label Studio may be asked at all (`LabelStudioWatch.hold`)."""
        if self._begun is not None:
            await self._begun.wait()

    def round_pause(self) -> float:
        """Seconds between two unconditional looks at one project."""
        shared = len(self.projects) * REQUESTS_PER_ROUND / ROUND_REQUESTS_PER_SECOND
        return max(self._pace.scan, shared) * random.uniform(0.9, 1.0)  # noqa: S311 - jitter

    async def _run(self) -> None:
        await self.wait_until_started()
        while True:
            await asyncio.sleep(0)  # projects made in the same turn are in the first poll
            self._joined.clear()
            await self._poll()
            await self._rest(max(self._pause() * random.uniform(0.9, 1.0), self._left_alone))  # noqa: S311 - jitter

    async def _rest(self, pause: float) -> None:
        """Until the next poll is due, or a project has joined; one that does not answer is left alone all the same."""
        soonest = pause if self._failures else min(JOIN_PAUSE, pause)
        await asyncio.sleep(soonest)
        await wait_for_event(self._joined, pause - soonest)

    def _pause(self) -> float:
        return float(self._pace.poll * min(2 ** max(self._failures - 1, 0), SLOWEST_POLL))

    async def _poll(self) -> None:
        if not self.projects:
            return
        self._left_alone = 0.0
        try:
            async with asyncio.timeout(POLL_DEADLINE):
                counters = await self.client.run(library.counters({project.project_id for project in self.projects}))
                webhooks = await self.client.run(library.webhooks(None))
                described = await self._describe()
        except library.Unreachable as error:
            self._failures += 1
            self._left_alone = error.retry_after
            self._report_error(problem(error))
        except TimeoutError:
            self._failures += 1
            self._report_error(timed_out("the poll", self.client.address, POLL_DEADLINE))
        except library.LabelStudioError as error:
            self._failures = 0
            self._report_error(problem(error))
        else:
            self._failures = 0
            self.problem = None
            hooks = _by_project(webhooks)
            for project in tuple(self.projects):
                mine = [*hooks.get(None, ()), *hooks.get(project.project_id, ())]
                project.on_poll(counters.get(project.project_id), mine)
                await asyncio.sleep(0)  # a thousand of them in one go would hold up every reconcile
            for project in tuple(self.projects):
                if project.project_id in described:
                    project.on_project(described[project.project_id])

    async def _describe(self) -> dict[int, library.Project]:
        """The projects themselves, once in an unconditional interval: a webhook that reported a change may be lost."""
        now = asyncio.get_running_loop().time()
        if now - self._described_at < self._pace.scan:
            return {}
        self.release = await self.client.run(library.release()) or self.release
        found = await self.client.run(library.projects({project.project_id for project in self.projects}))
        self._described_at = now
        return found

    def _report_error(self, trouble: Problem) -> None:
        self.problem = trouble
        for project in tuple(self.projects):
            project.on_poll_error(trouble)


def _by_project(webhooks: Iterable[library.Webhook]) -> Mapping[int | None, Sequence[library.Webhook]]:
    """With a thousand projects, having each look at the webhooks of all would be a million looks at every poll."""
    found: dict[int | None, list[library.Webhook]] = defaultdict(list)
    for hook in webhooks:
        found[hook.project].append(hook)
    return found
