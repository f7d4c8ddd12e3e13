"""Label Studio cannot be reached, or not as it should be: told with address and remedy, and serving goes on."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.e2e.checks import assert_no_crash, assert_serves, told
from tests.e2e.story import Project, Story
from tests.support import label_studio
from tests.support.user import choices_config
from tests.support.waiting import eventually

LABELS = ("billing", "refund")


def test_a_broken_connection_is_told_and_predictions_go_on(story: Story, project: Project) -> None:
    backend = story.running(project, 1000)
    lab, namespace, cluster = story.lab, story.namespace, story.lab.cluster
    closed = f"http://{cluster.host_address}:9"
    nowhere = "http://nowhere.label-studio.svc.cluster.local:8080"
    with html_server(cluster.host_address) as html:
        for values, reason, words in (
            ({"url": lab.label_studio.internal_url}, "ConnectionSecretKeyMissing", ["token"]),
            ({"token": lab.label_studio.token}, "ConnectionSecretKeyMissing", ["url"]),
            (connection(story, url="label-studio:8080"), "ConnectionURLInvalid", ["label-studio:8080", "http"]),
            (connection(story, token="f" * 40), "Unauthorized", [lab.label_studio.internal_url, "token"]),
            (connection(story, token=expired_personal_token()), "TokenExpired", ["expired"]),
            (connection(story, url=nowhere), "LabelStudioUnreachable", [nowhere]),
            (connection(story, url=closed), "LabelStudioUnreachable", [closed]),
            (connection(story, url=html), "NotLabelStudio", [html]),
        ):
            replace_secret(story, **values)
            message = told(backend, reason)
            assert all(word in message for word in words), (reason, message)
            assert "f" * 40 not in message
            assert_serves(backend, project)
    lab.kube.core.delete_namespaced_secret("label-studio", namespace)
    assert "label-studio" in told(backend, "ConnectionSecretNotFound")
    assert_serves(backend, project)

    lab.connect(namespace)
    backend.wait_ready(60)
    assert_no_crash(story, backend)


def connection(story: Story, **changed: str) -> dict[str, str]:
    """Values of a connection Secret with something wrong."""
    return {"url": story.lab.label_studio.internal_url, "token": story.lab.label_studio.token} | changed


def replace_secret(story: Story, **values: str) -> None:
    """Replace the connection Secret and let the operator read it: a user would edit something or wait ten minutes."""
    story.lab.kube.core.delete_namespaced_secret("label-studio", story.namespace)
    story.lab.kube.apply_secret(story.namespace, "label-studio", **values)


def test_a_project_that_does_not_exist_is_told(story: Story) -> None:
    backend = story.backend()
    backend.apply({"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 987654}})

    assert "987654" in told(backend, "ProjectNotFound")
    assert_no_crash(story, backend)


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
        eventually(lambda: backend.read() is None, 70, backend.told)
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
