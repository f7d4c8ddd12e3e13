"""`python -m labelloop.local.batch_prediction`: the role `batch-predict` in a process of its own that may be killed.

Settings come from the environment, as in a pod. The trainer reads the result in the termination message and logs it.
"""

import sys
from collections.abc import Mapping

from labelloop.batch_prediction.job import run
from labelloop.local.child_process import begin
from labelloop.training.result import write_termination_message


def main(variables: Mapping[str, str] | None = None) -> int:
    """0 unless it failed."""
    result = run(variables)
    write_termination_message(result, variables)
    return result.exit_code


if __name__ == "__main__":
    begin()
    sys.exit(main())
