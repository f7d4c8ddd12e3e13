"""Settings of the containers `restore` and `publish` (docs/internals/interfaces.md section 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelloop.environment import Environment, SettingsError
from labelloop.publishing.append import Addition, append_layer
from labelloop.publishing.credentials import DockerConfig, read_docker_config
from labelloop.publishing.reference import ImageNameError, Reference
from labelloop.publishing.registry import Repository

CONFIG_VARIABLE = "LABELLOOP_REGISTRY_CONFIG"
_REMEDY = "use host[:port]/path, such as registry.tools:5000/team/intents"


@dataclass(frozen=True)
class RegistrySettings:
    """How to reach repositories."""

    plain_http: bool
    """For the registry of LABELLOOP_REPOSITORY; any other one is asked with TLS."""
    plain_host: str | None
    config: DockerConfig
    certificates: Path | None
    """Certificate authorities of the registry; None: those that the image trusts."""

    @classmethod
    def read(cls, environment: Environment, host: str | None) -> "RegistrySettings":
        """Raises SettingsError."""
        return cls(
            plain_http=environment.flag("LABELLOOP_REGISTRY_PLAIN_HTTP"),
            plain_host=host,
            config=read_docker_config(environment.optional_path(CONFIG_VARIABLE), CONFIG_VARIABLE),
            certificates=environment.optional_path("LABELLOOP_REGISTRY_CA_FILE"),
        )

    def repository(self, reference: Reference) -> Repository:
        """The repository of a reference, with the credentials for it."""
        plain = self.plain_http and self.plain_host in (None, reference.host)
        return Repository(reference, plain_http=plain, config=self.config, certificates=self.certificates)

    def append(self, base: Reference, target: Reference, addition: Addition, tags: Sequence[str]) -> Reference:
        """Push `base` with the addition to `target` under the tags; its name by digest. Raises RegistryError."""
        with self.repository(base) as source, self.repository(target) as remote:
            return target.with_digest(append_layer(source, base, remote, addition, tags))


@dataclass(frozen=True)
class RestoreSettings:
    """Of `labelloop restore`."""

    work_directory: Path
    snapshot: Reference | None
    active_image: Reference | None
    """Image of the version that serves, whose model the new one is compared with."""
    registry: RegistrySettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "RestoreSettings":
        """Raises SettingsError."""
        environment = Environment(variables)
        repository = environment.optional("LABELLOOP_REPOSITORY")
        host = _reference("LABELLOOP_REPOSITORY", repository).host if repository else None
        snapshot = environment.optional("LABELLOOP_SNAPSHOT")
        active = environment.optional("LABELLOOP_ACTIVE_IMAGE")
        return cls(
            work_directory=environment.path("LABELLOOP_WORK_DIR", "/work"),
            snapshot=_reference("LABELLOOP_SNAPSHOT", snapshot) if snapshot else None,
            active_image=_reference("LABELLOOP_ACTIVE_IMAGE", active) if active else None,
            registry=RegistrySettings.read(environment, host),
        )


@dataclass(frozen=True)
class PublishSettings:
    """Of `labelloop publish`."""

    work_directory: Path
    base_image: Reference
    repository: Reference
    job: str
    """Tag of everything that this Job pushes: the Job's name and uid."""
    registry: RegistrySettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "PublishSettings":
        """Raises SettingsError."""
        environment = Environment(variables)
        repository = _reference("LABELLOOP_REPOSITORY", environment.text("LABELLOOP_REPOSITORY", remedy=_REMEDY))
        if repository.tag or repository.digest:
            raise SettingsError(f"LABELLOOP_REPOSITORY is {str(repository)!r}: leave tag and digest out")
        job = environment.text("LABELLOOP_JOB", remedy="set it to a tag that no other Job uses")
        try:
            repository.with_tag(job)
        except ImageNameError as error:
            raise SettingsError(f"LABELLOOP_JOB is {job!r}: {error}") from None
        return cls(
            work_directory=environment.path("LABELLOOP_WORK_DIR", "/work"),
            base_image=_reference("LABELLOOP_BASE_IMAGE", environment.text("LABELLOOP_BASE_IMAGE", remedy=_REMEDY)),
            repository=repository,
            job=job,
            registry=RegistrySettings.read(environment, repository.host),
        )


@dataclass(frozen=True)
class RebaseSettings:
    """Of `labelloop rebase`."""

    publish: PublishSettings
    """Where to push, and the new base image."""
    active_image: Reference
    """Image whose model layer is appended again."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "RebaseSettings":
        """Raises SettingsError."""
        active = Environment(variables).text("LABELLOOP_ACTIVE_IMAGE", remedy=_REMEDY)
        return cls(PublishSettings.from_environment(variables), _reference("LABELLOOP_ACTIVE_IMAGE", active))


def _reference(variable: str, text: str) -> Reference:
    try:
        return Reference.parse(text)
    except ImageNameError as error:
        raise SettingsError(f"{variable}: {error}; {_REMEDY}") from None
