"""Every trouble that `check` knows is injected and found, and a healthy set-up has none."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import SSRF, TOKEN, FakeLabelStudio

from labelloop.cli import diagnosis
from labelloop.cli.diagnosis import Diagnosis, diagnose, webhook_is_possible
from labelloop.label_studio import Credentials
from labelloop.label_studio.client import LabelStudioClient
from labelloop.local.self_registration import register

URL = "http://backend.tools.svc.cluster.local:9090"
PROJECT = 7


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        fake.add_project(PROJECT).model_version = "v1"
        with LabelStudioClient(Credentials(fake.url, TOKEN)) as client:
            client.run(register(PROJECT, URL, "v1", {}, None))
        yield fake


def look(fake: FakeLabelStudio, url: str | None = URL, token: str = TOKEN, **options: object) -> Diagnosis:
    return diagnose(Credentials(options.pop("address", fake.url), token), PROJECT, url, **options)  # type: ignore[arg-type]


def codes(found: Diagnosis) -> list[str]:
    assert all(trouble.message and trouble.remedy for trouble in found.troubles)
    return [trouble.code for trouble in found.troubles]


def test_a_healthy_set_up_has_no_trouble(fake: FakeLabelStudio):
    hooks, calls = dict(fake.webhooks), len(fake.backends)
    found = look(fake)
    assert found.troubles == []
    assert found.facts["token"] == "legacy token"
    assert found.facts["labels"] == {"label": 2}
    assert found.facts["release"] == "1.23.2"
    assert look(fake, None).troubles == []
    assert (fake.webhooks, len(fake.backends)) == (hooks, calls)


def hook(fake: FakeLabelStudio) -> dict:
    (only,) = fake.webhooks.values()
    return only


def backend(fake: FakeLabelStudio) -> dict:
    return min(fake.backends.values(), key=lambda item: item["id"])


INJECTED: dict[str, tuple[Callable[[FakeLabelStudio], object], list[str]]] = {
    "the token is another one": (lambda fake: setattr(fake, "token", "x" * 40), ["TokenRefused"]),
    "Label Studio is overloaded": (lambda fake: setattr(fake, "broken", 503), ["LabelStudioUnreachable"]),
    "Label Studio fails": (lambda fake: setattr(fake, "broken", 500), ["LabelStudioFailed"]),
    "a page for people": (lambda fake: setattr(fake, "html", True), ["NotLabelStudio"]),
    "no such project": (lambda fake: fake.projects.clear(), ["ProjectNotFound"]),
    "nothing to choose": (
        lambda fake: setattr(fake.projects[PROJECT], "label_config", "<View></View>"),
        ["LabelConfigUnsupported"],
    ),
    "addresses for texts": (
        lambda fake: [setattr(task, "text", "s3://tickets/1.txt") for task in fake.projects[PROJECT].tasks.values()],
        ["TextsAreAddresses"],
    ),
    "no backend": (lambda fake: (fake.backends.clear(), fake.webhooks.clear()), ["NotConnected"]),
    "no backend, guard closed": (
        lambda fake: (fake.backends.clear(), fake.webhooks.clear(), setattr(fake, "guard_webhooks", True)),
        ["AddressBlocked", "NotConnected"],
    ),
    "another backend first": (
        lambda fake: fake.backends.update({0: {**backend(fake), "id": 0, "url": "http://other:9090"}}),
        ["NotPrimary"],
    ),
    "not reached": (lambda fake: setattr(fake, "backend_state", "DI"), ["BackendUnreachable"]),
    "guard of backends closed": (
        lambda fake: (backend(fake).update(error_message=SSRF), setattr(fake, "backend_state", "ER")),
        ["AddressBlocked"],
    ),
    "no webhook": (lambda fake: fake.webhooks.clear(), ["WebhookMissing"]),
    "no webhook, guard closed": (
        lambda fake: (fake.webhooks.clear(), setattr(fake, "guard_webhooks", True)),
        ["AddressBlocked", "WebhookMissing"],
    ),
    "webhook off": (lambda fake: hook(fake).update(is_active=False), ["WebhookInactive"]),
    "webhook for one action": (lambda fake: hook(fake).update(actions=["TASKS_DELETED"]), ["WebhookActions"]),
    "webhook without payload": (lambda fake: hook(fake).update(send_payload=False), ["WebhookWithoutPayload"]),
    "guard of webhooks closed": (lambda fake: setattr(fake, "guard_webhooks", True), ["AddressBlocked"]),
    "predictions off": (
        lambda fake: setattr(fake.projects[PROJECT], "shows_predictions", False),
        ["PredictionsOff"],
    ),
    "other predictions": (
        lambda fake: (
            fake.projects[PROJECT].predictions.update(imported=3),
            setattr(fake.projects[PROJECT], "model_version", "imported"),
        ),
        ["OtherModelVersionSelected"],
    ),
    "an old release": (lambda fake: setattr(fake, "release", "1.10.1"), ["ReleaseUnsupported"]),
    "no prelabelling": (lambda fake: setattr(fake.projects[PROJECT], "model_version", ""), ["PredictionsOff"]),
}


@pytest.mark.parametrize("name", INJECTED)
def test_each_trouble_is_named_with_its_remedy(fake: FakeLabelStudio, name: str):
    inject, wanted = INJECTED[name]
    inject(fake)
    assert codes(look(fake)) == wanted


def test_a_message_and_its_remedy_say_different_things(fake: FakeLabelStudio):
    fake.guard_webhooks = True
    (blocked,) = look(fake).troubles
    assert "SSRF_PROTECTION_ENABLED is not false" in blocked.message
    assert "ML_BLOCK_LOCAL_IP" not in blocked.message
    assert blocked.remedy not in blocked.message
    fake.guard_webhooks = False
    backend(fake).update(error_message=SSRF)
    assert "ML_BLOCK_LOCAL_IP is not false" in look(fake).troubles[0].message


def test_a_legacy_token_that_is_switched_off_is_not_to_be_copied_again(fake: FakeLabelStudio):
    async def refuse(_: web.Request, __: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        told = "legacy token authentication has been disabled for this organization"
        return web.json_response({"detail": f"Authentication token no longer valid: {told}"}, status=401)

    fake.interceptor = refuse
    (refused,) = look(fake).troubles
    assert refused.code == "TokenRefused"
    assert "personal access token" in refused.remedy
    assert "copy" not in refused.remedy


def test_a_backend_with_a_password_needs_it_in_label_studio_and_in_the_webhook(fake: FakeLabelStudio):
    assert codes(look(fake, basic_auth=True)) == ["CredentialsMissing", "WebhookUnauthorized"]


def test_nobody_there(fake: FakeLabelStudio):
    assert codes(look(fake, address="http://127.0.0.1:9")) == ["LabelStudioUnreachable"]


def test_an_address_for_which_label_studio_makes_no_webhook(fake: FakeLabelStudio):
    assert "WebhookAddressInvalid" in codes(look(fake, "http://backend:9090"))


def personal_token(ends: float) -> str:
    parts = ({"alg": "HS256"}, {"token_type": "refresh", "exp": ends}, "x")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)


def test_a_personal_token_that_ends_soon(fake: FakeLabelStudio):
    from labelloop.cli.diagnosis import _about_token

    token = personal_token(ends=1_000_000_000)
    assert [trouble.code for trouble in _about_token(token, 1e9 - 3600)] == ["TokenExpiresSoon"]
    assert list(_about_token(token, 1e9 - 30 * 86400)) == []
    assert list(_about_token(TOKEN, 1e9)) == []


def test_a_personal_token_that_has_ended(fake: FakeLabelStudio):
    fake.broken = 401
    assert codes(look(fake, token=personal_token(ends=1_000_000_000))) == ["TokenExpired"]


def test_a_user_who_may_not_make_webhooks(fake: FakeLabelStudio):
    async def refuse(request: web.Request, answer: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if request.method == "POST" and request.path.startswith("/api/webhooks"):
            return web.json_response({"detail": "You do not have permission"}, status=400)
        return await answer()

    fake.webhooks.clear()
    fake.interceptor = refuse
    assert codes(look(fake)) == ["WebhookRefused", "WebhookMissing"]


def test_every_trouble_is_injected_here_and_told_in_the_docs():
    known = set(re.findall(r'"([A-Z][a-z]+[A-Z][A-Za-z]+)"', Path(diagnosis.__file__).read_text()))
    assert len(known) > 20
    here = Path(__file__).read_text()
    page = (Path(__file__).parents[3] / "docs/user/local.md").read_text()
    assert [code for code in known if f'"{code}"' not in here] == []
    assert [code for code in known if f"`{code}`" not in page] == []


@pytest.mark.parametrize(
    ("host", "possible"),
    [
        ("svc", False),
        ("svc.team1", False),
        ("svc.ns.svc.k8s1", False),
        ("my_svc.ns.svc", False),
        ("svc.default", True),
        ("svc.my-ns", True),
        ("svc.team1.svc", True),
        ("svc.ns.svc.cluster.local", True),
        ("svc.ns.svc.cluster.local.", True),
        ("127.0.0.1", True),
        ("localhost", True),
    ],
)
def test_which_addresses_get_a_webhook(host: str, possible: bool):
    assert webhook_is_possible(f"http://{host}:9090") is possible


def test_the_command_ends_with_one_object_and_exit_code_1(fake: FakeLabelStudio):
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LABEL_STUDIO_HOST": fake.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
    }
    command = [sys.executable, "-m", "labelloop", "check", "--project", str(PROJECT), "--json"]
    healthy = subprocess.run([*command, "--url", URL], env=variables, capture_output=True, text=True)
    assert (healthy.returncode, json.loads(healthy.stdout.splitlines()[-1])["healthy"]) == (0, True), healthy.stderr
    ill = subprocess.run(
        [*command, "--url", "http://other.tools.svc:9090"], env=variables, capture_output=True, text=True
    )
    assert ill.returncode == 1
    assert [trouble["code"] for trouble in json.loads(ill.stdout.splitlines()[-1])["troubles"]] == ["NotConnected"]
    assert TOKEN not in ill.stdout + ill.stderr
