"""`python -m labelloop`: what the containers run."""

import sys


def main() -> None:
    """The command line; what pods run goes straight to its work, for the parser is up to half of such a start."""
    if sys.argv[1:] == ["serve"]:
        from labelloop.serving.server import run

        run()
    elif sys.argv[1:] == ["restore"]:
        from labelloop.publishing.restore import main as restore

        sys.exit(restore())
    elif sys.argv[1:] == ["publish"]:
        from labelloop.publishing.publish import main as publish

        sys.exit(publish())
    else:
        from labelloop.cli import main as command_line

        command_line()


if __name__ == "__main__":
    main()
