"""`labelloop models`: the versions local mode keeps in MODEL_DIR."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.output import JSON_OPTION, CommandError, table, tell

if TYPE_CHECKING:
    from labelloop.local.store import ProjectStore

app = typer.Typer(help="Versions kept by local mode: list, show, roll back, prune.", no_args_is_help=True)

DirectoryOption = Annotated[Path | None, typer.Option(help="Where the models are kept (else MODEL_DIR).")]
ProjectOption = Annotated[int | None, typer.Option(min=1, help="Project; may be left out when there is only one.")]


@app.command("list", epilog="Example: labelloop models list --project 7")
def list_versions(
    model_dir: DirectoryOption = None, project: ProjectOption = None, as_json: bool = JSON_OPTION
) -> None:
    """List the versions of each project, newest last."""
    projects = [_store(model_dir, project)] if project else _stores(model_dir)
    document = {"projects": [_described(store) for store in projects]}
    if as_json:
        tell(True, document, ())
        return
    rows = [
        [
            str(entry["project"]),
            str(version["version"]),
            str(version["promoted_at"] or ""),
            _share(version["accuracy"]),
            "serves" if version["serves"] else "",
        ]
        for entry in document["projects"]
        for version in _list(entry["versions"])
    ]
    table("", ("project", "version", "promoted at", "accuracy", ""), rows)


@app.command(epilog="Example: labelloop models show --project 7")
def show(
    version: Annotated[str | None, typer.Argument(help="Version (else the one that serves).")] = None,
    model_dir: DirectoryOption = None,
    project: ProjectOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Show a version: labels and metrics, and how the newest training ended."""
    from labelloop.models import ModelFileError, load_model

    store = _store(model_dir, project)
    state = store.read()
    wanted = version or state.current
    document: dict[str, object] = {"project": store.project, "version": wanted, "pending_since": state.cut.size}
    if state.last is not None:
        document["last_training"] = {"outcome": state.last.outcome, "message": state.last.message, "at": state.last.at}
    if wanted is not None:
        if wanted not in store.versions():
            raise CommandError(f"project {store.project} has no version {wanted}; see labelloop models list")
        try:
            model = load_model(store.path_of(wanted))
        except ModelFileError as error:
            raise CommandError(str(error), 1) from None
        document |= {
            "created_at": model.created_at,
            "labels": {control: list(labels) for control, labels in model.labels.items()},
            "metrics": dict(model.metrics),
        }
    tell(as_json, document, (f"{name:<14} {value}" for name, value in document.items()))


@app.command(epilog="Example: labelloop models rollback --project 7")
def rollback(
    version: Annotated[str | None, typer.Argument(help="Version (else the one promoted before).")] = None,
    model_dir: DirectoryOption = None,
    project: ProjectOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Let an older version serve again; a running server follows within seconds, without a failed request."""
    from labelloop.local.store import StoreError

    store = _store(model_dir, project)
    before = store.read().current
    try:
        now = store.rollback(version)
    except StoreError as error:
        raise CommandError(str(error)) from None
    document = {"project": store.project, "version": now, "before": before}
    tell(as_json, document, [f"project {store.project} serves {now} (before: {before})"])


@app.command(epilog="Example: labelloop models prune --keep 3")
def prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest versions stay.")] = 5,
    model_dir: DirectoryOption = None,
    project: ProjectOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Remove old versions; the one that serves always stays."""
    projects = [_store(model_dir, project)] if project else _stores(model_dir)
    removed = {store.project: store.prune(keep) for store in projects}
    document = {"removed": [{"project": number, "version": gone} for number, all_ in removed.items() for gone in all_]}
    tell(as_json, document, [f"removed {item['version']} of project {item['project']}" for item in document["removed"]])


def _stores(model_dir: Path | None) -> "list[ProjectStore]":
    from labelloop.local.settings import model_directory
    from labelloop.local.store import Store

    directory = model_dir or model_directory()
    store = Store(directory)
    if not store.projects():
        raise CommandError(f"{directory} holds no projects: set MODEL_DIR or --model-dir to the folder of the server")
    return [store.project(number) for number in store.projects()]


def _store(model_dir: Path | None, project: int | None) -> "ProjectStore":
    found = _stores(model_dir)
    numbers = ", ".join(str(store.project) for store in found)
    if project is None and len(found) > 1:
        raise CommandError(f"there are several projects ({numbers}): name one with --project")
    chosen = next((store for store in found if project in (None, store.project)), None)
    if chosen is None:
        raise CommandError(f"there is no project {project}; there are: {numbers}")
    return chosen


def _described(store: "ProjectStore") -> dict[str, object]:
    state = store.read()
    known = {entry.version: entry for entry in state.history}
    versions = [
        {
            "version": version,
            "serves": version == state.current,
            "promoted_at": known[version].at if version in known else None,
            "accuracy": known[version].metrics.get("accuracy") if version in known else None,
        }
        for version in store.versions()
    ]
    return {"project": store.project, "serves": state.current, "versions": versions}


def _list(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""
