"""Whether Label Studio was heard in this life of the operator.

Until then a status on record stays: a restart must not show every resource as connecting. But not for ever: a silence
that lasts is something to tell.
"""

import logging
from datetime import datetime

from labelloop_operator.kubernetes.cache import Key
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.planning.observed import LabelStudioFacts, Observed

_LOG = logging.getLogger(__name__)

PATIENCE = 90.0
"""Seconds for which nothing need be heard: each single request to Label Studio ends, well or badly, within 30."""


class StartupGrace:
    """Of all resources."""

    def __init__(self) -> None:
        self._heard: set[Key] = set()
        self._since: dict[Key, datetime] = {}

    def may_report(self, key: Key, observed: Observed, now: datetime) -> bool:
        """Whether Label Studio answered or failed to, or has been silent for too long, or is not expected to speak."""
        resource, facts = observed.resource, observed.label_studio
        if key not in self._heard and resource.status.observed_generation == resource.generation:
            expected = (
                resource.spec is not None and not observed.connection.problem and not resource.deletion_requested_at
            )
            if expected and not (facts and _is_answer(facts)):
                since = self._since.setdefault(key, now)
                if (now - since).total_seconds() < PATIENCE:
                    return False
                message = "nothing was heard from Label Studio for %.0f s: its status is reported as unknown"
                _LOG.warning(message, (now - since).total_seconds(), extra=resource_fields(key))
        self._heard.add(key)
        self._since.pop(key, None)
        return True

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._heard.discard(key)
        self._since.pop(key, None)


def _is_answer(facts: LabelStudioFacts) -> bool:
    """Everything was read once, or it is known why not."""
    return bool(facts.problem or facts.registration_problem or (facts.registration_known and facts.pending))
