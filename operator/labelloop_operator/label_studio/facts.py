"""Label Studio's answers as the facts that `plan` reads, and its errors as problems that a person can mend."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from labelloop import label_studio as library
from labelloop.label_config.schema import LabelConfigError, parse_label_config
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.label_studio_objects import RegisteredBackend, RegisteredWebhook
from labelloop_operator.api.spec import Problem
from labelloop_operator.label_studio.registration_operations import Owner, marked_resource
from labelloop_operator.planning.observed import ProjectFacts

Clock = Callable[[], float]

_REASONS: Mapping[type[library.LabelStudioError], Reason] = {
    library.InvalidConnection: Reason.CONNECTION_URL_INVALID,
    library.Unreachable: Reason.LABEL_STUDIO_UNREACHABLE,
    library.ExpiredToken: Reason.TOKEN_EXPIRED,
    library.Unauthorized: Reason.UNAUTHORIZED,
    library.NotFound: Reason.PROJECT_NOT_FOUND,
    library.NotLabelStudio: Reason.NOT_LABEL_STUDIO,
    library.AddressRefused: Reason.CONNECTION_ADDRESS_FORBIDDEN,
    library.AddressBlocked: Reason.ADDRESS_BLOCKED,
}


def problem(error: library.LabelStudioError) -> Problem:
    """What the condition says; the library's message already names address and remedy."""
    reason = next((_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS), Reason.LABEL_STUDIO_REJECTED)
    return Problem(field="", value="", message=error.message, reason=reason)


def timed_out(what: str, address: str, seconds: float) -> Problem:
    """Label Studio may have answered each request, but the whole took too long."""
    message = f"{what} at {address} did not end within {seconds:g} s: is Label Studio overloaded, or does it hang?"
    return Problem("", "", message, Reason.LABEL_STUDIO_UNREACHABLE)


async def project_facts(project: library.Project) -> ProjectFacts:
    """The project; its labelling configuration is parsed in a thread, since it may be large."""
    digest, trouble, ignored, labels = await asyncio.to_thread(_parsed, project.label_config)
    return ProjectFacts(
        id=project.id,
        title=project.title,
        label_config=project.label_config,
        label_config_digest=digest,
        label_config_problem=trouble,
        created_at=project.created_at,
        label_config_ignored=ignored,
        labels=labels,
    )


@lru_cache(maxsize=256)
def _parsed(label_config: str) -> tuple[str | None, str | None, tuple[str, ...], frozenset[str]]:
    try:
        schema = parse_label_config(label_config)
    except LabelConfigError as error:
        return None, str(error), (), frozenset()
    return schema.digest, None, schema.ignored, frozenset(label for item in schema.controls for label in item.labels)


def backend_facts(found: Iterable[library.Backend], owner: Owner) -> tuple[RegisteredBackend, ...]:
    """All ML backends of the project, ours marked."""
    return tuple(
        RegisteredBackend(
            id=item.id,
            url=item.url,
            title=item.title,
            model_version=item.model_version,
            ours=owner.owns(item),
            state=item.state,
            basic_auth_user=item.basic_auth_user,
            resource=marked_resource(item),
        )
        for item in found
    )


def webhook_facts(found: Iterable[library.Webhook], owner: Owner, secret: str) -> tuple[RegisteredWebhook, ...]:
    """The project's webhooks that point to our address."""
    return tuple(
        RegisteredWebhook(
            id=hook.id,
            url=hook.url,
            actions=hook.actions,
            is_active=hook.is_active,
            send_payload=hook.send_payload,
            send_for_all_actions=hook.send_for_all_actions,
            authorized=owner.authorizes(hook, secret),
        )
        for hook in found
        if owner.owns_webhook(hook)
    )
