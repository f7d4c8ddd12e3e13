"""What the containers `restore` and `publish` share: every way out is a result in the termination message."""

import logging
import sys
from collections.abc import Callable

from labelloop.environment import SettingsError
from labelloop.failures import DISK_FULL, is_disk_full
from labelloop.publishing.layer import LayerError
from labelloop.publishing.registry_errors import RegistryError
from labelloop.training.result import Result, ResultError, write_termination_message

LOG = logging.getLogger("labelloop.publishing")


def run_role(work: Callable[[], Result | None]) -> int:
    """Run a container's work; its result, if any, becomes the termination message. Returns the exit code."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    result = _result_of(work)
    if result is None:
        return 0
    if result.outcome == "Failed":
        LOG.error("%s: %s", result.reason, result.message)
    write_termination_message(result)
    return result.exit_code


def _result_of(work: Callable[[], Result | None]) -> Result | None:
    try:
        return work()
    except RegistryError as error:
        return Result.failed(error.reason, error.message)
    except LayerError as error:
        return Result.failed("ModelFailed", str(error))
    except (SettingsError, ResultError) as error:
        return Result.failed("Unknown", str(error))
    except Exception as error:
        if is_disk_full(error):
            return Result.failed("DiskFull", DISK_FULL)
        LOG.exception("this is a bug of Labelloop")
        return Result.failed("Unknown", f"unexpected {type(error).__name__}: the container's log has the trace")
