"""Commands that pods run; they have no options, everything comes from the environment."""

import typer

PANEL = "Roles of pods"


def restore() -> None:
    """Fetch the snapshot of the last training from the registry (role of a training pod)."""
    from labelloop.publishing.restore import main as run

    raise typer.Exit(run())


def verify() -> None:
    """Compare the restored model's golden predictions on this base image (role of a rebase pod)."""
    from labelloop.publishing.verify import main as run

    raise typer.Exit(run())


def rebase() -> None:
    """Push the published model's layer on another base image (role of a rebase pod)."""
    from labelloop.publishing.rebase import main as run

    raise typer.Exit(run())


def batch_predict() -> None:
    """Write the model's predictions for a project's tasks to Label Studio (role of a batch prediction pod)."""
    from labelloop.batch_prediction.job import main as run

    raise typer.Exit(run())
