import json
from pathlib import Path
from typing import Any

from tests.support.audit import Permission, entries, forbidden, granted, used

OPERATOR = "system:serviceaccount:labelloop-system:labelloop-operator"


def entry(
    verb: str, resource: str, code: int = 200, group: str = "", user: str = OPERATOR, **more: Any
) -> dict[str, Any]:
    reference = {"resource": resource, **({"apiGroup": group} if group else {}), **more}
    decision = "forbid" if code == 403 else "allow"
    return {
        "user": {"username": user},
        "verb": verb,
        "objectRef": reference,
        "responseStatus": {"code": code},
        "annotations": {"authorization.k8s.io/decision": decision},
    }


def test_rules_are_taken_apart() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "patch"]},
        {"apiGroups": ["labelloop.dev"], "resources": ["labelstudiobackends/status"], "verbs": ["patch"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    assert {str(permission) for permission in granted(rules)} == {
        "get /secrets", "patch /secrets", "patch labelloop.dev/labelstudiobackends/status",
    }  # fmt: skip


def test_what_one_user_did_is_found_in_all_files(tmp_path: Path) -> None:
    theirs = entry("delete", "pods", user="somebody")
    (tmp_path / "audit-2026-11-22T00-00-00.000.log").write_text(json.dumps(entry("list", "pods")) + "\n")
    unfinished = json.dumps(entry("watch", "pods"))[:-20]
    (tmp_path / "audit.log").write_text(f"{json.dumps(theirs)}\n{json.dumps(entry('get', 'secrets'))}\n{unfinished}")
    assert used(entries(tmp_path, OPERATOR)) == {Permission("list", "/pods"), Permission("get", "/secrets")}


def test_an_apply_that_creates_needs_both_verbs() -> None:
    assert used([entry("patch", "services", 201)]) == {
        Permission("patch", "/services"),
        Permission("create", "/services"),
    }
    assert used([entry("patch", "deployments", group="apps")]) == {Permission("patch", "apps/deployments")}


def test_what_rbac_refused_is_told_and_counts_as_unused() -> None:
    found = [
        entry("list", "secrets", 403),
        entry("patch", "labelstudiobackends", group="labelloop.dev", subresource="status"),
    ]
    assert forbidden(found) == {Permission("list", "/secrets")}
    assert used(found) == {Permission("patch", "labelloop.dev/labelstudiobackends/status")}
