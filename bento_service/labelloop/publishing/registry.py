"""Manifests and blobs of one repository, on python-dxf.

Environment variables and `~/.netrc` have no say: they would override the credentials and certificates given here.
"""

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import responses as phrases
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import requests
from dxf import DXF
from dxf import exceptions as dxf_errors
from urllib3.exceptions import HTTPError as BrokenConnection

from labelloop.failures import DISK_FULL, is_disk_full
from labelloop.publishing.bounded_http import DOCUMENT_SECONDS, MAX_DOCUMENT, BoundedAdapter, authority, parts
from labelloop.publishing.credentials import Credentials, DockerConfig
from labelloop.publishing.reference import DEFAULT_HOST, Reference
from labelloop.publishing.registry_errors import NotAllowedError, NotInRegistryError, RegistryError

TIMEOUT = (5.0, 60.0)  # seconds to connect, and between two parts of an answer
BLOB_SECONDS = 3600.0
MAX_REDIRECTS = 5  # a registry sends to its storage, which may send to the nearest place
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REALM = re.compile(r'\brealm="([^"]*)"', re.IGNORECASE)
# dxf and what it uses trust registries: wrong types, missing fields and headers show as these.
_NOT_A_REGISTRY = (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError)


@dataclass(frozen=True)
class Manifest:
    """A manifest or a list of manifests, as its bytes came."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """What the registry knows it by."""
        return sha256(self.content)

    def document(self) -> dict[str, Any]:
        """The parsed JSON object. Raises RegistryError when it is none."""
        return json_object(self.content, "a manifest")


def sha256(content: bytes) -> str:
    """`sha256:` and the hex digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def json_object(content: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object. Raises RegistryError."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryError(
            "Unknown",
            f"the registry sent {what} that is no JSON object ({len(content):,} bytes): check that registry.repository "
            "names a registry, without a log-in page or proxy in front",
        )
    return document


class Repository:
    """A repository of a registry; a context manager, which holds the connections.

    All methods raise RegistryError; NotInRegistryError says that what was asked for does not exist.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        plain_http: bool = False,
        config: DockerConfig | None = None,
        certificates: Path | None = None,
    ) -> None:
        self.host, self.path = reference.host, reference.path
        self.name = reference.repository
        self._plain_http = plain_http
        self._credentials = config.for_repository(self.host, self.path) if config else None
        host = "registry-1.docker.io" if self.host == DEFAULT_HOST else self.host
        verify = str(certificates) if certificates else True
        self._trusted = {host.lower()}
        self._dxf = DXF(host, self.path, self._authenticate, insecure=plain_http, tlsverify=verify, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        self._dxf.__enter__()
        session: requests.Session = self._dxf._sessions[0]
        session.trust_env = False
        session.max_redirects = MAX_REDIRECTS
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter(self._trusted))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dxf.__exit__(kind, error, trace)

    def manifest(self, version: str) -> Manifest:
        """The manifest of a tag or digest."""
        if ":" in version or "/" in version:
            _check_digest(version)
        with self._registry_errors(f"{self.name} has no {version:.200}"):
            _, response = self._dxf.get_manifest_and_response(version)
        manifest = Manifest(response.content, response.headers.get("Content-Type", "").partition(";")[0].strip())
        if version.startswith("sha256:") and manifest.digest != version:
            raise RegistryError(
                "Unknown", f"{self.name}: the manifest {version} came with the digest {manifest.digest}"
            )
        return manifest

    def put_manifest(self, version: str, content: bytes) -> str:
        """Store a manifest, whose JSON names its own media type, under a tag or its digest; returns the digest."""
        with self._registry_errors(f"{self.name} does not exist"):
            self._dxf.set_manifest(version, content.decode())
        return sha256(content)

    def delete_manifest(self, digest: str) -> None:
        """Delete a manifest and the tags that name it; blobs go with the registry's garbage collection.

        Raises NotAllowedError when the registry deletes nothing, or not for this user; NotInRegistryError.
        """
        _check_digest(digest)
        try:
            with self._registry_errors(f"{self.name} has no {digest:.200}"):
                self._dxf._request("delete", f"manifests/{digest}")
        except RegistryError as error:
            if error.reason == "RegistryUnauthorized":
                raise NotAllowedError(error.reason, error.message) from None
            if error.reason == "RegistryReadOnly":
                message = (
                    f"the registry {self.host} answers 405: it deletes no images; allow deletion there to have them"
                )
                raise NotAllowedError(error.reason, f"{message} removed ({self.name})") from None
            raise

    def has_blob(self, digest: str) -> bool:
        """Whether the repository holds the blob."""
        _check_digest(digest)
        try:
            with self._registry_errors(""):
                self._dxf.blob_size(digest)
        except NotInRegistryError:
            return False
        return True

    def blob(self, digest: str, limit: int = MAX_DOCUMENT) -> bytes:
        """A blob in memory, its digest checked; at most `limit` bytes."""
        buffer = io.BytesIO()
        self._download(digest, buffer, limit, DOCUMENT_SECONDS)
        return buffer.getvalue()

    def blob_to_file(self, digest: str, path: Path, limit: int) -> None:
        """Write a blob to a file, its digest checked; at most `limit` bytes. A failure leaves no file."""
        try:
            with path.open("wb") as file:
                self._download(digest, file, limit, BLOB_SECONDS)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def put_blob(self, content: bytes) -> str:
        """Upload a blob, unless it is there; returns its digest."""
        digest = sha256(content)
        with self._registry_errors(f"{self.name} does not exist"):
            self._dxf.push_blob(data=io.BytesIO(content), digest=digest)
        return digest

    def put_file(self, path: Path) -> str:
        """Upload a file as a blob, unless it is there; returns its digest."""
        with self._registry_errors(f"{self.name} does not exist"):
            digest: str = self._dxf.push_blob(filename=str(path))
        return digest

    def take_blob(self, source: "Repository", digest: str) -> None:
        """Have a blob of another repository here too: mounted within a registry, else copied through this machine."""
        if source.name == self.name or self.has_blob(digest):
            return
        if source.host == self.host:
            try:
                with self._registry_errors(f"{source.name} has no {digest:.200}"):
                    self._dxf.mount_blob(source.path, digest)
                return
            except dxf_errors.DXFMountFailed:
                pass  # a registry may always answer that it wants the bytes
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "blob"
            source.blob_to_file(digest, copy, limit=1 << 40)
            self.put_file(copy)

    def _download(self, digest: str, target: BinaryIO, limit: int, seconds: float) -> None:
        """Not by dxf's pull_blob, which waits until a piece is whole."""
        _check_digest(digest)
        found = hashlib.sha256()
        with self._registry_errors(f"{self.name} has no {digest:.200}"):
            response = self._dxf._request("get", f"blobs/{digest}", stream=True)
            for chunk in parts(response, limit, seconds):
                found.update(chunk)
                target.write(chunk)
        if digest != f"sha256:{found.hexdigest()}":
            raise RegistryError("Unknown", f"{self.name}: {digest} is damaged on the way or in the registry")

    def _authenticate(self, dxf: DXF, response: requests.Response) -> None:
        """Called by dxf on a 401: with our credentials, or for an anonymous token.

        Only the registry itself may ask for them and name the server that gives tokens, not one it redirects to.
        """
        if authority(response.url) != authority(self._dxf._base_url):
            raise dxf_errors.DXFUnauthorizedError
        realm = _REALM.search(response.headers.get("www-authenticate", ""))
        if realm:
            self._trusted.add(authority(realm.group(1)))
        user: Credentials | None = self._credentials
        if user is None:
            if "bearer" in response.headers.get("www-authenticate", "").casefold():
                dxf.authenticate(response=response)
            return
        dxf.authenticate(user.user, user.password, response=response)

    @contextmanager
    def _registry_errors(self, missing: str) -> Iterator[None]:
        """Turn what requests and dxf raise into errors that name the address and the remedy."""
        try:
            yield
        except dxf_errors.DXFUnauthorizedError:
            raise self._unauthorized("401") from None
        except dxf_errors.DXFAuthInsecureError:
            raise RegistryError(
                "RegistryUnauthorized",
                f"the registry {self.host} asks for credentials over plain HTTP, where they would be readable: "
                "give it TLS and leave registry.plainHTTP out, or let it work without credentials",
            ) from None
        except dxf_errors.DXFMountFailed:
            raise
        except requests.HTTPError as error:
            raise self._answered(error.response, missing) from None
        except requests.exceptions.JSONDecodeError as error:
            raise self._no_registry(error) from None
        except (requests.RequestException, BrokenConnection, OSError) as error:
            if is_disk_full(error):
                raise RegistryError("DiskFull", DISK_FULL) from None
            raise self._unreachable(error) from None
        except (*_NOT_A_REGISTRY, dxf_errors.DXFError) as error:
            raise self._no_registry(error) from None

    def _no_registry(self, error: Exception) -> RegistryError:
        """What was wrong is named by the kind of error: its text may quote the answer."""
        kind = type(error).__name__
        return RegistryError("Unknown", f"{self.host} does not answer as a registry does ({kind}): is it one?")

    def _answered(self, response: requests.Response, missing: str) -> RegistryError:
        status = response.status_code
        if status == 404:
            return NotInRegistryError(missing)
        if status == 403:
            return self._unauthorized("403")
        told = _registry_message(response)
        if status == 400 and b"HTTPS server" in response.content[:200]:
            told += "; it speaks TLS: leave registry.plainHTTP out"
        text = f"the registry {self.host} answers {status} for {self.path}: {told}"
        if status == 405:
            return RegistryError("RegistryReadOnly", f"{text}; it takes no pushes: end its read-only mode")
        if status >= 500 or status == 429:
            return RegistryError("RegistryUnreachable", f"{text}; look at the registry's log and free disk space")
        return RegistryError("Unknown", text)

    def _unauthorized(self, status: str) -> RegistryError:
        who = f"as {self._credentials.user!r}" if self._credentials else "without credentials"
        return RegistryError(
            "RegistryUnauthorized",
            f"the registry {self.host} refuses ({status}) access to {self.path} {who}: "
            "put a user that may pull and push there into the Secret of registry.pushSecretRef",
        )

    def _unreachable(self, error: Exception) -> RegistryError:
        scheme = "http" if self._plain_http else "https"
        remedy = "check registry.repository and that the registry runs"
        if isinstance(error, requests.exceptions.SSLError):
            remedy = "it needs a certificate that the image trusts; one without TLS needs registry.plainHTTP: true"
        cause = _innermost(error)
        return RegistryError(
            "RegistryUnreachable", f"the registry {scheme}://{self.host} cannot be reached ({cause}): {remedy}"
        )


def _registry_message(response: requests.Response) -> str:
    """The codes of the distribution specification's error object; nothing else of an answer is quoted."""
    try:
        codes = [item.get("code") for item in json.loads(response.content)["errors"][:3]]
    except _NOT_A_REGISTRY:
        codes = []
    told = ", ".join(dict.fromkeys(code for code in _CODES if code in codes))
    return told or phrases.get(response.status_code, "no explanation")


_CODES = (
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
)
"""Of the distribution specification; an answer may hold anything else as well."""


def _innermost(error: BaseException) -> str:
    """The cause at the bottom: in words when they are the system's or ours, since a library's may quote the answer."""
    deepest: BaseException = error
    while True:
        inner = deepest.__cause__ or deepest.__context__ or getattr(deepest, "reason", None)
        if not isinstance(inner, BaseException):
            break
        deepest = inner
    kind = type(deepest).__name__
    if isinstance(deepest, OSError) and deepest.strerror:
        return f"{kind}: {_one_line(deepest.strerror)}"[:200]
    return f"{kind}: {_one_line(str(deepest))}"[:200] if isinstance(deepest, requests.Timeout) else kind


def _one_line(text: str) -> str:
    """Printable, so that nothing can be forged in logs."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _check_digest(digest: str) -> None:
    """Digests come from manifests, and become parts of addresses."""
    if not _DIGEST.fullmatch(digest):
        raise RegistryError("Unknown", f"the registry sent a manifest with the digest {digest!r:.100}, which is none")
