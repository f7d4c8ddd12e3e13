"""Leader election on a Lease. Ours, since the official client's lock cannot create its Lease and does not stop at once.

The leader remembers the time *before* each renewal request, and `valid()` - asked before every write - is false ten
seconds later: a process that was frozen does nothing when it thaws. Replacing carries the resource version: of two
candidates, one wins. The rules themselves stand in `lease`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

from labelloop_operator.kubernetes import lease
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import LEASE

_LOG = logging.getLogger(__name__)

RETRY_PERIOD = 2.0
"""Seconds between two renewals."""
CANDIDATE_PERIOD = 1.0
"""Seconds between two looks of one who waits: a Lease that is given up is taken within that time."""
CALL_TIMEOUT = 5.0


class Leader:
    """One replica's part in the election. `address`: where others reach its HTTP port; `asked` gets each attempt
    whether the API server answered."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float] = monotonic,
        address: str = "",
        asked: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._kubernetes = kubernetes
        self._place = (namespace, name)
        self._identity = identity
        self._clock = clock
        self._address = address
        self._asked = asked
        self._renewed: float | None = None
        self._term: int | None = None
        self._observation: lease.Observation | None = None
        self._leader_address = ""

    def is_leader(self) -> bool:
        """Whether we lead for sure at this moment."""
        return self._renewed is not None and self._clock() - self._renewed < lease.RENEW_DEADLINE

    def lost(self) -> bool:
        """Whether we led and cannot be sure of it any more: from here on nothing may be written at all."""
        return self._renewed is not None and not self.is_leader()

    def leader_address(self) -> str:
        """The address of the replica that led when we last looked; empty when we lead or none is known."""
        return "" if self._renewed is not None else self._leader_address

    async def acquire(self) -> None:
        """Return once we lead; errors of the API server are waited out."""
        while not await self._attempt():  # noqa: ASYNC110 - the Lease is asked, there is no event
            await asyncio.sleep(CANDIDATE_PERIOD)
        _LOG.info("leading as %s", self._identity)

    async def renew_until_lost(self) -> None:
        """Renew until the lease is lost; then return, and the process must end.

        After a pause that was too long it continues only if nobody else led meanwhile.
        """
        while True:
            await asyncio.sleep(RETRY_PERIOD)
            if not await self._attempt() and not self.is_leader():
                break
        _LOG.error("the lease %s/%s is lost", *self._place)

    async def release(self) -> None:
        """Give the lease up, so that the next one need not wait for it to expire."""
        if not self.is_leader():
            return
        self._renewed = None
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                live = await self._kubernetes.get(LEASE, *self._place)
                if live is not None and lease.holder(live) == self._identity:
                    await self._kubernetes.replace(LEASE, lease.released(live))
        except (ApiError, TimeoutError) as error:
            _LOG.warning("the lease %s/%s was not released: %s", *self._place, error)

    async def _attempt(self) -> bool:
        before = self._clock()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                took = await self._take()
        except (ApiError, TimeoutError) as error:
            self._asked(isinstance(error, ApiError) and 0 < error.status < 500)
            _LOG.warning("the lease %s/%s: %s", *self._place, error or "no answer in time")
            return False
        self._asked(True)
        if took:
            self._renewed = before
        return took

    async def _take(self) -> bool:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        live = await self._kubernetes.get(LEASE, *self._place)
        if not self._may_take(live):
            return False
        wanted = lease.acquired(live, self._place, self._identity, self._address, now)
        self._term = lease.term(wanted)
        if live is None:
            await self._kubernetes.create(LEASE, wanted)
        else:
            await self._kubernetes.replace(LEASE, wanted)
        return True

    def _may_take(self, live: lease.Object | None) -> bool:
        if self._renewed is not None:
            return live is not None and lease.holder(live) == self._identity and lease.term(live) == self._term
        if live is None:
            return True
        self._observation = lease.observe(self._observation, live, self._clock())
        self._leader_address = lease.address(live) if lease.holder(live) else ""
        return lease.may_take(live, self._identity, self._observation, self._clock())
