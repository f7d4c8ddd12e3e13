"""The `labelloop` command: one sub-command per role of the backend image, each imported only when it runs."""

import sys
from typing import NoReturn

import typer

from labelloop import __version__
from labelloop.environment import SettingsError

app = typer.Typer(
    name="labelloop",
    help="Label Studio ML backends that retrain and roll out by themselves. Settings come from environment variables.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    _version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Show the help or the version; everything else is a sub-command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def serve() -> None:
    """Serve predictions to Label Studio (port 9090)."""
    from labelloop.serving.server import run

    run()


@app.command()
def restore() -> None:
    """Fetch the snapshot of the last training from the registry."""
    from labelloop.publishing.restore import main as run

    raise typer.Exit(run())


@app.command()
def train() -> None:
    """Read the annotations from Label Studio, fit a model and write it with its result."""
    from labelloop.training.job import main as run

    raise typer.Exit(run())


@app.command()
def publish() -> None:
    """Push the snapshot and the image with the trained model."""
    from labelloop.publishing.publish import main as run

    raise typer.Exit(run())


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2, never a trace."""
    try:
        # Not standalone: typer would draw a box around a mistake.
        code = app(standalone_mode=False)
    except SettingsError as error:
        _give_up(str(error))
    except typer.TyperException as error:
        _give_up(f"{error} See labelloop --help.")
    except ModuleNotFoundError as error:
        # The extras are split by role; a missing one is the installation's fault and has a remedy. One of our own
        # modules missing is a bug and keeps its trace.
        if error.name is None or error.name.split(".")[0] == "labelloop":
            raise
        _give_up(
            f"the Python package {error.name!r} is missing; install labelloop[serving] to serve or "
            "labelloop[training] to train"
        )
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _give_up(message: str) -> NoReturn:
    sys.stderr.write(f"labelloop: {message}\n")
    sys.exit(2)
