"""The operator with a Role in one namespace, and nothing of the chart outside of namespaces."""

import os

from tests.e2e.story import Project, Story
from tests.support import audit
from tests.support.audit import Permission
from tests.support.lab import OPERATOR, service_account
from tests.support.waiting import PATIENCE, eventually

EVERY = 24


def test_an_operator_with_a_role_only_serves_trains_and_cleans_up(story: Story, project: Project) -> None:
    lab, namespace = story.lab, f"limited-{os.urandom(2).hex()}"
    policies = {"networkPolicy": {"enabled": True}}
    with lab.limited_operator(namespace, watchNamespaces=[story.namespace], **policies):
        roles = {
            (item.metadata.namespace, item.metadata.name) for item in lab.kube.rbac.list_role_for_all_namespaces().items
        }
        assert {(story.namespace, OPERATOR), (namespace, f"{OPERATOR}-lease")} <= roles
        cluster_wide = [item.metadata.name for item in lab.kube.rbac.list_cluster_role().items]
        assert not [name for name in cluster_wide if namespace in name]
        found = lab.cluster.kubectl("-n", story.namespace, "get", "networkpolicies", "-o", "name").split()
        assert [name.partition("/")[2] for name in found] == ["labelloop-serving", "labelloop-training"]

        backend = story.trained(project, EVERY)
        backend.delete()
        eventually(lambda: backend.read() is None, PATIENCE, backend.told)

    entries = list(audit.entries(lab.cluster.audit_log.parent, service_account(namespace)))
    assert not audit.forbidden(entries)
    assert Permission("create", "batch/jobs") in audit.used(entries)
    namespaces = {
        entry["objectRef"].get("namespace") for entry in entries if entry.get("objectRef", {}).get("resource")
    }
    assert namespaces <= {story.namespace, namespace}
