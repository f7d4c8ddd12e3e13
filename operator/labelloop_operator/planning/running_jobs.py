"""A Job that somebody changed while it runs: what can be changed of it is as the resource says again.

A suspended Job would hang for ever, one without our labels would be seen by no watch, one without a deadline or with
another one would not end when it should.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.names import ADDED_BY_OTHERS
from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.job_parts import job_as_wanted
from labelloop_operator.planning.actions import Apply, Delete, Emit
from labelloop_operator.planning.children import Child
from labelloop_operator.planning.observed import Manifest
from labelloop_operator.planning.plan_builder import PlanBuilder

_LEFT_OUT: Mapping[str, Any] = {"suspend": False, "parallelism": 1}
"""What Kubernetes takes when a Job does not say."""
_DEADLINE = "spec.activeDeadlineSeconds"


def correct_job_drift(builder: PlanBuilder, spec: Spec, job: Child, component: str) -> None:
    """Apply what is ours of a Job that runs, if it is not so any more; fields of others stay."""
    live = next(item for item in builder.observed.children.jobs if item["metadata"]["uid"] == job.uid)
    wanted = job_as_wanted(builder.owner, spec, job.name, job.uid, component)
    changed = list(_changed(wanted, live))
    note = f"Job {job.name}: {', '.join(changed)} did not agree with the resource"
    if any(path.startswith("spec.template") for path in changed):
        # It could be changed while the Job was suspended, and cannot be changed back once its pod has started.
        builder.add(Delete("Job", builder.owner.namespace, job.name, job.uid))
        builder.add(Emit("Warning", str(Reason.JOB_RESTORED), f"{note}; it is deleted and created again"))
    elif changed:
        builder.add(Apply(wanted))
        if not (builder.spec_changed and changed == [_DEADLINE]):  # else it follows the edit of the resource
            builder.add(Emit("Warning", str(Reason.JOB_RESTORED), f"{note} and is restored"))


def _changed(wanted: Manifest, live: Manifest) -> Iterator[str]:
    labels = live["metadata"].get("labels") or {}
    if any(labels.get(name) != value for name, value in wanted["metadata"]["labels"].items()):
        yield "metadata.labels"
    for name, value in wanted["spec"].items():
        if live["spec"].get(name, _LEFT_OUT.get(name)) != value:
            yield f"spec.{name}"
    yield from live.get(ADDED_BY_OTHERS) or ()
