"""The operator's settings: one frozen value made from the environment at start (docs/internals/interfaces.md 5.2)."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labelloop.environment import Environment, SettingsError
from labelloop.label_studio import AddressPolicy
from labelloop.label_studio.addresses import Entry
from labelloop_operator.api.durations import parse_duration

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_MINIMUM_KEY_BYTES = 32


@dataclass(frozen=True)
class Settings:
    """What the chart decides. Times are seconds."""

    backend_image: str
    """Base Bento image of resources that name none; empty: each must name one."""
    registry_prefix: str
    """Repositories are PREFIX/NAMESPACE/NAME; empty: each resource must name its repository."""
    registry_plain_http: bool
    cluster_domain: str
    relay_url: str
    key: bytes
    """The operator's secret key; relay and webhook secrets are derived from it."""
    watch_namespaces: tuple[str, ...]
    """Empty: all namespaces."""
    poll_interval: float
    scan_interval: float
    resync_interval: float
    deregister_timeout: float
    probe_enabled: bool
    """Ask backends through their Services whether they answer."""
    probe_interval: float
    trainings_per_namespace: int
    trainings_per_label_studio: int
    """How many training Jobs may run at once; 0: no limit."""
    addresses: AddressPolicy
    """Where Label Studio may be; the API server's Service is refused."""
    log_level: str
    pod_name: str
    pod_namespace: str
    pod_ip: str
    """Where other replicas reach this one; empty: they cannot."""
    port: int
    workers: int

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Read every variable; SettingsError names the first one that is missing or wrong, its value and the remedy."""
        env = Environment(variables)
        return cls(
            backend_image=env.optional("LABELLOOP_BACKEND_IMAGE") or "",
            registry_prefix=(env.optional("LABELLOOP_REGISTRY") or "").rstrip("/"),
            registry_plain_http=env.flag("LABELLOOP_REGISTRY_PLAIN_HTTP"),
            cluster_domain=env.text("LABELLOOP_CLUSTER_DOMAIN", "cluster.local"),
            relay_url=env.url("LABELLOOP_RELAY_URL"),
            key=_read_key(env.path("LABELLOOP_KEY_FILE")),
            watch_namespaces=_names(env.optional("LABELLOOP_WATCH_NAMESPACES") or ""),
            poll_interval=_duration(env, "LABELLOOP_POLL_INTERVAL", "30s"),
            scan_interval=_duration(env, "LABELLOOP_SCAN_INTERVAL", "20m"),
            resync_interval=_duration(env, "LABELLOOP_RESYNC_INTERVAL", "5m"),
            deregister_timeout=_duration(env, "LABELLOOP_DEREGISTER_TIMEOUT", "60s"),
            probe_enabled=env.flag("LABELLOOP_PROBE_ENABLED", default=True),
            probe_interval=_duration(env, "LABELLOOP_PROBE_INTERVAL", "60s"),
            trainings_per_namespace=env.integer("LABELLOOP_TRAININGS_PER_NAMESPACE", 10, minimum=0),
            trainings_per_label_studio=env.integer("LABELLOOP_TRAININGS_PER_LABEL_STUDIO", 10, minimum=0),
            addresses=_addresses(env),
            log_level=env.choice("LOG_LEVEL", _LEVELS, "INFO"),
            pod_name=env.text("POD_NAME", f"{socket.gethostname()}-{os.getpid()}"),
            pod_namespace=env.text("POD_NAMESPACE", "default"),
            pod_ip=env.optional("POD_IP") or "",
            port=env.integer("LABELLOOP_PORT", 8080, minimum=0, maximum=65535),
            workers=env.integer("LABELLOOP_WORKERS", 8, minimum=1, maximum=64),
        )

    @property
    def address(self) -> str:
        """This replica's port for other replicas; empty when they cannot reach it."""
        host = f"[{self.pod_ip}]" if ":" in self.pod_ip else self.pod_ip
        return f"http://{host}:{self.port}" if host else ""


def _duration(env: Environment, name: str, default: str) -> float:
    value = env.text(name, default)
    remedy = "use a duration above zero such as 30s, 20m or 1h"
    try:
        seconds = parse_duration(value)
    except ValueError:
        raise SettingsError(f"{name} is {value!r}: {remedy}") from None
    if seconds <= 0:
        raise SettingsError(f"{name} is {value!r}: {remedy}")
    return seconds


def _addresses(env: Environment) -> AddressPolicy:
    policy = AddressPolicy(_networks(env, "LABELLOOP_ALLOWED_ADDRESSES"), _networks(env, "LABELLOOP_REFUSED_ADDRESSES"))
    api_server = env.optional("KUBERNETES_SERVICE_HOST")
    try:
        return policy.refusing([api_server] if api_server else [])
    except ValueError:  # a name, on some managed clusters: its addresses stand in the endpoints of the Service
        return policy


def _networks(env: Environment, name: str) -> tuple[Entry, ...]:
    listed = _names(env.optional(name) or "")
    try:
        return tuple(map(Entry.parse, listed))
    except ValueError as error:
        remedy = "use networks such as 10.0.0.0/8, or addresses with a port such as 10.0.0.1:8080"
        raise SettingsError(f"{name} is {', '.join(listed)!r} ({error}): {remedy}") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _read_key(path: Path) -> bytes:
    remedy = "mount the key Secret that the chart makes (at least 32 random bytes)"
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"LABELLOOP_KEY_FILE is {str(path)!r}, which cannot be read ({error.strerror}): {remedy}"
        ) from None
    if len(key) < _MINIMUM_KEY_BYTES:
        raise SettingsError(f"LABELLOOP_KEY_FILE is {str(path)!r}, which holds only {len(key)} bytes: {remedy}")
    return key
