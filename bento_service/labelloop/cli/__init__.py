"""The `labelloop` command. What a command needs is imported when it runs: serving needs no training library."""

import sys
from typing import NoReturn

import typer

from labelloop import __version__
from labelloop.cli import check, data_commands, init, models, publish, roles
from labelloop.cli.output import CommandError
from labelloop.environment import SettingsError

EPILOG = (
    "Exit codes: 0 done; 1 it failed, or `check` found a trouble; 2 wrong use or setting; 3 not enough labelled data."
)

app = typer.Typer(
    name="labelloop",
    help="Label Studio ML backends that retrain and roll out by themselves. Settings come from environment variables.",
    epilog=EPILOG,
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


app.command(epilog="Example: labelloop init my-backend")(init.init)
app.command(epilog="Example: labelloop serve --model ./my-model --port 9090")(roles.serve)
app.command(epilog="Example: labelloop train --data tickets.csv --out ./my-model --json")(data_commands.train)
app.command(epilog="Example: labelloop evaluate --model ./my-model --data unseen.csv --json")(data_commands.evaluate)
app.command(epilog='Example: labelloop predict --model ./my-model --text "where is my parcel"')(data_commands.predict)
app.command(
    epilog="Example: labelloop publish --model ./my-model --to registry.example/team/intents "
    "--base registry.example/labelloop/backend:dev"
)(publish.publish)
app.add_typer(models.app, name="models")
app.command(epilog="Example: labelloop check --project 7 --url http://localhost:9090")(check.check)
app.command(epilog="Example: LABELLOOP_WORK_DIR=/work labelloop restore (in a training pod)")(roles.restore)
app.command(epilog="Example: LABELLOOP_WORK_DIR=/work labelloop verify (in a rebase pod)")(roles.verify)
app.command(epilog="Example: LABELLOOP_WORK_DIR=/work labelloop rebase (in a rebase pod)")(roles.rebase)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2, never a trace."""
    try:
        # Not standalone: typer would draw a box around a mistake.
        code = app(standalone_mode=False)
    except SettingsError as error:
        _give_up(str(error))
    except CommandError as error:
        _give_up(str(error), error.exit_code)
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


def _give_up(message: str, code: int = 2) -> NoReturn:
    sys.stderr.write(f"labelloop: {message}\n")
    sys.exit(code)
