"""The `labelloop` command in this process: as fast as it can be, with everything but its own start."""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from labelloop.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, text: str = "", variables: Mapping[str, str] | None = None) -> Done:
    """Run `labelloop ARGUMENTS` with `text` as standard input and nothing but `variables` in the environment."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", **(variables or {})}
    with (
        patch.object(sys, "argv", ["labelloop", *map(str, arguments)]),
        patch.object(sys, "stdin", io.StringIO(text)),
        patch.dict(os.environ, environment, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    return Done(code, out.getvalue(), err.getvalue())
