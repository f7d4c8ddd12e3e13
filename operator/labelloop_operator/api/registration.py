"""What stands in Label Studio about one project: ML backends and webhooks, as far as we look at them."""

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
