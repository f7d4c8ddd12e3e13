"""The `labelloop` command. What a command needs is imported when it runs: serving needs no training library."""

import io
import sys
from typing import Annotated, NoReturn

import typer

from labelloop.cli import check, container_commands, init, models, publish, status
from labelloop.cli.evaluate import evaluate
from labelloop.cli.output import CommandError
from labelloop.cli.predict import predict
from labelloop.cli.serve import serve
from labelloop.cli.train import train
from labelloop.cli.version import version_line
from labelloop.environment import SettingsError

NAME = "labelloop"
EPILOG = (
    "Exit codes: 0 done; 1 it failed, or `check` found a trouble; 2 wrong use or setting; 3 not enough labelled data."
)

app = typer.Typer(
    name=NAME,
    help="Label Studio ML backends that retrain and roll out by themselves. Settings come from environment variables.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line())
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    _version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print version, commit and Python, and exit."
    ),
) -> None:
    """Show the help or the version; everything else is a sub-command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(epilog="Example: labelloop init my-backend")(init.init)
app.command(epilog="Example: labelloop serve --model ./my-model --port 9090")(serve)
app.command(epilog="Example: labelloop train --data tickets.csv --out ./my-model --json")(train)
app.command(epilog="Example: labelloop evaluate --model ./my-model --data unseen.csv --json")(evaluate)
app.command(epilog='Example: labelloop predict --model ./my-model --text "where is my parcel"')(predict)
app.command(
    epilog="Example: labelloop publish --model ./my-model --to registry.example/team/intents "
    "--base registry.example/labelloop/backend:dev"
)(publish.publish)
app.add_typer(models.app, name="models")
app.command(epilog="Example: labelloop status --project 7")(status.status)
app.command(epilog="Example: labelloop retrain --project 7")(status.retrain)
app.command(epilog="Example: labelloop check --project 7 --url http://localhost:9090")(check.check)
for role, pod in (
    (container_commands.restore, "training"),
    (container_commands.verify, "rebase"),
    (container_commands.rebase, "rebase"),
):
    app.command(
        rich_help_panel=container_commands.PANEL,
        epilog=f"Example: LABELLOOP_WORK_DIR=/work labelloop {role.__name__} (in a {pod} pod)",
    )(role)
app.command(
    rich_help_panel=container_commands.PANEL,
    epilog="Example: LABELLOOP_PROJECT=7 labelloop batch-predict (in a batch prediction pod)",
)(container_commands.batch_predict)


@app.command("help", epilog="Example: labelloop help train")
def help_(
    words: Annotated[list[str] | None, typer.Argument(metavar="COMMAND...", help="A command, as one types it.")] = None,
) -> None:
    """Show the help of a command."""
    app([*(words or []), "--help"], prog_name=NAME, standalone_mode=False)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2, never a trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only
    try:
        # Not standalone: typer would draw a box around a mistake.
        code = app(prog_name=NAME, standalone_mode=False)
    except SettingsError as error:
        _give_up(str(error))
    except CommandError as error:
        _give_up(str(error), error.exit_code)
    except typer.TyperException as error:
        _give_up(_sentence(error))
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


def _sentence(error: typer.TyperException) -> str:
    """What the parser says, with the option it is about, and where the help is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else NAME
    message = error.format_message().rstrip()
    return f"{message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help."


def _give_up(message: str, code: int = 2) -> NoReturn:
    sys.stderr.write(f"labelloop: {message}\n")
    sys.exit(code)
