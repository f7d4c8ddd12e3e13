"""What a registry must not get by its answers: our memory, our credentials, its words in our messages."""

import json
from pathlib import Path

import pytest
from tests.fuzz.wire import Answer, replaced_connections

from labelloop.publishing import bounded_http
from labelloop.publishing.credentials import parse_docker_config
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import RegistryError

HOST = "registry.example"
LOGIN = json.dumps({"auths": {HOST: {"username": "robot", "password": "hidden"}}}).encode()
DIGEST = "sha256:" + "0" * 64
ENDLESS = 2**40


def remote(config: bytes | None = None) -> Repository:
    return Repository(Reference(HOST, "team/intents"), config=parse_docker_config(config) if config else None)


@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_an_endless_manifest_is_not_read_to_its_end(status: int):
    answer = Answer(status, {"WWW-Authenticate": 'Bearer realm="https://registry.example/token"'}, b"", ENDLESS)
    with (
        replaced_connections(lambda *_: answer),
        remote() as repository,
        pytest.raises(RegistryError, match="larger than 16777216 bytes"),
    ):
        repository.manifest("1")


@pytest.mark.parametrize("status", [200, 302, 500])
def test_an_endless_blob_is_not_read_to_its_end(status: int, tmp_path: Path):
    answer = Answer(status, {"Location": "/v2/elsewhere"}, b"", ENDLESS)
    with replaced_connections(lambda *_: answer), remote() as repository:
        with pytest.raises(RegistryError, match="larger than"):
            repository.blob(DIGEST)
        with pytest.raises(RegistryError, match="larger than"):
            repository.blob_to_file(DIGEST, tmp_path / "blob", 1000)
    assert not (tmp_path / "blob").exists()


def test_drops_without_end_are_noticed(monkeypatch: pytest.MonkeyPatch):
    seconds = iter(range(10**6))
    monkeypatch.setattr(bounded_http.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(bounded_http, "CHUNK", 1)
    with (
        replaced_connections(lambda *_: Answer(200, {}, b"", ENDLESS)),
        remote() as repository,
        pytest.raises(RegistryError, match="takes longer than 60 s") as caught,
    ):
        repository.manifest("1")
    assert caught.value.reason == "RegistryUnreachable"


@pytest.mark.parametrize(
    "body", [b"<p>secret words</p>", b'["secret words"]', b'{"a": "secret words"}', b"\xffsecret words"]
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_words_of_an_answer_are_not_repeated(body: bytes, status: int):
    with replaced_connections(lambda *_: Answer(status, {}, body)), remote() as repository:
        with pytest.raises((RegistryError, KeyError)) as caught:
            repository.manifest("1").document()["layers"]
        assert "secret words" not in str(caught.value)


def test_of_a_registrys_explanation_only_the_codes_of_the_specification_are_told():
    errors = [{"code": "DENIED", "message": "secret words\r\nforged"}, {"code": "secret words"}, {"code": ["x"]}]
    body = json.dumps({"errors": errors}).encode()
    with (
        replaced_connections(lambda *_: Answer(500, {}, body)),
        remote() as repository,
        pytest.raises(RegistryError, match="answers 500 for team/intents: DENIED;") as caught,
    ):
        repository.manifest("1")
    assert "secret words" not in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000])
def test_deep_documents_are_refused(content: bytes):
    with (
        replaced_connections(lambda *_: Answer(200, {}, content)),
        remote() as repository,
        pytest.raises(RegistryError, match="no JSON object"),
    ):
        repository.manifest("1").document()


def test_where_the_registry_redirects_to_cannot_ask_for_the_credentials():
    seen: list[tuple[str, str | None]] = []

    def exchange(url: str, _method: str, headers: dict[str, str], _body: object) -> Answer:
        seen.append((url, headers.get("Authorization")))
        if url.startswith(f"https://{HOST}/"):
            return Answer(307, {"Location": "https://storage.example/blob"})
        return Answer(401, {"WWW-Authenticate": 'Bearer realm="https://storage.example/token"'})

    with replaced_connections(exchange), remote(LOGIN) as repository, pytest.raises(RegistryError) as caught:
        repository.blob(DIGEST)
    assert caught.value.reason == "RegistryUnauthorized"
    assert [url for url, _ in seen] == [
        f"https://{HOST}/v2/team/intents/blobs/{DIGEST}",
        "https://storage.example/blob",
    ]
    assert {header for _, header in seen} == {None}


def test_an_upload_directed_elsewhere_takes_no_credentials_with_it():
    seen: dict[str, str | None] = {}

    def exchange(url: str, method: str, headers: dict[str, str], _body: object) -> Answer:
        seen[f"{method} {url.partition('?')[0]}"] = headers.get("Authorization")
        if "Authorization" not in headers and HOST in url:
            return Answer(401, {"WWW-Authenticate": 'Basic realm="x"'})
        if method == "POST":
            return Answer(202, {"Location": "https://storage.example/upload"})
        return Answer(404 if method == "HEAD" else 201)

    with replaced_connections(exchange), remote(LOGIN) as repository:
        repository.put_blob(b"x")
    assert str(seen[f"POST https://{HOST}/v2/team/intents/blobs/uploads/"]).startswith("Basic ")
    assert seen["PUT https://storage.example/upload"] is None


@pytest.mark.parametrize("digest", ["", "sha256:x", "../../../other", "sha512:" + "0" * 128, DIGEST + "/.."])
def test_what_is_no_digest_becomes_no_address(digest: str):
    with replaced_connections(lambda *_: pytest.fail("asked")), remote() as repository:
        with pytest.raises(RegistryError, match="which is none"):
            repository.blob(digest)
        with pytest.raises(RegistryError, match="which is none"):
            repository.has_blob(digest)
