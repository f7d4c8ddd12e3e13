"""Last of all: what the whole run used of the operator's rights, by the API server's audit log."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.story import Project, Story
from tests.support import audit
from tests.support.audit import Permission
from tests.support.lab import OPERATOR, OPERATOR_NAMESPACE, service_account

USER = service_account()
RARELY_USED = {
    # Asked of by the admission plug-in OwnerReferencesPermissionEnforcement (OpenShift has it on), never by a request.
    Permission("update", "labelloop.dev/labelstudiobackends/finalizers"),
    # Whose Job of that name it is, when creating one is answered with a conflict: after a kill at the wrong moment.
    Permission("get", "batch/jobs"),
    # Why the pod of a Job is refused: test_failing_jobs.py.
    Permission("list", "events.k8s.io/events"),
    # A Job that somebody changes while it runs is restored.
    Permission("patch", "batch/jobs"),
}
"""Granted, and not used by every run."""
SOMETIMES_REFUSED = {Permission("watch", "/pods")}
"""While test_upgrade.py goes back to a version without that right, and the operator of this one still runs."""
FEW_TRAININGS = 24


def is_twins(entry: Mapping[str, Any]) -> bool:
    """A Lease elsewhere is the second operator's of test_chaos.py, which asks before the API server knows its Role."""
    about = entry.get("objectRef", {})
    return about.get("resource") == "leases" and about.get("namespace") != OPERATOR_NAMESPACE


def test_the_operator_may_do_what_it_does_and_nothing_else(story: Story, project: Project) -> None:
    logs = story.lab.cluster.audit_log.parent
    if Permission("delete", "batch/jobs") not in audit.used(audit.entries(logs, USER)):
        story.trained(project, FEW_TRAININGS)  # this file runs alone: one round of everything
    found = [entry for entry in audit.entries(logs, USER) if not is_twins(entry)]
    used, granted = audit.used(found), audit.granted(rules(story))

    assert not sorted(audit.forbidden(found) - SOMETIMES_REFUSED), "asked for without a right to it"
    assert not sorted(granted - used - RARELY_USED), "granted in vain: take it out of the chart, or say why here"
    assert not sorted(used - granted), "used by a right that the chart did not give"
    assert not sorted((RARELY_USED | SOMETIMES_REFUSED) - granted), "not granted any more: take it out of the list here"


def rules(story: Story) -> list[dict[str, object]]:
    """The rules of the operator's ClusterRole and of its Role in its own namespace."""
    rbac = story.lab.kube.rbac
    found = [
        *rbac.read_cluster_role(f"{OPERATOR}-{OPERATOR_NAMESPACE}").rules,
        *(rule for role in rbac.list_namespaced_role(OPERATOR_NAMESPACE).items for rule in role.rules),
    ]
    return [story.lab.kube.plain(rule) for rule in found]
