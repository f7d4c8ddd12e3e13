"""Label Studio cannot be reached, or not as it should be: reported with address and remedy, and serving continues."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from tests.e2e.checks import assert_no_crash, assert_serves, told
from tests.e2e.story import Project, Story
from tests.support import label_studio
from tests.support.ports import closed_port
from tests.support.user import choices_config
from tests.support.waiting import PATIENCE, eventually

LABELS = ("billing", "refund")
WRONG_TOKEN = "f" * 40


@pytest.mark.chaos_case("13")
def test_a_broken_connection_is_told_and_predictions_go_on(story: Story, project: Project) -> None:
    backend = story.running(project, 1000)
    studio, cluster = story.lab.label_studio, story.lab.cluster
    nowhere = "http://nowhere.label-studio.svc.cluster.local:8080"
    good = {"url": studio.internal_url, "token": studio.token}
    with html_server(cluster.host_address) as html, closed_port(cluster.host_address) as port:
        closed = f"http://{cluster.host_address}:{port}"
        for number, (values, reason, words) in enumerate(
            (
                ({"url": studio.internal_url}, "ConnectionSecretKeyMissing", ["token"]),
                ({"token": studio.token}, "ConnectionSecretKeyMissing", ["url"]),
                (good | {"url": "label-studio:8080"}, "ConnectionURLInvalid", ["label-studio:8080", "http"]),
                (good | {"token": WRONG_TOKEN}, "Unauthorized", [studio.internal_url, "token"]),
                (good | {"token": expired_personal_token()}, "TokenExpired", ["expired"]),
                (good | {"url": nowhere}, "LabelStudioUnreachable", [nowhere]),
                (good | {"url": closed}, "LabelStudioUnreachable", [closed]),
                (good | {"url": html}, "NotLabelStudio", [html]),
            )
        ):
            story.lab.kube.apply_secret(story.namespace, f"broken-{number}", **values)
            backend.apply(connected_by(story, project, f"broken-{number}"))
            message = told(backend, reason)
            assert all(word in message for word in words), (reason, message)
            assert WRONG_TOKEN not in message
            assert_serves(backend, project)

    backend.apply(connected_by(story, project, "not-yet"))
    assert "not-yet" in told(backend, "ConnectionSecretNotFound")
    assert_serves(backend, project)

    story.lab.connect(story.namespace, "not-yet")
    backend.wait_ready()
    assert_no_crash(story, backend)


def connected_by(story: Story, project: Project, secret: str) -> dict[str, Any]:
    """A spec that names another connection Secret."""
    spec = story.spec(project, 1000)
    return spec | {"labelStudio": spec["labelStudio"] | {"connectionSecretRef": {"name": secret}}}


@pytest.mark.chaos_case("13")
def test_a_project_that_does_not_exist_is_told(story: Story) -> None:
    backend = story.backend()
    backend.apply({"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 987654}})

    assert "987654" in told(backend, "ProjectNotFound")
    assert_no_crash(story, backend)


@pytest.mark.chaos_case("13")
def test_a_closed_guard_against_private_addresses_is_told(story: Story) -> None:
    kube = story.lab.kube
    guarded = label_studio.start(kube, name="guarded", node_port=30081, guarded=True)
    try:
        user = label_studio.wait(kube, guarded)
        number = user.create_project(story.namespace, choices_config(LABELS))
        story.lab.connect(story.namespace, "guarded", url=guarded.internal_url)
        backend = story.backend()
        backend.apply({"labelStudio": {"connectionSecretRef": {"name": "guarded"}, "project": number}})

        message = told(backend, "AddressBlocked")
        assert "SSRF_PROTECTION_ENABLED" in message
        assert backend.predict(["my card"], number, choices_config(LABELS))

        backend.delete()
        eventually(lambda: backend.read() is None, PATIENCE, backend.told)
    finally:
        label_studio.remove(kube, guarded)


def expired_personal_token() -> str:
    """A personal access token (a JWT) that was good until an hour ago."""

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    claims = {"token_type": "refresh", "exp": int(time.time()) - 3600, "iat": 0, "jti": "0" * 32, "user_id": 1}
    head = {"alg": "HS256", "typ": "JWT"}
    return ".".join([part(json.dumps(head).encode()), part(json.dumps(claims).encode()), part(b"x" * 32)])


class _Html(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        page = b"<html><body>Welcome to nginx</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names given by the base class

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def html_server(host: str) -> Iterator[str]:
    """A web server for people, where Label Studio should be."""
    server = ThreadingHTTPServer((host, 0), _Html)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
