"""One reconcile: gather, plan, execute, write the status. The engine decides nothing but what an error means."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from labelloop_operator.api.conditions import ConditionType, Reason, condition
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import Status
from labelloop_operator.api.times import parse_time
from labelloop_operator.controller.executor import ConflictFound, Executor, KubernetesAction, ResourceHandle, handle_for
from labelloop_operator.controller.gatherer import Gatherer, needs_pods
from labelloop_operator.controller.reconcile_requests import ReconcileRequests
from labelloop_operator.controller.service_probes import ServiceProbes
from labelloop_operator.controller.startup_grace import StartupGrace
from labelloop_operator.controller.training_slots import TrainingSlots
from labelloop_operator.controller.workqueue import WorkQueue
from labelloop_operator.kubernetes.api_error_messages import describe_action, explain_api_error
from labelloop_operator.kubernetes.api_errors import ApiError, NotLeading, Severity
from labelloop_operator.kubernetes.cache import Cache, Key
from labelloop_operator.kubernetes.event_recorder import Events
from labelloop_operator.label_studio.project_ref import Progress
from labelloop_operator.label_studio.watch import LabelStudioWatch
from labelloop_operator.ops import status_metrics
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.ops.metrics import Metrics
from labelloop_operator.planning.actions import (
    Action,
    Create,
    Deregister,
    DeregisterFormer,
    Emit,
    EnsureBackend,
    EnsureWebhook,
    Plan,
    ProbeService,
    RemoveImages,
    SetFinalizer,
    TagPromoted,
)
from labelloop_operator.planning.internal_error import internal_error_status
from labelloop_operator.planning.observed import Conflict, Manifest, Observed
from labelloop_operator.planning.plan import plan
from labelloop_operator.registry.worker import RegistryWork

_LOG = logging.getLogger(__name__)

INVALID_PAUSE = 300.0
"""Seconds after which what waits for a person is tried all the same."""
CONFLICT_PAUSE = 30.0
SECRET_PAUSE = 15.0
"""Secrets are not watched: a missing one is looked for this often."""
PODS_PAUSE = 10.0
"""While a Deployment or Job is not done, its pods are looked at this often: their troubles cause no event of ours."""
WAITING_PAUSE = 2.0
LEASE_PAUSE = 1.0
"""After a write that was refused for want of the lease: it may be renewed in time, and then nobody else would go on."""
RECONCILE_DEADLINE = 240.0
"""Seconds for one reconcile, below what liveness allows: each call in it has a shorter one of its own."""
CONNECTING_PAUSE = 5.0
_REPLANS = 4
"""Conflicts found one after another in one reconcile."""
_LABEL_STUDIO = (EnsureWebhook, EnsureBackend, Deregister)


class Reconciler:
    """Reconciles resources by key."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        cache: Cache,
        gatherer: Gatherer,
        executor: Executor,
        watch: LabelStudioWatch,
        events: Events,
        metrics: Metrics,
        slots: TrainingSlots,
        registry: RegistryWork,
        probes: ServiceProbes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._queue = queue
        self._cache = cache
        self._gatherer = gatherer
        self._executor = executor
        self._watch = watch
        self._events = events
        self._metrics = metrics
        self._slots = slots
        self._registry = registry
        self._probes = probes
        self._clock = clock
        self._conflicts: dict[Key, frozenset[Conflict]] = {}
        self._startup_grace = StartupGrace()
        self._requests = ReconcileRequests(self._startup_grace, executor, gatherer)

    async def work(self) -> None:
        """Work off the queue until cancelled."""
        while True:
            key = await self._queue.get()
            try:
                with self._metrics.reconcile_seconds.time():
                    result = await self.reconcile(key)
                self._metrics.reconciles.labels(result).inc()
            finally:
                self._queue.done(key)

    async def reconcile(self, key: Key) -> str:
        """Bring one resource where it should be, and say when to look again; returns the result's name for metrics."""
        try:
            async with asyncio.timeout(RECONCILE_DEADLINE):
                pause = await self._reconcile(key)
        except NotLeading:
            self._queue.add(key, LEASE_PAUSE)
            return "not_leading"
        except ApiError as error:
            return self._put_off(key, error)
        except Exception as error:
            delay = self._queue.retry(key)
            _LOG.exception("reconcile failed; again in %.0f s", delay, extra=resource_fields(key))
            await self._report_internal_error(key, error)
            return Severity.BUG.value
        self._queue.forget(key)
        if pause is not None:
            self._queue.add(key, pause)
        return "success"

    def _put_off(self, key: Key, error: ApiError) -> str:
        fields = resource_fields(key)
        if error.severity is Severity.INVALID:
            self._queue.add(key, INVALID_PAUSE)
            _LOG.warning("%s; waits for a change", error, extra=fields)
        elif error.severity is Severity.BUG:
            delay = self._queue.retry(key)
            _LOG.error("%s; again in %.0f s", error, delay, extra=fields, exc_info=error)
        else:
            delay = self._queue.retry(key, error.retry_after)
            _LOG.info("%s; again in %.0f s", error, delay, extra=fields)
        return error.severity.value

    async def _reconcile(self, key: Key) -> float | None:
        """Seconds until the next look, or None when only an event can change anything."""
        item = self._cache.resource(key)
        if item is None:
            await self._forget(key)
            return None
        await self._requests.handle(key, item)
        await self._recheck_conflicts(key, item["metadata"]["uid"])
        observed = await self._gatherer.gather(key, item, self._conflicts.get(key, frozenset()))
        subject = handle_for(item)
        planned, waiting = await self._execute(key, subject, observed)
        if not self._startup_grace.may_report(key, observed, self._clock()):
            return CONNECTING_PAUSE
        if waiting or not _released(planned):
            await self._write_status(key, subject, observed, planned.status)
        for event in planned.events:
            await self._emit(subject, event)
        if not any(isinstance(action, _LABEL_STUDIO) for action in planned.actions):
            self._watch.settled(key)
        return self._next_look(key, observed, planned, waiting)

    async def _execute(self, key: Key, subject: ResourceHandle, observed: Observed) -> tuple[Plan, bool]:
        """Plan and act; a foreign object found on the way is planned around. True: Label Studio is still at it."""
        for _ in range(_REPLANS):
            # No await between counting the other trainings and claiming a place next to them.
            disputed = self._executor.disputed(key)
            observed = replace(observed, other_trainings=self._slots.beside(key), disputed=disputed)
            planned = plan(observed, self._clock())
            trains = any(isinstance(action, Create) for action in planned.actions)
            try:
                with self._slots.starting(key) if trains else nullcontext():
                    return planned, await self._act(key, subject, planned.actions)
            except ConflictFound as found:
                known = self._conflicts[key] = self._conflicts.get(key, frozenset()) | {found.conflict}
                observed = replace(observed, conflicts=tuple(sorted(known, key=lambda item: (item.kind, item.name))))
            except _Refused as refused:
                await self._report_refusal(key, subject, observed, refused.problem)
                raise refused.error from None
        return planned, False

    async def _act(self, key: Key, subject: ResourceHandle, actions: tuple[Action, ...]) -> bool:
        for action in actions:
            if isinstance(action, Emit):
                await self._emit(subject, action)
            elif isinstance(action, _LABEL_STUDIO):
                if self._watch.perform(key, action) is not Progress.DONE:
                    return True
            elif isinstance(action, TagPromoted | RemoveImages):
                self._registry.perform(key, action)
            elif isinstance(action, DeregisterFormer):
                self._watch.former.remove(key)
            elif isinstance(action, ProbeService):
                self._probes.perform(key, action)
            else:
                await self._change(subject, action)
        return False

    async def _change(self, subject: ResourceHandle, action: KubernetesAction) -> None:
        """One action on the Kubernetes API. Raises _Refused when the answer names something a person must fix."""
        try:
            repaired = await self._executor.run(subject, action)
        except ApiError as error:
            trouble = explain_api_error(error, describe_action(action))
            if trouble is None:
                raise
            raise _Refused(error, trouble) from error
        if repaired is not None:
            await self._emit(subject, repaired)

    async def _report_refusal(self, key: Key, subject: ResourceHandle, observed: Observed, trouble: Problem) -> None:
        """A person must act: a plan that knows the refusal has no actions, and tells it in its status."""
        planned = plan(replace(observed, last_error=trouble), self._clock())
        await self._write_status(key, subject, observed, planned.status)
        for event in planned.events:
            await self._emit(subject, event)

    async def _report_internal_error(self, key: Key, error: Exception) -> None:
        """A fault of ours must not look like a resource at rest."""
        item = self._cache.resource(key)
        if item is None:
            return
        before = Status.from_dict(item.get("status"))
        status = internal_error_status(before, item["metadata"].get("generation", 0), error, self._clock())
        if status == before:
            return
        subject = handle_for(item)
        try:
            await self._executor.write_status(subject, status.to_dict())
        except (ApiError, NotLeading) as refused:
            _LOG.info("the condition was not written: %s", refused, extra=resource_fields(key))
            return
        told = condition(status.conditions, ConditionType.READY)
        await self._emit(subject, Emit("Warning", Reason.INTERNAL_ERROR, told.message if told else ""))

    async def _write_status(self, key: Key, subject: ResourceHandle, observed: Observed, status: Status) -> None:
        before = observed.resource.status
        status_metrics.set_gauges(self._metrics, *key, status)
        if status == before:
            return
        try:
            await self._executor.write_status(subject, status.to_dict())
        except ApiError as error:
            if error.status != 404:
                raise
            return
        facts = observed.label_studio
        if facts is not None and facts.pending is not None:
            self._watch.reported(key, facts.pending.repeat_edits_seen)
        began = (_began(job) for job in observed.children.jobs if job["metadata"]["name"] == status.training.job)
        status_metrics.count_transitions(self._metrics, before, status, next(began, None))

    async def _emit(self, subject: ResourceHandle, event: Emit) -> None:
        metadata = {"namespace": subject.namespace, "name": subject.name, "uid": subject.uid}
        fields = resource_fields((subject.namespace, subject.name))
        level = logging.WARNING if event.type == "Warning" else logging.INFO
        _LOG.log(level, "%s: %s", event.reason, event.note, extra=fields)
        if event.reason == Reason.DEREGISTRATION_INCOMPLETE:
            self._metrics.deregistrations_incomplete.inc()
        await self._events.emit(metadata, event.type, event.reason, event.note)

    async def _recheck_conflicts(self, key: Key, uid: str) -> None:
        """Conflicts are forgotten once the foreign object is gone."""
        known = self._conflicts.get(key, frozenset())
        if not known:
            return
        still = frozenset([item for item in known if await self._executor.foreign(uid, key[0], item)])
        if still:
            self._conflicts[key] = still
        else:
            del self._conflicts[key]

    async def _forget(self, key: Key) -> None:
        self._startup_grace.forget(key)
        self._requests.forget(key)
        self._conflicts.pop(key, None)
        self._metrics.forget(*key)
        self._executor.forget(key)
        await self._gatherer.forget(key)

    def _next_look(self, key: Key, observed: Observed, planned: Plan, waiting: bool) -> float | None:
        pauses = []
        if planned.requeue_after is not None:
            # What Label Studio is still at wakes the resource when it is done: no reason to spin until then.
            pauses.append(max(planned.requeue_after, WAITING_PAUSE) if waiting else planned.requeue_after)
        if self._conflicts.get(key):
            pauses.append(CONFLICT_PAUSE)
        if observed.connection.problem or observed.connection.basic_auth_problem:
            pauses.append(SECRET_PAUSE)
        if any(needs_pods(item) for item in (*observed.children.deployments, *observed.children.jobs)):
            pauses.append(PODS_PAUSE)
        disputed = self._executor.look_again_after(key)
        if disputed is not None:
            pauses.append(disputed)
        return min(pauses, default=None)


class _Refused(Exception):  # noqa: N818 - carries both to the one place that handles it
    """The API server refused an action in a way that a person must mend."""

    def __init__(self, error: ApiError, trouble: Problem) -> None:
        super().__init__(str(error))
        self.error = error
        self.problem = trouble


def _began(job: Manifest) -> datetime | None:
    """When a Job was created."""
    return parse_time(job["metadata"].get("creationTimestamp"))


def _released(planned: Plan) -> bool:
    """The finalizer went: there may be nothing left to write a status to."""
    return any(isinstance(action, SetFinalizer) and not action.present for action in planned.actions)
