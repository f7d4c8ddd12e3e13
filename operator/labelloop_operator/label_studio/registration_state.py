"""What is in Label Studio about one project - ML backends and webhooks - and how it is changed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from labelloop import label_studio as library
from labelloop_operator.api.label_studio_objects import (
    CONNECTED,
    RegisteredBackend,
    RegisteredWebhook,
    ShownPredictions,
)
from labelloop_operator.api.spec import Problem
from labelloop_operator.label_studio import registration_operations
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.facts import backend_facts, problem, webhook_facts
from labelloop_operator.label_studio.leadership_guard import require_leadership
from labelloop_operator.label_studio.project_ref import Key, LabelStudioAction, PollIntervals, ProjectRef
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.planning.actions import Deregister, EnsureBackend, EnsureWebhook

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class RegistrationState:
    """As it was read last, or as our own newest change left it."""

    def __init__(
        self, key: Key, target: ProjectRef, client: LabelStudio, may_write: Callable[[], bool], pace: PollIntervals
    ) -> None:
        self._key = key
        self._pace = pace
        self._target = target
        self._client = client
        self._may_write = may_write
        self.backends: tuple[RegisteredBackend, ...] | None = None
        """All of the project; None: not read yet."""
        self.webhooks: tuple[RegisteredWebhook, ...] | None = None
        self.selection: library.Selection | None = None
        """Which predictions the project shows; None: not read yet."""
        self.stale = False
        """Somebody else connected or removed a backend: which one is the first must be read again."""
        self._others: frozenset[tuple[int, str]] | None = None
        self.problem: Problem | None = None
        """Why the backends cannot be read."""
        self._failures = 0
        self._again_at = 0.0

    @property
    def known(self) -> bool:
        """Everything was read."""
        return self.backends is not None and self.webhooks is not None

    @property
    def disconnected(self) -> int | None:
        """Our backend, when Label Studio could not reach it the last time we asked: then every poll asks again."""
        return next((item.id for item in self.backends or () if item.ours and item.state != CONNECTED), None)

    @property
    def shown(self) -> ShownPredictions | None:
        """Which predictions annotators get, as seen from our backend; None: not known."""
        ours = next((item for item in self.backends or () if item.ours), None)
        if ours is None or self.selection is None:
            return None
        others = [item.title for item in self.backends or () if not item.ours]
        state = library.prelabeling(self.selection, ours.title, others)
        return ShownPredictions(state.value, self.selection.version)

    def differs(self, counters: library.Counters) -> bool:
        """Whether the project shows annotators something else than was read last."""
        known = self.selection
        return known is not None and (known.version, known.enabled) != (
            counters.model_version,
            counters.shows_predictions,
        )

    @property
    def retry_due(self) -> bool:
        """The backends could not be read, and are to be asked for again."""
        return self.problem is not None and asyncio.get_running_loop().time() >= self._again_at

    def update_webhooks(self, webhooks: Sequence[library.Webhook]) -> None:
        """The webhooks of the project and of the whole organisation, as the poll read them."""
        self.webhooks = webhook_facts(webhooks, self._target.owner, self._target.webhook_secret)
        # A backend comes and goes with its webhook, which costs nothing to look at.
        others = frozenset((hook.id, hook.url) for hook in webhooks if not self._target.owner.owns_webhook(hook))
        self.stale = self.stale or self._others not in (None, others)
        self._others = others

    async def read(self) -> None:
        """A foreign backend that answers nonsense makes Label Studio fail here: counting must go on all the same."""
        self.stale = False
        try:
            found = await self._client.run(library.backends(self._target.owner.project))
        except library.Rejected as error:
            self.problem = problem(error)
            pause = min(self._pace.poll * 2.0 ** min(self._failures, 10), self._pace.scan)
            self._again_at = asyncio.get_running_loop().time() + pause
            self._failures += 1
        else:
            self.problem = None
            self._failures = 0
            self.backends = backend_facts(found, self._target.owner)

    async def describe(self, project: library.Project) -> None:
        """The project as it was just read."""
        known = self.selection
        if known is not None and known.version and not project.model_version:
            self.stale = True  # Label Studio clears it when the backend of that title is removed
        if known is not None and known.stored and known.version == project.model_version:
            self.selection = library.selected(project, stored=True)  # counting them costs more than it tells
        else:
            self.selection = await self._client.run(library.selection(project))

    async def read_one(self, backend_id: int) -> None:
        """Only this one, since Label Studio calls each backend it is asked about."""
        try:
            found = await self._client.run(library.backend(backend_id))
        except library.NotFound:
            self.backends = None
        else:
            self._merge(backend_facts([found], self._target.owner), removed=())

    async def write(self, action: LabelStudioAction) -> None:
        """Run one action to its end; the facts then show what Label Studio holds."""
        owner = self._target.owner
        if isinstance(action, EnsureWebhook):
            hooks = await self._change(
                registration_operations.ensure_webhook(owner, action.secret, action.webhook_id, action.remove)
            )
            self.webhooks = webhook_facts(hooks, owner, self._target.webhook_secret)
        elif isinstance(action, EnsureBackend):
            found, selection = await self._change(
                registration_operations.ensure_backend(
                    owner,
                    action.title,
                    action.backend_id,
                    action.extra_params,
                    action.basic_auth,
                    action.remove,
                    action.other_titles if action.select else None,
                )
            )
            self.selection = selection or self.selection
            if action.backend_id not in {item.id for item in found}:
                self.backends = None  # the answer is a complete list
            self._merge(backend_facts(found, owner), action.remove)
        elif isinstance(action, Deregister):
            await self._change(registration_operations.deregister(owner))
            self.backends = tuple(item for item in self.backends or () if not item.ours)
            self.webhooks = ()
        _LOG.info("%s done", type(action).__name__, extra=resource_fields(self._key))

    async def _change(self, operation: library.Operation[T]) -> T:
        return await self._client.run(require_leadership(operation, self._may_write))

    def _merge(self, found: tuple[RegisteredBackend, ...], removed: Sequence[int]) -> None:
        """An answer about one backend: the others stay as they were."""
        gone = {*removed, *(item.id for item in found)}
        kept = (item for item in self.backends or () if item.id not in gone)
        self.backends = tuple(sorted((*kept, *found), key=lambda item: item.id))
