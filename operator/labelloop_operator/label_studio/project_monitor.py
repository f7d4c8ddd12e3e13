"""One resource's project in Label Studio: what is known of it, and when to look again.

A hint, moved counters or a moved cut start a scan: the project and its count against the cut. Without any there is an
unconditional look each interval, since a webhook may be lost: usually one question, whether any task changed; every few
rounds also for the ML backends, which is dear, since Label Studio calls them all for it, and for a whole count.

A count that was asked for lists what has changed since the last one against the same cut; the unconditional look, and
what follows a failure, lists everything since the cut, and so finds what became visible too late for the others.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from labelloop import label_studio as library
from labelloop.counting import updates
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import Cut
from labelloop_operator.label_studio.action_runner import ActionRunner
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.count_request import CountRequest
from labelloop_operator.label_studio.facts import problem, project_facts, timed_out
from labelloop_operator.label_studio.project_ref import (
    Hint,
    Key,
    LabelStudioAction,
    Outcome,
    PollIntervals,
    ProjectRef,
    Wake,
)
from labelloop_operator.label_studio.registration_state import RegistrationState
from labelloop_operator.label_studio.server_poller import ServerPoller
from labelloop_operator.label_studio.supervised_task import SupervisedTask, wait_for_event
from labelloop_operator.label_studio.update_counter import UpdateCounter
from labelloop_operator.label_studio.visibility_watermark import VisibilityWatermark
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.planning.observed import LabelStudioFacts, ProjectFacts

_LOG = logging.getLogger(__name__)

SETTLE = 0.2
"""Seconds between a hint and the scan: the hints of one burst become one scan."""
GAP = 1.0
"""Seconds between two scans at least."""
LONG_SCAN = 10.0
"""A Label Studio that is being annotated in takes some seconds for the few requests of a usual scan (measured: 3.6 s
while 20 annotations were submitted); what takes longer than this is a large project."""
SCAN_DEADLINE = 900.0
"""Seconds for all requests of one scan: of a project with a million annotations it takes minutes."""
LONGEST_PAUSE = 600.0
"""Seconds to the next scan after several failed in a row."""
BACKEND_ROUNDS = 4
"""Every so many unconditional looks the ML backends are read."""
COUNT_ROUNDS = 8
"""Every so many unconditional looks everything is counted, whether or not a task seems to have changed."""


def pause_after(seconds: float, poll: float) -> float:
    """Seconds to leave Label Studio alone before a scan that will take so many: twice as long when that is long, but
    not longer than a poll interval, within which moved counters are to be noticed whatever happens."""
    return GAP if seconds < LONG_SCAN else max(GAP, min(2 * seconds, poll))


class ProjectWatch:
    """Facts about one project for one resource; `wake` is called whenever they changed."""

    def __init__(self, key: Key, target: ProjectRef, server: ServerPoller, pace: PollIntervals, wake: Wake) -> None:
        self.key = key
        self.target = target
        self.failed_at: float | None = None
        """Loop time of the newest failure, until something succeeded again."""
        self._server = server
        self._client: LabelStudio = server.client
        self._pace = pace
        self._wake_resource = wake
        self._counter = UpdateCounter(target.cut)
        self._watermark = VisibilityWatermark()
        self._count_request = CountRequest()
        self._problem: Problem | None = None
        self._poll_problem: Problem | None = None
        self._failures = 0
        # Projects that were found together at a start are to be looked at one after another later on.
        self._round = random.randrange(BACKEND_ROUNDS * COUNT_ROUNDS)  # noqa: S311
        self._phase = random.random()  # noqa: S311
        self._newest: datetime | None = None
        """When the task that changed last did so, as of the newest unconditional count."""
        self._project: ProjectFacts | None = None
        self._registration = RegistrationState(key, target, server.client, server.may_write, pace)
        self._counters: library.Counters | None = None
        self._told: LabelStudioFacts | None = None
        self._recovered = asyncio.Event()
        self._actions = ActionRunner(target.credentials.url, self._registration.write, lambda delay: wake(key, delay))
        self._count_request.ask()
        self._loop = SupervisedTask(self._run, f"the watch of project {self.project_id}", resource_fields(key))

    @property
    def project_id(self) -> int:
        """The project's number."""
        return self.target.owner.project

    @property
    def facts(self) -> LabelStudioFacts | None:
        """None until anything was heard."""
        trouble = self._problem or self._poll_problem
        if trouble is None and self._project is None:
            return None
        return LabelStudioFacts(
            problem=trouble,
            registration_problem=self._actions.problem or self._registration.problem,
            project=self._project,
            pending=self._counter.facts,
            backends=self._registration.backends or (),
            webhooks=self._registration.webhooks or (),
            shown=self._registration.shown,
            release=self._server.release,
            registration_known=self._registration.known,
            count_waits=self._count_request.overdue_seconds,
        )

    @property
    def count_waits(self) -> float:
        """Seconds for which a count has been due that has not succeeded; 0: none is due."""
        return self._count_request.overdue_seconds

    def move(self, cut: Cut) -> None:
        """Count against this cut."""
        if self._counter.reset(cut):
            self._count_request.ask()

    def hint(self, hint: Hint) -> None:
        """A webhook was relayed: look soon."""
        if hint.authenticated:
            self._counter.record_webhook(hint.annotations)
        self._count_request.ask()

    def reported(self, repeats: int) -> None:
        """Status holds so many of the repeat edits reported."""
        self._counter.acknowledge_repeats(repeats)

    def perform(self, action: LabelStudioAction) -> Outcome:
        """Have an action done in Label Studio."""
        return self._actions.perform(action)

    def on_poll(self, counters: library.Counters | None, webhooks: Sequence[library.Webhook]) -> None:
        """What the server's poll reported: counters of this project (None: there is no such project) and webhooks."""
        self._registration.update_webhooks(webhooks)
        if self._poll_problem is not None or (self._counters is None and counters is not None):
            self._recovered.set()
        self._poll_problem = None
        if self._problem is None:
            self.failed_at = None
        if self._moved(counters):
            self._count_request.ask()
        self._counters = counters
        self._notify()

    def on_project(self, project: library.Project) -> None:
        """What the server's poll reported about the project itself: a change of it is looked into."""
        known = self._project
        if known is not None and (known.label_config, known.title) != (project.label_config, project.title):
            self._count_request.ask()

    def settled(self) -> None:
        """Nothing is to be done in Label Studio."""
        self._actions.clear_failure()

    def _moved(self, counters: library.Counters | None) -> bool:
        """Whether the poll tells something that the newest count cannot know."""
        if self._problem is not None or counters is None or self._registration.disconnected is not None:
            return True
        if self._registration.stale or self._registration.retry_due or self._registration.differs(counters):
            return True
        counted = self._counter.facts
        if counted is not None and counted.size != counters.size:
            return True
        return self._counters is not None and counters != self._counters

    def on_poll_error(self, trouble: Problem) -> None:
        """The server gave no usable answer."""
        self._poll_problem = trouble
        self._failed()

    async def close(self) -> None:
        """Stop everything for this resource."""
        await self._actions.close()
        await self._loop.close()

    async def _run(self) -> None:
        unconditional = False
        while True:
            self._recovered.clear()
            pause = await self._scan(unconditional)
            await wait_for_event(self._recovered, pause)
            unconditional = not await wait_for_event(
                self._count_request.asked, self._server.round_pause() * self._phase
            )
            self._phase = 1.0
            if not unconditional:
                await asyncio.sleep(SETTLE)

    async def _scan(self, unconditional: bool) -> float:
        """Look once; returns the seconds to wait before the next look at least."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        repeated = 1.0
        succeeded = False
        await self._server.wait_until_started()
        try:
            async with self._server.scans:
                if self._server.problem is not None:  # its poll tells when it can be asked again
                    return self._pace.poll
                asked = self._count_request.begin()
                started = loop.time()
                async with asyncio.timeout(SCAN_DEADLINE):
                    repeated = await (self._look_round(asked) if unconditional else self._look())
            succeeded = True
            self._problem = None
            self._failures = 0
            self.failed_at = None
            self._notify()
        except library.LabelStudioError as error:
            return self._fail(problem(error))
        except TimeoutError:
            what = f"counting the annotation updates of project {self.project_id}"
            return self._fail(timed_out(what, self._client.address, SCAN_DEADLINE))
        except Exception:
            _LOG.exception("scan of project %d", self.project_id, extra=resource_fields(self.key))
            self._counter.invalidate()
            return self._pace.poll
        finally:
            self._count_request.end(succeeded)
        return pause_after((loop.time() - started) * repeated, self._pace.poll)

    async def _look(self) -> float:
        """What somebody asked for; returns what the next one is expected to cost, as a share of what this one did."""
        await self._describe()
        newest = await self._newest_change()
        repeated = await self._count()
        self._newest = self._newest or newest
        if self._registration.backends is None or self._registration.stale or self._registration.retry_due:
            await self._registration.read()
        elif self._registration.disconnected is not None:
            await self._registration.read_one(self._registration.disconnected)
        return repeated

    async def _look_round(self, asked: bool) -> float:
        """The unconditional look; returns as `_look`. What is seen to have changed is counted; a change committed
        late, with a time that another one has passed already, is found by the count every few rounds."""
        self._round += 1
        repeated = 1.0
        newest = await self._newest_change()
        if asked or newest != self._newest or self._round % COUNT_ROUNDS == 0:
            await self._describe()
            self._counter.invalidate()
            repeated = await self._count()
            self._newest = newest
        if self._registration.backends is None or self._round % BACKEND_ROUNDS == 0:
            await self._registration.read()
        return repeated

    async def _describe(self) -> None:
        project = await self._client.run(library.project(self.project_id))
        self._project = await project_facts(project)
        await self._registration.describe(project)

    async def _newest_change(self) -> datetime | None:
        newest = await self._client.run(library.newest_change(self.project_id))
        self._watermark.observe(newest, asyncio.get_running_loop().time())
        return newest

    async def _count(self) -> float:
        """Count; returns as `_look`."""
        self._counter.begin()
        cut = self._counter.cut
        against = updates.Cut(cut.updated_at, cut.size)
        counted = updates.count(self.project_id, against, self._counter.kept, self._watermark.safe_until)
        count = await self._client.run(counted)
        if cut != self._counter.cut:
            self._count_request.ask()
            return 1.0
        self._counter.counted(count, datetime.now(UTC))
        if not count.settled:
            self._count_request.ask()
        self._notify()
        return count.repeated

    def _fail(self, trouble: Problem) -> float:
        """A scan failed; returns the seconds to the next one at least."""
        self._problem = trouble
        self._failures += 1
        self._failed()
        return min(self._pace.poll * 2.0 ** min(self._failures - 1, 10), max(LONGEST_PAUSE, self._pace.poll))

    def _failed(self) -> None:
        self.failed_at = asyncio.get_running_loop().time()
        self._counter.invalidate()  # whatever was fixed meanwhile, perhaps from a backup
        self._notify(always=True)

    def _notify(self, always: bool = False) -> None:
        """Wake the resource when the facts moved; after a failure always, so that its Secret is read again."""
        facts = self.facts
        if always or facts != self._told:
            self._told = facts
            self._wake_resource(self.key, 0.0)
