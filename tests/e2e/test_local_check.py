"""A backend that registers itself in a real Label Studio, and `labelloop check` next to it: healthy, then not."""

import json
from collections.abc import Iterator

import pytest
from tests.integration.serving.conftest import Server, serve
from tests.support.command_line import run
from tests.support.lab import Lab
from tests.support.ports import free_port
from tests.support.user import choices_config
from tests.support.waiting import PATIENCE, eventually

LABELS = ("warm", "cold")


@pytest.fixture(scope="module")
def project(lab: Lab) -> Iterator[int]:
    number = lab.user.create_project("local check", choices_config(LABELS))
    yield number
    lab.user.delete_project(number)


@pytest.fixture(scope="module")
def url(lab: Lab) -> str:
    """The address under which Label Studio's pod reaches this machine."""
    return f"http://{lab.cluster.host_address}:{free_port(lab.cluster.host_address)}"


@pytest.fixture(scope="module")
def variables(lab: Lab) -> dict[str, str]:
    return {"LABEL_STUDIO_HOST": lab.label_studio.url, "LABEL_STUDIO_API_KEY": lab.label_studio.token}


@pytest.fixture(scope="module")
def server(
    lab: Lab, project: int, url: str, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    own = {"LABELLOOP_REGISTER_URL": url, "LABELLOOP_PROJECTS": str(project), "LABELLOOP_HOST": "0.0.0.0"}
    own["PORT"] = url.rpartition(":")[2]
    own["LABELLOOP_POLL_SECONDS"] = "3600"  # what is changed by hand is not repaired meanwhile
    with serve(tmp_path_factory.mktemp("check"), variables | own) as running:
        yield running


def troubles(project: int, url: str, variables: dict[str, str]) -> list[str]:
    """The codes that `labelloop check` tells, its exit code looked at."""
    done = run("check", "--project", project, "--url", url, "--json", variables=variables)
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (0 if found["healthy"] else 1), done.stderr
    return [trouble["code"] for trouble in found["troubles"]]


def test_it_registers_itself_and_check_finds_what_is_changed_by_hand(
    lab: Lab, project: int, url: str, variables: dict[str, str], server: Server
) -> None:
    eventually(lambda: troubles(project, url, variables) == [], PATIENCE, server.told, interval=1.0)
    (backend,) = lab.user.backends(project)
    version = server.call("GET", "/health").json()["model_version"]
    assert (backend["url"], backend["title"], backend["state"]) == (url, version, "CO")
    assert lab.user.project(project)["model_version"] == version

    assert troubles(project, f"http://{lab.cluster.host_address}:1", variables) == ["NotConnected"]
    assert troubles(10**6, url, variables) == ["ProjectNotFound"]
    assert troubles(project, url, variables | {"LABEL_STUDIO_API_KEY": "0" * 40}) == ["TokenRefused"]
    elsewhere = variables | {"LABEL_STUDIO_HOST": f"http://{lab.cluster.node_address}:1"}
    assert troubles(project, url, elsewhere) == ["LabelStudioUnreachable"]

    lab.user.change_project(project, model_version="")
    assert troubles(project, url, variables) == ["PredictionsOff"]
    lab.user.change_project(project, model_version=version)
    (hook,) = [hook for hook in lab.user.call("GET", "/api/webhooks", project=project) if hook["url"].startswith(url)]
    lab.user.call("PATCH", f"/api/webhooks/{hook['id']}", {"is_active": False, "actions": hook["actions"]})
    assert troubles(project, url, variables) == ["WebhookInactive"]
    lab.user.call("DELETE", f"/api/webhooks/{hook['id']}")
    assert troubles(project, url, variables) == ["WebhookMissing"]
