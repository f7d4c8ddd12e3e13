"""Settings of the serving role (docs/internals/interfaces.md, section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.environment import Environment, SettingsError, SettingsErrors
from labelloop.prediction.model_settings import DEFAULT_MODEL_DIRECTORY, ModelSettings, blind_holdout

if TYPE_CHECKING:
    from labelloop.local.local_settings import LocalSettings

DEFAULT_PORT = 9090
LOOPBACK, ALL_ADDRESSES = "127.0.0.1", "0.0.0.0"  # noqa: S104 - a pod's server is reached from outside of it
LOG_FORMATS = ("text", "json")
MAX_WORKERS, MAX_THREADS = 64, 64
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class BasicAuth:
    """Credentials that Label Studio stores with the backend."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class RelayTarget:
    """Where hints and training requests go, and the secret that opens it."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ServingSettings(ModelSettings):
    """What the server needs to know before it starts."""

    port: int = DEFAULT_PORT
    host: str = LOOPBACK
    """Address to listen at."""
    log_level: str = "INFO"
    log_format: str = "text"
    relay: RelayTarget | None = None
    """None: local mode, no operator behind this backend."""
    webhook_secret: str | None = field(default=None, repr=False)
    basic_auth: BasicAuth | None = None
    workers: int = 1
    """Processes that share the port."""
    threads: int = 1
    """Large requests that are answered at a time, in each worker."""
    local: "LocalSettings | None" = None
    """Set when there is no operator: this backend looks after itself."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "ServingSettings":
        """Read the process environment, or `variables`.

        Raises SettingsError that tells everything that is wrong at once, one line for each variable.
        """
        environment = Environment(variables)
        mistakes = SettingsErrors()
        read = mistakes.read

        settings = cls(
            port=read(lambda: environment.integer("PORT", DEFAULT_PORT, minimum=1, maximum=65535), DEFAULT_PORT),
            host=read(lambda: _host(environment), LOOPBACK),
            log_format=read(lambda: environment.choice("LABELLOOP_LOG_FORMAT", LOG_FORMATS, "text"), "text"),
            log_level=read(lambda: environment.choice("LOG_LEVEL", LOG_LEVELS, "INFO"), "INFO"),
            model_directory=read(
                lambda: environment.path("LABELLOOP_MODEL_DIR", DEFAULT_MODEL_DIRECTORY), DEFAULT_MODEL_DIRECTORY
            ),
            expected_version=environment.optional("LABELLOOP_MODEL_VERSION"),
            relay=read(lambda: _relay(environment), None),
            webhook_secret=environment.optional("LABELLOOP_WEBHOOK_SECRET"),
            basic_auth=read(lambda: _basic_auth(environment), None),
            blind=read(lambda: blind_holdout(environment), None),
            workers=read(lambda: environment.integer("WORKERS", 1, minimum=1, maximum=MAX_WORKERS), 1),
            threads=(threads := read(lambda: environment.integer("THREADS", 1, minimum=1, maximum=MAX_THREADS), 1)),
            own=read(lambda: CustomModelSettings.from_environment(environment, threads), None),
            local=read(lambda: _local(environment, variables), None),
        )
        mistakes.raise_if_any()
        return settings

    @property
    def is_open(self) -> bool:
        """Whether others on the network reach it, and nothing asks them for a password."""
        return not ip_address(self.host).is_loopback and self.basic_auth is None


def _host(environment: Environment) -> str:
    """LABELLOOP_HOST, which the images set; else all addresses in a pod, and this machine's own elsewhere."""
    chosen = environment.optional("LABELLOOP_HOST")
    if chosen is None:
        return LOOPBACK if environment.optional("KUBERNETES_SERVICE_HOST") is None else ALL_ADDRESSES
    try:
        return str(ip_address(LOOPBACK if chosen == "localhost" else chosen))
    except ValueError:
        raise SettingsError(
            f"LABELLOOP_HOST is {chosen!r}: use an IP address of this machine, such as {LOOPBACK}, "
            f"or {ALL_ADDRESSES} for all of them"
        ) from None


def _local(environment: Environment, variables: Mapping[str, str] | None) -> "LocalSettings | None":
    if environment.optional("LABELLOOP_RELAY_URL") is not None:
        return None
    from labelloop.local.local_settings import LocalSettings  # a pod does without

    return LocalSettings.from_environment(variables)


def _relay(environment: Environment) -> RelayTarget | None:
    if environment.optional("LABELLOOP_RELAY_URL") is None:
        return None
    url = environment.url("LABELLOOP_RELAY_URL")
    remedy = "mount key `relay` of the Secret NAME-ml-relay, or unset LABELLOOP_RELAY_URL to run without an operator"
    return RelayTarget(url, environment.text("LABELLOOP_RELAY_SECRET", remedy=remedy))


def _basic_auth(environment: Environment) -> BasicAuth | None:
    user, password = environment.optional("BASIC_AUTH_USER"), environment.optional("BASIC_AUTH_PASS")
    if user is None and password is None:
        return None
    if user is None:
        raise SettingsError("BASIC_AUTH_USER is not set but BASIC_AUTH_PASS is: set both, or neither for no password")
    if password is None:
        raise SettingsError("BASIC_AUTH_PASS is not set but BASIC_AUTH_USER is: set both, or neither for no password")
    if ":" in user:
        raise SettingsError(f"BASIC_AUTH_USER is {user!r}: use a name without a colon, which HTTP basic auth forbids")
    return BasicAuth(user, password)
