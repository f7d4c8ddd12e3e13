"""`python -m labelloop`: what the containers run."""

import os
import signal
import sys

from labelloop.environment import runs_in_a_pod

_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """The command line; what pods run goes straight to its work, for the parser is up to half of such a start."""
    _end_when_told()
    if sys.argv[1:] == ["serve"]:
        from labelloop.serving.server import run

        run()
    elif sys.argv[1:] == ["restore"]:
        from labelloop.publishing.restore import main as restore

        sys.exit(restore())
    elif sys.argv[1:] == ["batch-predict"]:
        from labelloop.batch_prediction.job import main as batch_predict

        sys.exit(batch_predict())
    elif sys.argv[1:] == ["publish"] and runs_in_a_pod():
        from labelloop.publishing.publish import main as publish

        sys.exit(publish())
    else:
        from labelloop.cli import main as command_line

        command_line()


def _end_when_told() -> None:
    """As process 1 of a container Python would ignore SIGTERM: a training that is evicted, or whose Job is deleted or
    past its deadline, would go on until it is killed half a minute later. (Serving has a handler of its own.)"""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(_TERMINATED))


if __name__ == "__main__":
    main()
