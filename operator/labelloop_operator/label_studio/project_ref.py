"""What the engine tells about a resource so that its project in Label Studio can be watched."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from labelloop.label_studio import Credentials
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import Cut
from labelloop_operator.label_studio.registration_operations import Owner
from labelloop_operator.planning.actions import Deregister, EnsureBackend, EnsureWebhook

Key = tuple[str, str]
Wake = Callable[[Key, float], None]
"""Reconcile this resource in so many seconds."""
LabelStudioAction = EnsureWebhook | EnsureBackend | Deregister


@dataclass(frozen=True)
class ProjectRef:
    """One resource's project: who we are there, and against which cut to count."""

    credentials: Credentials
    owner: Owner
    webhook_secret: str
    cut: Cut


@dataclass(frozen=True)
class PollIntervals:
    """How often Label Studio is asked, in seconds."""

    poll: float
    scan: float


class Progress(Enum):
    """How far an action is; a `Problem` instead means that it failed."""

    DONE = "done"
    WAITING = "waiting"


Outcome = Progress | Problem


@dataclass(frozen=True)
class Hint:
    """What a webhook said: only ever a reason to look. Annotations count when `authenticated`."""

    action: str
    authenticated: bool = False
    annotations: Iterable[tuple[int, datetime]] = ()
