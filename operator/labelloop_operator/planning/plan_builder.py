"""A plan in the making: the stories of reconcile add actions and change the status, in order."""

from dataclasses import replace
from datetime import datetime
from functools import cached_property

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, set_condition
from labelloop_operator.api.label_studio_status import LabelStudioStatus
from labelloop_operator.api.names import service_name, service_url
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import ModelStatus, Status, TrainingStatus
from labelloop_operator.builders.metadata import Owner
from labelloop_operator.planning.actions import Action, Emit, Plan
from labelloop_operator.planning.children import route_of
from labelloop_operator.planning.observed import Conflict, Observed
from labelloop_operator.planning.ownership import is_ours
from labelloop_operator.planning.recovery import recovered


class PlanBuilder:
    """Mutable while one reconcile plans; `finish` gives the Plan."""

    def __init__(self, observed: Observed, now: datetime) -> None:
        self.observed = observed
        self.now = now
        resource = observed.resource
        self.owner = Owner(resource.namespace, resource.name, resource.uid)
        self.before: Status = recovered(resource, observed.children)
        self.status: Status = replace(self.before, observed_generation=resource.generation)
        self.problems: list[Problem] = []
        """What keeps the resource from being Ready and has no condition of its own, worst first."""
        self._actions: list[Action] = []
        self._requeue_after: float | None = None

    @property
    def spec_changed(self) -> bool:
        """The spec changed since the newest status."""
        return self.before.observed_generation != self.observed.resource.generation

    @property
    def url(self) -> str:
        """Where Label Studio asks the backend."""
        return service_url(self.owner.name, self.owner.namespace, self.observed.operator.cluster_domain)

    @cached_property
    def route(self) -> str:
        """What decides who answers through the Service (planning/children.py)."""
        return route_of(self.observed.children, self.owner.uid)

    def add(self, *actions: Action) -> None:
        """Add actions, executed in this order."""
        self._actions.extend(actions)

    def requeue_at(self, at: datetime | None) -> None:
        """Reconcile at that time at the latest."""
        if at is not None:
            self.requeue_after((at - self.now).total_seconds())

    def requeue_after(self, seconds: float) -> None:
        """Reconcile after so many seconds at the latest."""
        known = self._requeue_after
        self._requeue_after = max(0.0, seconds if known is None else min(known, seconds))

    def set(self, type_: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> None:
        """Set a condition."""
        generation = self.observed.resource.generation
        conditions = set_condition(self.status.conditions, type_, status, reason, message, generation, self.now)
        self.status = replace(self.status, conditions=conditions)

    def forget(self, *types: ConditionType) -> None:
        """Remove conditions that say nothing any more."""
        self.status = replace(self.status, conditions=tuple(c for c in self.status.conditions if c.type not in types))

    def set_training(self, training: TrainingStatus) -> None:
        """Replace `status.training`."""
        self.status = replace(self.status, training=training)

    def set_model(self, model: ModelStatus) -> None:
        """Replace `status.model`."""
        self.status = replace(self.status, model=model)

    def set_label_studio(self, label_studio: LabelStudioStatus) -> None:
        """Replace `status.labelStudio`."""
        self.status = replace(self.status, label_studio=label_studio)

    def mark_observed(self) -> None:
        """All conditions were considered at this generation, those that stay as they are too."""
        generation = self.observed.resource.generation
        conditions = tuple(replace(item, observed_generation=generation) for item in self.status.conditions)
        self.status = replace(self.status, conditions=conditions)

    def name_conflicts(self) -> list[Conflict]:
        """Objects with names of ours that belong to somebody else."""
        service = self.observed.children.service
        found = set(self.observed.conflicts)
        if service is not None and not is_ours(service, self.owner.uid):
            found.add(Conflict("Service", service_name(self.owner.name)))
        return sorted(found, key=lambda item: (item.kind, item.name))

    def is_foreign(self, kind: str, name: str) -> bool:
        """Whether an object of that name belongs to somebody else."""
        return Conflict(kind, name) in self.name_conflicts()

    def finish(self, events: tuple[Emit, ...] = ()) -> Plan:
        """The plan."""
        return Plan(tuple(self._actions), self.status, self._requeue_after, events)
