"""One resource's project in Label Studio: what is known of it, and when to look again.

A hint, moved counters, a moved cut or the unconditional interval start a scan: the project, its count against the cut,
and - at first and at the unconditional ones - its ML backends, which is dear, since Label Studio calls them all for it.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from labelloop import counting
from labelloop import label_studio as library
from labelloop_operator.api.registration import CONNECTED, RegisteredBackend, RegisteredWebhook
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import Cut
from labelloop_operator.clients import registration
from labelloop_operator.clients.label_studio import LabelStudio
from labelloop_operator.core.observed import LabelStudioFacts, ProjectFacts
from labelloop_operator.core.plan import Deregister, EnsureBackend, EnsureWebhook
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.watch.facts import backend_facts, problem, project_facts, webhook_facts
from labelloop_operator.watch.guard import guarded
from labelloop_operator.watch.server import Server
from labelloop_operator.watch.tally import Tally
from labelloop_operator.watch.target import Hint, Key, LabelStudioAction, Outcome, Pace, Target, Wake
from labelloop_operator.watch.writes import Writes

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE = 0.2
"""Seconds between a hint and the scan: the hints of one burst become one scan."""
GAP = 1.0
"""Seconds between two scans at least."""
LONG_SCAN = 2.0


def pause_after(seconds: float, poll: float) -> float:
    """Seconds to leave Label Studio alone after a scan of so many: twice as long as it took when that was long, but
    not longer than a poll interval, within which moved counters are to be noticed whatever happens."""
    return GAP if seconds < LONG_SCAN else max(GAP, min(2 * seconds, poll))


class ProjectWatch:
    """Facts about one project for one resource; `wake` is called whenever they changed."""

    def __init__(self, key: Key, target: Target, server: Server, pace: Pace, wake: Wake) -> None:
        self.key = key
        self.target = target
        self.failed_at: float | None = None
        """Loop time of the newest failure, until something succeeded again."""
        self._server = server
        self._client: LabelStudio = server.client
        self._pace = pace
        self._wake_resource = wake
        self._tally = Tally(target.cut)
        self._due = asyncio.Event()
        self._problem: Problem | None = None
        self._project: ProjectFacts | None = None
        self._backends: tuple[RegisteredBackend, ...] | None = None
        self._backends_problem: Problem | None = None
        self._webhooks: tuple[RegisteredWebhook, ...] | None = None
        self._counters: library.Counters | None = None
        self._told: LabelStudioFacts | None = None
        self._writes = Writes(target.credentials.url, self._write, lambda delay: wake(key, delay))
        self._task = asyncio.create_task(self._run())

    @property
    def project_id(self) -> int:
        """The project's number."""
        return self.target.owner.project

    @property
    def facts(self) -> LabelStudioFacts | None:
        """None until anything was heard."""
        if self._problem is None and self._project is None:
            return None
        return LabelStudioFacts(
            problem=self._problem,
            registration_problem=self._writes.problem or self._backends_problem,
            project=self._project,
            pending=self._tally.facts,
            backends=self._backends or (),
            webhooks=self._webhooks or (),
            registration_known=self._backends is not None and self._webhooks is not None,
        )

    def move(self, cut: Cut) -> None:
        """Count against this cut."""
        if self._tally.move(cut):
            self._due.set()

    def hint(self, hint: Hint) -> None:
        """A webhook was relayed: look soon."""
        if hint.authenticated:
            self._tally.told(hint.annotations)
        self._due.set()

    def reported(self, repeats: int) -> None:
        """Status holds so many of the repeat edits told."""
        self._tally.reported(repeats)

    def perform(self, action: LabelStudioAction) -> Outcome:
        """Have an action done in Label Studio."""
        return self._writes.perform(action)

    def polled(self, counters: library.Counters | None, webhooks: Sequence[library.Webhook]) -> None:
        """What the server's poll told: counters of this project (None: there is no such project) and all webhooks."""
        mine = [hook for hook in webhooks if hook.project in (None, self.project_id)]
        self._webhooks = webhook_facts(mine, self.target.owner, self.target.webhook_secret)
        if self._moved(counters):
            self._due.set()
        self._counters = counters
        self._tell()

    def settled(self) -> None:
        """Nothing is to be done in Label Studio."""
        self._writes.settled()

    def _moved(self, counters: library.Counters | None) -> bool:
        """Whether the poll tells something that the newest count cannot know."""
        if self._problem is not None or counters is None or self._disconnected is not None:
            return True
        counted = self._tally.facts
        if counted is not None and counted.size != counters.size:
            return True
        return self._counters is not None and counters != self._counters

    def poll_failed(self, trouble: Problem) -> None:
        """The server gave no usable answer."""
        self._fail(trouble)

    async def close(self) -> None:
        """Stop everything for this resource."""
        self._task.cancel()
        await self._writes.close()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        everything = True
        while True:
            pause = await self._scan(everything)
            everything = False
            await asyncio.sleep(pause)
            try:
                # Jitter spreads the unconditional scans of many projects over the interval.
                async with asyncio.timeout(self._pace.scan * random.uniform(0.8, 1.0)):  # noqa: S311
                    await self._due.wait()
                await asyncio.sleep(SETTLE)
            except TimeoutError:
                everything = True

    async def _scan(self, everything: bool) -> float:
        """Look once; returns the seconds to wait before the next look at least."""
        self._due.clear()
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with self._server.scans:
                started = loop.time()
                await self._count()
                if everything or self._backends is None:
                    await self._read_backends()
                elif self._disconnected is not None:
                    await self._read_backend(self._disconnected)
            self._problem = None
            self.failed_at = None
            self._tell()
        except library.LabelStudioError as error:
            self._fail(problem(error))
            return self._pace.poll
        except Exception:
            _LOG.exception("scan of project %d", self.project_id, extra=resource_fields(self.key))
            return self._pace.poll
        return pause_after(loop.time() - started, self._pace.poll)

    async def _count(self) -> None:
        project = await self._client.run(library.project(self.project_id))
        self._project = await project_facts(project)
        self._tally.begin()
        cut = self._tally.cut
        count = await self._client.run(counting.count(self.project_id, counting.Cut(cut.updated_at, cut.size)))
        if cut != self._tally.cut:
            self._due.set()
            return
        self._tally.counted(count, datetime.now(UTC))
        if not count.settled:
            self._due.set()
        self._tell()

    async def _read_backends(self) -> None:
        """A foreign backend that answers nonsense makes Label Studio fail here: counting must go on all the same."""
        try:
            found = await self._client.run(library.backends(self.project_id))
        except library.Rejected as error:
            self._backends_problem = problem(error)
        else:
            self._backends_problem = None
            self._backends = backend_facts(found, self.target.owner)

    async def _read_backend(self, backend_id: int) -> None:
        """Only ours, since Label Studio calls each backend it is asked about."""
        try:
            found = await self._client.run(library.backend(backend_id))
        except library.NotFound:
            self._backends = None
        else:
            self._merge_backends(backend_facts([found], self.target.owner), removed=())

    @property
    def _disconnected(self) -> int | None:
        """Our backend, when Label Studio could not reach it the last time we asked: then every poll asks again."""
        return next((item.id for item in self._backends or () if item.ours and item.state != CONNECTED), None)

    async def _write(self, action: LabelStudioAction) -> None:
        """Run one action to its end; the facts then show what Label Studio holds."""
        owner = self.target.owner
        if isinstance(action, EnsureWebhook):
            hooks = await self._change(
                registration.ensure_webhook(owner, action.secret, action.webhook_id, action.remove)
            )
            self._webhooks = webhook_facts(hooks, owner, self.target.webhook_secret)
        elif isinstance(action, EnsureBackend):
            found = await self._change(
                registration.ensure_backend(
                    owner, action.title, action.backend_id, action.extra_params, action.basic_auth, action.remove
                )
            )
            if action.backend_id not in {item.id for item in found}:
                self._backends = None  # the answer is a complete list
            self._merge_backends(backend_facts(found, owner), action.remove)
        elif isinstance(action, Deregister):
            await self._change(registration.deregister(owner))
            self._backends = tuple(item for item in self._backends or () if not item.ours)
            self._webhooks = ()
        _LOG.info("%s done", type(action).__name__, extra=resource_fields(self.key))

    async def _change(self, operation: library.Operation[T]) -> T:
        return await self._client.run(guarded(operation, self._server.may_write))

    def _merge_backends(self, found: tuple[RegisteredBackend, ...], removed: Sequence[int]) -> None:
        """An answer about one backend: the others stay as they were."""
        gone = {*removed, *(item.id for item in found)}
        kept = (item for item in self._backends or () if item.id not in gone)
        self._backends = tuple(sorted((*kept, *found), key=lambda item: item.id))

    def _fail(self, trouble: Problem) -> None:
        self.failed_at = asyncio.get_running_loop().time()
        self._problem = trouble
        self._tell(always=True)

    def _tell(self, always: bool = False) -> None:
        """Wake the resource when the facts moved; after a failure always, so that its Secret is read anew."""
        facts = self.facts
        if always or facts != self._told:
            self._told = facts
            self._wake_resource(self.key, 0.0)
