"""`python -m tools.demo up [--once]` and `python -m tools.demo down`."""

import argparse
import sys

from rich.console import Console

from labcluster import ClusterError
from tools.demo.demo import down, up
from tools.demo.progress import Show


def main() -> int:
    """Give 0 only if all went well; a person's Ctrl-C is well."""
    parser = argparse.ArgumentParser(prog="tools.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up").add_argument("--once", action="store_true", help="end by itself after two rounds")
    commands.add_parser("down")
    chosen = parser.parse_args()
    show = Show(Console())
    try:
        if chosen.command == "down":
            down(show)
        else:
            up(show, chosen.once)
    except KeyboardInterrupt:
        return 130 if chosen.once else 0
    except (ClusterError, AssertionError) as error:
        show.console.print(f"[red]The demo failed:[/] {error}", highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
