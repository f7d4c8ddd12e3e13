"""Technical failures of roles that talk to Label Studio, as results: the same reason for the same cause everywhere."""

from collections.abc import Callable

from labelloop.datasets.rows import RowError
from labelloop.environment import SettingsError
from labelloop.failures import frames, raise_site
from labelloop.label_config.schema import LabelConfigError
from labelloop.label_studio import AddressRefused, LabelStudioError, NotFound, NotLabelStudio, Unauthorized
from labelloop.training.result import Result

_SETTING_REASONS = {
    "LABEL_STUDIO_URL": "LabelStudioUnreachable",
    "LABEL_STUDIO_CA_FILE": "LabelStudioUnreachable",
    "LABELLOOP_ADDRESS_POLICY": "LabelStudioUnreachable",
    "LABEL_STUDIO_API_KEY": "LabelStudioUnauthorized",
    "LABELLOOP_PROJECT": "ProjectNotFound",
    "LABELLOOP_MODEL_CLASS": "ModelFailed",
    "LABELLOOP_MODEL_VERSION": "ModelFailed",
    "LABELLOOP_PARAMETERS": "ModelFailed",
    "LABELLOOP_HOLDOUT": "ModelFailed",
    "LABELLOOP_EVALUATION": "ModelFailed",
    "LOGISTIC_REGRESSION_C": "ModelFailed",
}


def read_failure(error: Exception, report: Callable[[str], None], action: str = "reading the annotations") -> Result:
    """Why `action` with Label Studio failed, settings included; `report` gets the places of what nobody foresaw."""
    match error:
        case SettingsError():
            reason = _SETTING_REASONS.get(str(error).split()[0].rstrip(":"), "Unknown")
        case Unauthorized():
            reason = "LabelStudioUnauthorized"
        case AddressRefused():
            reason = "ConnectionAddressForbidden"
        case NotFound():
            reason = "ProjectNotFound"
        case NotLabelStudio():
            reason = "NotLabelStudio"
        case LabelStudioError() | RowError():
            reason = "LabelStudioUnreachable"
        case LabelConfigError():
            reason = "LabelConfigUnsupported"
        case _:
            return unforeseen(error, "Unknown", action, report)
    return Result.failed(reason, error.message if isinstance(error, LabelStudioError) else str(error))


def unforeseen(error: Exception, reason: str, action: str, report: Callable[[str], None]) -> Result:
    """A bug or a library's failure. Messages of numerical libraries may quote data, so only the places are reported."""
    for place in frames(error):
        report(f"  {place}")
    return Result.failed(reason, f"{action} failed with {type(error).__name__} ({raise_site(error)}): see the log")
