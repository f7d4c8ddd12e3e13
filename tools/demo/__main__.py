"""`python -m tools.demo up [--once]` and `python -m tools.demo down`: what `make demo` and `make demo-down` run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from labcluster import ClusterError
from tools.demo.demo import CLUSTER, Run, down, up
from tools.demo.failure import DemoError
from tools.demo.progress import Show


def main(argv: Sequence[str] | None = None) -> int:
    """Give 0 only if all went well; a person's Ctrl-C is well."""
    parser = argparse.ArgumentParser(prog="tools.demo", description=__doc__)
    parser.add_argument("--cluster", default=CLUSTER, help="name of the cluster (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up")
    starting.add_argument("--once", action="store_true", help="end by itself after two rounds")
    starting.add_argument("--results", type=Path, default=Run.results, help="file for the figures (default: demo.json)")
    commands.add_parser("down")
    chosen = parser.parse_args(argv)
    show = Show(Console())
    try:
        if chosen.command == "down":
            down(show, chosen.cluster)
        else:
            up(show, Run(chosen.once, chosen.cluster, chosen.results))
    except KeyboardInterrupt:
        return 130 if chosen.command == "up" and chosen.once else 0
    except (ClusterError, DemoError) as error:
        show.console.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
