"""`python -m labelloop`: what the containers run."""

import sys


def main() -> None:
    """The command line; pods' own command straight away, for its parser is a tenth of their start."""
    if sys.argv[1:] == ["serve"]:
        from labelloop.serving.server import run

        run()
    else:
        from labelloop.cli import main as command_line

        command_line()


if __name__ == "__main__":
    main()
