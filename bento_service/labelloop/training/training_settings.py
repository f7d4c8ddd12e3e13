"""Settings of the training role (docs/internals/interfaces.md section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelloop.custom_model_settings import class_name
from labelloop.environment import Environment, SettingsError
from labelloop.label_studio import AddressPolicy
from labelloop.training.gate import GateRules, gate_rules

DEFAULT_WORK_DIRECTORY = Path("/work")
DEFAULT_HOLDOUT = 0.2
MAX_HOLDOUT = 0.9
ADDRESS_POLICY = "LABELLOOP_ADDRESS_POLICY"
# The sklearn example of label-studio-ml takes C from this variable.
_UPSTREAM_C = "LOGISTIC_REGRESSION_C"


@dataclass(frozen=True)
class TrainingSettings:
    """What decides about a model, besides the data."""

    project: int
    parameters: Mapping[str, object] = field(default_factory=dict)
    holdout: float = DEFAULT_HOLDOUT
    """At most this share of the texts is never trained on (split.holdout_fraction); 0 measures nothing."""
    exact_holdout: bool = False
    """Hold out just that share, however many texts it is."""
    gate: GateRules = field(default_factory=GateRules)
    active_version: str | None = None
    """The version now served: making the same again is not worth a roll-out."""
    store_snapshot: bool = True
    """Whether to leave a snapshot for the next training; else every training reads everything."""
    model_class: str | None = None
    """`module:Class` of a custom model; None: the text classifier."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "TrainingSettings":
        """Read the process environment, or `variables`. Raises SettingsError."""
        environment = Environment(variables)
        parameters = environment.json_object("LABELLOOP_PARAMETERS")
        if "C" not in parameters and environment.optional(_UPSTREAM_C):
            parameters["C"] = environment.number(_UPSTREAM_C)
        return cls(
            project=environment.integer("LABELLOOP_PROJECT", minimum=1),
            parameters=parameters,
            holdout=environment.number("LABELLOOP_HOLDOUT", DEFAULT_HOLDOUT, minimum=0, maximum=MAX_HOLDOUT),
            gate=_gate_rules(environment.json_object("LABELLOOP_EVALUATION")),
            active_version=environment.optional("LABELLOOP_ACTIVE_VERSION"),
            store_snapshot=environment.flag("LABELLOOP_STORE_SNAPSHOT", default=True),
            model_class=class_name(environment),
        )


@dataclass(frozen=True)
class ConnectionSettings:
    """Where the annotations are."""

    url: str
    token: str = field(repr=False)
    ca: bytes | None = field(default=None, repr=False)
    addresses: AddressPolicy | None = None
    """Where Label Studio may be; None, outside a cluster: anywhere."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "ConnectionSettings":
        """Read the process environment, or `variables`. Raises SettingsError."""
        environment = Environment(variables)
        return cls(
            url=environment.url("LABEL_STUDIO_URL"),
            token=environment.text("LABEL_STUDIO_API_KEY", remedy="put a token into the connection Secret"),
            ca=environment.certificates("LABEL_STUDIO_CA_FILE", remedy="check ca.crt of the connection Secret"),
            addresses=_address_policy(environment),
        )


def _address_policy(environment: Environment) -> AddressPolicy | None:
    text = environment.optional(ADDRESS_POLICY)
    if text is None:
        return None
    try:
        return AddressPolicy.from_json(text)
    except ValueError as error:
        raise SettingsError(f"{ADDRESS_POLICY} cannot be read ({error}): the operator sets it") from None


def _gate_rules(given: Mapping[str, object]) -> GateRules:
    try:
        return gate_rules(given)
    except ValueError as error:
        raise SettingsError(f"LABELLOOP_EVALUATION: {error}") from None


def work_directory(variables: Mapping[str, str] | None = None) -> Path:
    """The folder the three containers share."""
    return Environment(variables).path("LABELLOOP_WORK_DIR", DEFAULT_WORK_DIRECTORY)
