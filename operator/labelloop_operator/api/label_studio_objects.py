"""What Label Studio holds about one project: ML backends, webhooks, and which predictions annotators get."""

from dataclasses import dataclass

WEBHOOK_ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_CREATED",
    "TASKS_DELETED",
    "PROJECT_UPDATED",
)
"""Everything that can change the count or the labelling configuration."""
CONNECTED = "CO"
LIVE, UNSELECTED, OTHER, OFF = "Live", "Unselected", "Other", "Off"
"""Values of `ShownPredictions.state`, as in the library's `Prelabeling`."""


@dataclass(frozen=True)
class RegisteredBackend:
    """An ML backend of the project: ours (by extra_params, or by our URL without another owner's mark) or not."""

    id: int
    url: str
    title: str
    model_version: str | None
    ours: bool
    state: str
    """CO connected, DI disconnected, ER error, ..., as it was when read."""
    basic_auth_user: str = ""
    resource: str = ""
    """namespace/name of the LabelStudioBackend that made it, of this cluster or another one."""


@dataclass(frozen=True)
class RegisteredWebhook:
    """A webhook of the project that points to our URL."""

    id: int
    url: str
    actions: tuple[str, ...]
    is_active: bool
    send_payload: bool
    send_for_all_actions: bool
    authorized: bool
    """It carries our present bearer secret."""


@dataclass(frozen=True)
class ShownPredictions:
    """Which predictions the project shows annotators, as seen from our ML backend."""

    state: str
    version: str
    """The project's `model_version`."""
