"""What a resource says when the operator itself failed at it."""

from dataclasses import replace
from datetime import datetime

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, set_condition
from labelloop_operator.api.status import Status


def internal_error_status(before: Status, generation: int, error: Exception, now: datetime) -> Status:
    """The status on record, whose Ready says so: how much of the plan was done is not known. No trace, no values."""
    message = (
        f"the operator failed at this resource ({type(error).__name__}): what serves continues to serve; it tries "
        "again by itself at least every minute, and at once when the resource changes. This is a fault of the "
        "operator: its log has the details, please report it"
    )
    conditions = set_condition(
        before.conditions, ConditionType.READY, ConditionStatus.UNKNOWN, Reason.INTERNAL_ERROR, message, generation, now
    )
    return replace(before, conditions=conditions)
