"""What an answer of the Kubernetes API means for a person: a problem with its remedy, or nothing they could mend."""

import re

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.kubernetes.api_errors import ApiError, Severity
from labelloop_operator.planning.actions import Action, Apply, Create, Delete

_RBAC = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"(?: in API group "(?P<group>[^"]*)")?')
_UNFIT = re.compile(r"failed to create typed patch object|cannot be handled as a")
_IMMUTABLE = re.compile("immutable|may not change once set")
_FIXED = ("Service ", "Secret ")
_LIMIT = 600


def explain_api_error(error: ApiError, what: str) -> Problem | None:
    """`what` names the object, as in "Service intents-ml". None: it passes by itself or is a bug of ours."""
    message = error.message[:_LIMIT]
    if error.status == 403:
        return _forbidden(message, what)
    if _UNFIT.search(message):  # our own manifests fit: what does not is what a user put into one
        told = f"{what} does not fit the API server's schema ({message}): check spec's podTemplates"
        return Problem("", "", told, Reason.INVALID_SPEC)
    if error.severity is Severity.INVALID:
        if _IMMUTABLE.search(message):
            return Problem("", "", f"{what} cannot be changed in place ({message}): delete it", Reason.IMMUTABLE_FIELD)
        if what.startswith(_FIXED):  # nothing of the spec is in these
            told = f"{what} was refused ({message}): delete it, and the operator creates it again"
            return Problem("", "", told, Reason.CHILD_REJECTED)
        return Problem("", "", f"{what} was refused: {message}", Reason.INVALID_SPEC)
    if "admission webhook" in message and "denied" in message:
        return Problem("", "", f"{what} was refused: {message}", Reason.ADMISSION_DENIED)
    return None


def _forbidden(message: str, what: str) -> Problem | None:
    rbac = _RBAC.search(message)
    if rbac is not None:
        group = rbac["group"] or "core"
        remedy = (
            f"the operator may not {rbac['verb']} {rbac['resource']} ({group}): grant it in its role, as the chart does"
        )
        return Problem("", "", f"{what}: {remedy}", Reason.MISSING_PERMISSION)
    if "exceeded quota" in message:
        return Problem("", "", f"{what}: {message}; raise the quota or ask for less", Reason.QUOTA_EXCEEDED)
    if "being terminated" in message:
        return None
    return Problem("", "", f"{what} was refused: {message}", Reason.ADMISSION_DENIED)


def describe_action(action: Action) -> str:
    """What an action is about, in the words of a message."""
    if isinstance(action, (Apply, Create)):
        return f"{action.manifest['kind']} {action.manifest['metadata']['name']}"
    if isinstance(action, Delete):
        return f"{action.kind} {action.name}"
    return "the resource's finalizer"
