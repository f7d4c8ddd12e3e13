"""Removes what resources registered in a Label Studio that they no longer belong to, outside the reconciles."""

from collections.abc import Callable
from dataclasses import dataclass

from labelloop.label_studio import AddressPolicy, Credentials
from labelloop_operator.label_studio import registration_operations
from labelloop_operator.label_studio.action_runner import ActionRunner
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.leadership_guard import require_leadership
from labelloop_operator.label_studio.project_ref import Key, LabelStudioAction, Wake
from labelloop_operator.planning.actions import Deregister
from labelloop_operator.planning.observed import FormerFacts


@dataclass
class _Departure:
    credentials: Credentials
    owner: registration_operations.Owner
    client: LabelStudio
    writes: ActionRunner
    removed: bool = False


class FormerRegistrations:
    """At most one per resource."""

    def __init__(self, wake: Wake, may_write: Callable[[], bool], observe_call: Callable[[str], None]) -> None:
        self._wake = wake
        self._may_write = may_write
        self._observe_call = observe_call
        self._departures: dict[Key, _Departure] = {}

    async def know(
        self, key: Key, credentials: Credentials, owner: registration_operations.Owner, addresses: AddressPolicy | None
    ) -> None:
        """How the former Label Studio is reached, and what is ours there; nothing is asked yet."""
        found = self._departures.get(key)
        if found is not None and found.credentials == credentials:
            return
        await self.forget(key)
        self._departures[key] = self._depart(key, credentials, owner, addresses)

    def remove(self, key: Key) -> None:
        """Begin to remove it there, or try again when it is time to."""
        found = self._departures.get(key)
        if found is not None and not found.removed:
            found.writes.perform(Deregister(found.owner.project, found.owner.url))

    def facts(self, key: Key) -> FormerFacts | None:
        """How far it is; None: nothing is known of a former registration in this life of the operator."""
        found = self._departures.get(key)
        if found is None:
            return None
        return FormerFacts(found.credentials.url, found.removed, found.writes.problem)

    async def forget(self, key: Key) -> None:
        """Nothing is to be removed any more."""
        found = self._departures.pop(key, None)
        if found is not None:
            await found.writes.close()
            await found.client.close()

    async def close(self) -> None:
        """Stop everything."""
        for key in tuple(self._departures):
            await self.forget(key)

    def _depart(
        self, key: Key, credentials: Credentials, owner: registration_operations.Owner, addresses: AddressPolicy | None
    ) -> _Departure:
        client = LabelStudio(credentials, self._observe_call, addresses)

        async def run(_: LabelStudioAction) -> None:
            await client.run(require_leadership(registration_operations.deregister(owner), self._may_write))
            departure.removed = True

        writes = ActionRunner(credentials.url, run, lambda delay: self._wake(key, delay))
        departure = _Departure(credentials, owner, client, writes)
        return departure
