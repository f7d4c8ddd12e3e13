"""What a condition says of a failed attempt and of the next one."""

from datetime import datetime

from labelloop_operator.api.times import format_time


def tried_again(message: str, failures: int, at: datetime) -> str:
    """The failure's message, how often it failed, and the time of the next attempt, as whole sentences."""
    stop = "" if not message or message.endswith((".", "!", "?")) else "."
    how_often = "once" if failures == 1 else f"{failures} times in a row"
    return f"{message}{stop} Failed {how_often}; tried again at {format_time(at)}.".lstrip()
