"""Which resource watches which project on which Label Studio; the engine's view of them all."""

import asyncio
import logging
from collections.abc import Callable

from labelloop.label_studio import AddressPolicy, Credentials
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.former_registrations import FormerRegistrations
from labelloop_operator.label_studio.project_monitor import ProjectWatch
from labelloop_operator.label_studio.project_ref import (
    Hint,
    Key,
    LabelStudioAction,
    Outcome,
    PollIntervals,
    Progress,
    ProjectRef,
    Wake,
)
from labelloop_operator.label_studio.server_poller import ServerPoller
from labelloop_operator.label_studio.supervised_task import SupervisedTask
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.planning.observed import LabelStudioFacts

_LOG = logging.getLogger(__name__)

OVERDUE = 300.0
"""Seconds without a count that was asked for, after which the resource says so."""
_INSPECTION = 30.0


class LabelStudioWatch:
    """Facts per resource, kept in memory. Resources with the same address and token share a `Server`."""

    def __init__(
        self,
        pace: PollIntervals,
        wake: Wake,
        may_write: Callable[[], bool] = lambda: True,
        observe_call: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._pace = pace
        self._wake = wake
        self._may_write = may_write
        self._observe_call = observe_call
        self._servers: dict[Credentials, ServerPoller] = {}
        self._projects: dict[Key, ProjectWatch] = {}
        self._late: set[Key] = set()
        self._inspection: SupervisedTask | None = None
        self.former = FormerRegistrations(wake, may_write, observe_call)
        self._begun = asyncio.Event()
        self._begun.set()
        self.addresses: AddressPolicy | None = None
        """Where Label Studio may be; None: anywhere. To be set before the first `observe`."""

    def hold(self) -> None:
        """Ask no Label Studio anything until `begin`."""
        self._begun.clear()

    def begin(self) -> None:
        """Ask what was held."""
        self._begun.set()

    async def observe(self, key: Key, target: ProjectRef) -> LabelStudioFacts | None:
        """Watch this project for the resource from now on; what is known of it, None when nothing was heard yet."""
        if self._inspection is None:
            self._inspection = SupervisedTask(self._inspect, "the inspection of counts")
        watch = self._projects.get(key)
        if watch is not None and _same_place(watch.target, target):
            watch.move(target.cut)
            return watch.facts
        await self.forget(key)
        server = self._servers.get(target.credentials)
        if server is None:
            client = LabelStudio(target.credentials, self._observe_call, self.addresses)
            server = self._servers[target.credentials] = ServerPoller(client, self._pace, self._may_write, self._begun)
        watch = self._projects[key] = ProjectWatch(key, target, server, self._pace, self._wake)
        server.join(watch)
        return watch.facts

    def facts(self, key: Key) -> LabelStudioFacts | None:
        """What was heard last, also when the connection Secret is gone meanwhile."""
        watch = self._projects.get(key)
        return None if watch is None else watch.facts

    def address(self, key: Key) -> str:
        """Where the resource's Label Studio was last; empty when no usable connection is known."""
        watch = self._projects.get(key)
        return "" if watch is None else watch.target.credentials.url

    def failed_at(self, key: Key) -> float | None:
        """Loop time of the newest failure; None when all is well or nothing is known."""
        watch = self._projects.get(key)
        return None if watch is None else watch.failed_at

    def perform(self, key: Key, action: LabelStudioAction) -> Outcome:
        """Have an action done in Label Studio, outside the reconcile."""
        watch = self._projects.get(key)
        return Progress.WAITING if watch is None else watch.perform(action)

    def settled(self, key: Key) -> None:
        """Nothing is to be done in Label Studio for the resource: failures kept are void."""
        watch = self._projects.get(key)
        if watch is not None:
            watch.settled()

    def hint(self, key: Key, hint: Hint) -> None:
        """A webhook of this resource's project was relayed."""
        watch = self._projects.get(key)
        if watch is not None:
            watch.hint(hint)

    def reported(self, key: Key, repeats: int) -> None:
        """The status that was written holds so many repeat edits."""
        watch = self._projects.get(key)
        if watch is not None and repeats:
            watch.reported(repeats)

    async def forget(self, key: Key) -> None:
        """Stop watching for this resource."""
        watch = self._projects.pop(key, None)
        if watch is None:
            return
        await watch.close()
        server = self._servers[watch.target.credentials]
        server.projects.discard(watch)
        if not server.projects:
            del self._servers[watch.target.credentials]
            await server.close()

    async def close(self) -> None:
        """Stop everything."""
        if self._inspection is not None:
            await self._inspection.close()
        for key in tuple(self._projects):
            await self.forget(key)
        await self.former.close()

    def overdue(self) -> int:
        """Resources whose count has been due for long."""
        return len(self._late)

    async def _inspect(self) -> None:
        """Nobody must be deaf in silence: what does not count although it should is reported, whatever the cause is."""
        while True:
            await asyncio.sleep(_INSPECTION)
            for key, watch in self._projects.items():
                late = watch.count_waits > OVERDUE
                if late == (key in self._late):
                    continue
                fields = resource_fields(key)
                if late:
                    self._late.add(key)
                    _LOG.warning("no new count for %.0f s although one is due", watch.count_waits, extra=fields)
                else:
                    self._late.discard(key)
                    _LOG.info("counted again", extra=fields)
                self._wake(key, 0.0)
            self._late &= self._projects.keys()


def _same_place(one: ProjectRef, other: ProjectRef) -> bool:
    return (one.credentials, one.owner, one.webhook_secret) == (other.credentials, other.owner, other.webhook_secret)
