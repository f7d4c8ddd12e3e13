"""Actions in Label Studio run outside the reconcile, since each may take a minute when a backend is slow.

The engine asks for an action until the facts show it as done; here it is run once, its failure kept, and run again
after a growing pause.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from labelloop.label_studio import LabelStudioError
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.kubernetes.api_errors import NotLeading
from labelloop_operator.label_studio.facts import problem, timed_out
from labelloop_operator.label_studio.project_ref import LabelStudioAction, Outcome, Progress
from labelloop_operator.planning.actions import Deregister, EnsureBackend, EnsureWebhook

_LOG = logging.getLogger(__name__)

ACTION_TIMEOUT = 120.0
DEREGISTER_TIMEOUT = 20.0
"""A deletion does not wait long: it is tried again until the time-out of the whole."""
_FIRST_PAUSE = 2.0
_MAXIMUM_PAUSE = 300.0
_DEREGISTER_PAUSE = 5.0
_REPEAT_PAUSE = 10.0
"""The same action is not run again sooner, even if Label Studio does not show the result."""
_TOLD_AS = {
    EnsureWebhook: "making the webhook",
    EnsureBackend: "connecting the ML backend",
    Deregister: "removing ML backend and webhook",
}


class ActionRunner:
    """At most one action at a time for one resource, in the Label Studio at `address`."""

    def __init__(
        self, address: str, run: Callable[[LabelStudioAction], Awaitable[None]], wake: Callable[[float], None]
    ) -> None:
        self._address = address
        self._run = run
        self._wake = wake
        self._task: asyncio.Task[None] | None = None
        self._last: LabelStudioAction | None = None
        self._failures = 0
        self._not_before = 0.0
        self.problem: Problem | None = None

    def perform(self, action: LabelStudioAction) -> Outcome:
        """Start the action unless it is under way, was just done, or failed and is not due again."""
        now = asyncio.get_running_loop().time()
        if self._task is not None:
            return Progress.WAITING
        if action != self._last:
            self._failures = 0
        elif now < self._not_before:
            if self.problem is None and isinstance(action, Deregister):
                return Progress.DONE
            self._wake(self._not_before - now)
            return self.problem or Progress.WAITING
        self._last = action
        self._task = asyncio.create_task(self._attempt(action))
        return Progress.WAITING

    async def close(self) -> None:
        """Stop what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _attempt(self, action: LabelStudioAction) -> None:
        seconds = DEREGISTER_TIMEOUT if isinstance(action, Deregister) else ACTION_TIMEOUT
        what = type(action).__name__
        try:
            async with asyncio.timeout(seconds):
                await self._run(action)
            self.problem = None
        except LabelStudioError as error:
            self.problem = problem(error)
        except TimeoutError:
            self.problem = timed_out(_TOLD_AS[type(action)], self._address, seconds)
        except NotLeading:
            self._last = None
        except Exception:
            _LOG.exception("%s", what)
            message = f"{what}: internal error, see the operator's log"
            self.problem = Problem("", "", message, Reason.LABEL_STUDIO_REJECTED)
        finally:
            self._task = None
        self._finish(action)

    def clear_failure(self) -> None:
        """Nobody asks for an action any more: a failure kept is void."""
        if self._task is None and self.problem is not None:
            self.problem = None
            self._last = None
            self._wake(0.0)

    def _finish(self, action: LabelStudioAction) -> None:
        pause = _REPEAT_PAUSE
        if self.problem is not None:
            longest = _DEREGISTER_PAUSE if isinstance(action, Deregister) else _MAXIMUM_PAUSE
            pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 10), longest) * random.uniform(0.8, 1.2)  # noqa: S311
            self._failures += 1
            _LOG.warning("%s failed: %s; again in %.0f s", type(action).__name__, self.problem, pause)
        else:
            self._failures = 0
        self._not_before = asyncio.get_running_loop().time() + pause
        self._wake(0.0)
