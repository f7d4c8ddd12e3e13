"""Errors and credentials of a real registry with TLS and a password, and of one that misbehaves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.docker_registry import Registry

from labelloop.publishing.credentials import parse_docker_config
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import NotInRegistryError, RegistryError


def secured(registry: Registry, config: bytes | None) -> Repository:
    parsed = parse_docker_config(config) if config else None
    return Repository(Reference(registry.host, "team/intents"), config=parsed, certificates=registry.certificates)


def test_credentials_of_the_docker_config_are_used(secured_registry: Registry, tmp_path: Path):
    content = bytes(100_000)
    with secured(secured_registry, secured_registry.docker_config()) as remote:
        digest = remote.put_blob(content)
        remote.blob_to_file(digest, tmp_path / "copy", limit=100_000)

    assert (tmp_path / "copy").read_bytes() == content


def test_environment_variables_and_netrc_have_no_say(
    secured_registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    host = secured_registry.host.partition(":")[0]
    (tmp_path / "netrc").write_text(f"machine {host} login wrong password wrong\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/hostname")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    with secured(secured_registry, secured_registry.docker_config()) as remote:
        assert remote.has_blob(remote.put_blob(b"x"))


@pytest.mark.parametrize("user", [None, "stranger"])
def test_refused_credentials_name_registry_user_and_remedy(secured_registry: Registry, user: str | None):
    config = secured_registry.docker_config(user=user, password="hidden-password") if user else None

    with secured(secured_registry, config) as remote, pytest.raises(RegistryError) as caught:
        remote.put_blob(b"x")

    assert caught.value.reason == "RegistryUnauthorized"
    assert secured_registry.host in caught.value.message
    assert (user or "without credentials") in caught.value.message
    assert "registry.pushSecretRef" in caught.value.message
    assert "hidden-password" not in caught.value.message


def test_an_unknown_certificate_is_told(secured_registry: Registry):
    reference = Reference(secured_registry.host, "team/intents")

    with Repository(reference) as remote, pytest.raises(RegistryError, match="certificate") as caught:
        remote.manifest("1")

    assert caught.value.reason == "RegistryUnreachable"


def test_plain_http_to_a_registry_with_tls_is_told(secured_registry: Registry):
    reference = Reference(secured_registry.host, "team/intents")

    with (
        Repository(reference, plain_http=True) as remote,
        pytest.raises(RegistryError, match=r"leave registry\.plainHTTP"),
    ):
        remote.manifest("1")


def test_what_is_not_there_is_told_apart_from_failures(repository: Reference):
    with Repository(repository, plain_http=True) as remote:
        assert not remote.has_blob("sha256:" + "0" * 64)
        with pytest.raises(NotInRegistryError):
            remote.blob("sha256:" + "0" * 64)
        with pytest.raises(NotInRegistryError):
            remote.manifest("none")


def test_a_blob_beyond_the_limit_leaves_no_file(repository: Reference, tmp_path: Path):
    with Repository(repository, plain_http=True) as remote:
        digest = remote.put_blob(bytes(5000))
        with pytest.raises(RegistryError, match="larger than 4000 bytes"):
            remote.blob_to_file(digest, tmp_path / "copy", limit=4000)

    assert not (tmp_path / "copy").exists()


@contextmanager
def answering(status: int, body: bytes, fail_first: int = 0, seen: list[str | None] | None = None) -> Iterator[str]:
    """A server that gives every request the same answer, after some failures; `seen`: credentials it was sent."""
    failures = [502] * fail_first

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if seen is not None:
                seen.append(self.headers.get("Authorization"))
            self.send_response(failures.pop() if failures else status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_registry_in_trouble_is_unreachable_and_what_to_look_at_is_told():
    body = b'{"errors": [{"code": "UNKNOWN", "message": "no space left on device"}]}'
    with (
        answering(500, body) as host,
        Repository(Reference(host, "a"), plain_http=True) as remote,
        pytest.raises(RegistryError, match="log and free disk space") as caught,
    ):
        remote.manifest("1")
    assert caught.value.reason == "RegistryUnreachable"


def test_a_passing_gateway_error_is_survived():
    with answering(200, b"{}", fail_first=2) as host, Repository(Reference(host, "a"), plain_http=True) as remote:
        assert remote.manifest("1").content == b"{}"


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b"\xff"])
def test_something_that_is_no_registry_gives_an_error(body: bytes):
    with (
        answering(200, body) as host,
        Repository(Reference(host, "a"), plain_http=True) as remote,
        pytest.raises(RegistryError, match=r"JSON object|as a registry does"),
    ):
        remote.manifest("1").document()


def test_bytes_that_do_not_match_their_digest_are_refused(tmp_path: Path):
    with answering(200, b"other bytes") as host, Repository(Reference(host, "a"), plain_http=True) as remote:
        with pytest.raises(RegistryError, match="damaged"):
            remote.blob("sha256:" + "0" * 64)
        with pytest.raises(RegistryError, match="digest"):
            remote.manifest("sha256:" + "0" * 64)


def test_credentials_are_not_sent_without_tls():
    with answering(401, b"", seen=(seen := [])) as host:
        config = parse_docker_config(Registry(host).docker_config())
        with (
            Repository(Reference(host, "a"), plain_http=True, config=config) as remote,
            pytest.raises(RegistryError, match="plain HTTP") as caught,
        ):
            remote.manifest("1")
    assert caught.value.reason == "RegistryUnauthorized"
    assert seen == [None]
