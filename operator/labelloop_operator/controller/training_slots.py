"""How many trainings run next to a resource's own, counted so that two reconciles at once never take the same place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labelloop_operator.api import names
from labelloop_operator.kubernetes.cache import Cache, Key, owner_key
from labelloop_operator.kubernetes.kinds import JOB
from labelloop_operator.kubernetes.pods import finished
from labelloop_operator.planning.children import job_component
from labelloop_operator.planning.observed import OtherTrainings


class TrainingSlots:
    """Counts unfinished Jobs in the cache, and those that a reconcile is about to create.

    Nothing is kept: after a restart the Jobs in the cluster are all there is to count. A resource whose Label Studio
    is not known yet in this process counts for every server, so a restart lets too few start, never too many.
    """

    def __init__(self, cache: Cache, address: Callable[[Key], str]) -> None:
        self._cache = cache
        self._address = address
        self._starting: set[Key] = set()

    def beside(self, key: Key) -> OtherTrainings:
        """Trainings of other resources in the same namespace, and with the same Label Studio."""
        running = [job for job in self._cache.all(JOB) if not finished(job)]
        predicting = [job for job in running if job_component(job) == names.COMPONENT_PREDICTION]
        busy = {owner_key(JOB, job) for job in running if job not in predicting} | self._starting
        ours = self._address(key)
        return OtherTrainings(
            in_namespace=sum(other[0] == key[0] for other in busy - {key}),
            with_label_studio=sum(self._address(other) in ("", ours) for other in busy - {key}),
            predicting=sum(
                self._address(other) in ("", ours) for other in {owner_key(JOB, job) for job in predicting} - {key}
            ),
        )

    @contextmanager
    def starting(self, key: Key) -> Iterator[None]:
        """While a Job of the resource is created: it counts before the cache shows it."""
        self._starting.add(key)
        try:
            yield
        finally:
            self._starting.discard(key)
