"""Label Studio's API: operations without I/O, credentials and errors. `client` executes them with requests."""

from labelloop.label_studio.addresses import AddressPolicy
from labelloop.label_studio.auth import Authenticator, Credentials
from labelloop.label_studio.backend_api import (
    Backend,
    backend,
    backends,
    create_backend,
    delete_backend,
    update_backend,
)
from labelloop.label_studio.errors import (
    AddressBlocked,
    AddressRefused,
    AnswerTooLarge,
    ExpiredToken,
    Failure,
    InvalidConnection,
    LabelStudioError,
    NotFound,
    NotLabelStudio,
    Rejected,
    Unauthorized,
    Unreachable,
    unreachable,
)
from labelloop.label_studio.prediction_api import import_predictions
from labelloop.label_studio.prelabeling import Prelabeling, Selection, prelabeling, select, selected, selection
from labelloop.label_studio.project_api import Counters, Project, counters, project, projects
from labelloop.label_studio.protocol import Operation, Request, Response
from labelloop.label_studio.release import release, too_old
from labelloop.label_studio.task_api import (
    AnnotationTimes,
    Task,
    TaskTimes,
    first_tasks,
    labelled_tasks,
    newest_change,
    scan,
    unlabelled_tasks,
)
from labelloop.label_studio.webhook_api import Webhook, create_webhook, delete_webhook, update_webhook, webhooks

__all__ = [
    "AddressBlocked",
    "AddressPolicy",
    "AddressRefused",
    "AnnotationTimes",
    "AnswerTooLarge",
    "Authenticator",
    "Backend",
    "Counters",
    "Credentials",
    "ExpiredToken",
    "Failure",
    "InvalidConnection",
    "LabelStudioError",
    "NotFound",
    "NotLabelStudio",
    "Operation",
    "Prelabeling",
    "Project",
    "Rejected",
    "Request",
    "Response",
    "Selection",
    "Task",
    "TaskTimes",
    "Unauthorized",
    "Unreachable",
    "Webhook",
    "backend",
    "backends",
    "counters",
    "create_backend",
    "create_webhook",
    "delete_backend",
    "delete_webhook",
    "first_tasks",
    "import_predictions",
    "labelled_tasks",
    "newest_change",
    "prelabeling",
    "project",
    "projects",
    "release",
    "scan",
    "select",
    "selected",
    "selection",
    "too_old",
    "unlabelled_tasks",
    "unreachable",
    "update_backend",
    "update_webhook",
    "webhooks",
]
