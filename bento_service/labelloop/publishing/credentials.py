"""Registry credentials from a Docker `config.json`, as Kubernetes keeps them in `kubernetes.io/dockerconfigjson`."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelloop.environment import SettingsError

_DOCKER_HUB = {"docker.io", "index.docker.io", "registry-1.docker.io"}


@dataclass(frozen=True)
class Credentials:
    """A user and its password or token."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class DockerConfig:
    """Credentials by registry, or by registry and the beginning of a path."""

    entries: Mapping[str, Credentials] = field(default_factory=dict, repr=False)

    def for_repository(self, host: str, path: str) -> Credentials | None:
        """The credentials of the longest entry that covers the repository; None: anonymous."""
        hosts = _DOCKER_HUB if host in _DOCKER_HUB else {host}
        covering = [
            key for key in self.entries if any(key == one or f"{one}/{path}/".startswith(f"{key}/") for one in hosts)
        ]
        return self.entries[max(covering, key=len)] if covering else None


def parse_docker_config(content: bytes) -> DockerConfig:
    """Read the JSON, such as the value of `.dockerconfigjson` in a Secret. Raises ValueError, which shows no value."""
    try:
        auths = json.loads(content).get("auths") or {}
        return DockerConfig({_host_and_path(key): _credentials(entry) for key, entry in auths.items() if entry})
    except (ValueError, AttributeError, TypeError):
        raise ValueError("it is not a Docker config.json") from None


def read_docker_config(path: Path | None, variable: str) -> DockerConfig:
    """Read the file; None gives no credentials. Raises SettingsError naming the variable and never a value."""
    if path is None:
        return DockerConfig()
    remedy = "mount a Secret of type kubernetes.io/dockerconfigjson (kubectl create secret docker-registry ...)"
    try:
        return parse_docker_config(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{variable} is {str(path)!r}: it cannot be read ({error.strerror}); {remedy}") from None
    except ValueError as error:
        raise SettingsError(f"{variable} is {str(path)!r}: {error}; {remedy}") from None


def _credentials(entry: Mapping[str, str]) -> Credentials:
    if entry.get("username"):
        return Credentials(entry["username"], entry.get("password", ""))
    try:
        user, separator, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (KeyError, binascii.Error, UnicodeDecodeError):
        raise ValueError from None
    if not separator:
        raise ValueError
    return Credentials(user, password)


def _host_and_path(key: str) -> str:
    """`https://index.docker.io/v1/` -> `index.docker.io`; a path stays, but for the old API's version."""
    without_scheme = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return without_scheme.removesuffix("/v1").removesuffix("/v2")
