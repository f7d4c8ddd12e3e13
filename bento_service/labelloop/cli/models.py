"""`labelloop models`: the versions local mode keeps in MODEL_DIR."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelloop.cli.evaluate import by_label, confusions
from labelloop.cli.output import FAILED, JSON_OPTION, CommandError, ago, print_result, table, working
from labelloop.cli.project_facts import DirectoryOption, ProjectFacts, ProjectOption, project_facts, store_of, stores
from labelloop.metrics import HEADLINE, title

if TYPE_CHECKING:
    from labelloop.local.version_store import ProjectStore
    from labelloop.models.model import Model

app = typer.Typer(help="Versions kept by local mode: list, show, roll back, prune.")
MOST_LABELS = 20


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Without a sub-command: the help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list", epilog="Example: labelloop models list --project 7")
def list_versions(
    model_dir: DirectoryOption = None, project: ProjectOption = None, as_json: bool = JSON_OPTION
) -> None:
    """List the versions of each project, newest last."""
    projects = [store_of(model_dir, project)] if project else stores(model_dir)
    document = {"projects": [_described(store) for store in projects]}
    rows = [
        (
            str(store.project),
            str(version["version"]),
            ago(version["promoted_at"]),
            _share(version["accuracy"]),
            "yes" if version["serves"] else "",
        )
        for store in projects
        for version in _versions(store)
    ]
    print_result(as_json, document, table(("project", "version", "promoted", "accuracy", "serves"), rows))


@app.command(epilog="Example: labelloop models show --project 7")
def show(
    version: Annotated[str | None, typer.Argument(help="Version (else the one that serves).")] = None,
    model_dir: DirectoryOption = None,
    project: ProjectOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Show a version: labels and metrics, and what is pending and how the newest training of its project ended."""
    from labelloop.local.local_settings import LocalSettings

    store = store_of(model_dir, project)
    wanted = version or store.read().current
    if wanted is not None and wanted not in store.versions():
        raise CommandError(f"project {store.project} has no version {wanted}; see labelloop models list.")
    model = None if wanted is None else _load(store, wanted)
    with working("asking Label Studio"):
        facts = project_facts(store, LocalSettings.from_environment())
    document = {**facts.document(), "version": wanted, "created_at": None, "labels": {}, "metrics": {}}
    if model is not None:
        labels = {control: list(names) for control, names in model.labels.items()}
        document |= {"created_at": model.created_at, "labels": labels, "metrics": dict(model.metrics)}
    print_result(as_json, document, _shown(facts, wanted, model))


@app.command(epilog="Example: labelloop models rollback --project 7")
def rollback(
    version: Annotated[str | None, typer.Argument(help="Version (else the one promoted before).")] = None,
    model_dir: DirectoryOption = None,
    project: ProjectOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Let an older version serve again; a running server follows within seconds, without a failed request."""
    from labelloop.local.version_store import StoreError

    store = store_of(model_dir, project)
    before = store.read().current
    try:
        now = store.rollback(version)
    except StoreError as error:
        raise CommandError(f"{error}.") from None
    document = {"project": store.project, "version": now, "before": before}
    print_result(as_json, document, [f"project {store.project} serves {now} (before: {before})"])


@app.command(epilog="Example: labelloop models prune --keep 3")
def prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest versions stay.")] = 5,
    model_dir: DirectoryOption = None,
    project: ProjectOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Remove old versions; the one that serves always stays."""
    projects = [store_of(model_dir, project)] if project else stores(model_dir)
    removed = [{"project": store.project, "version": gone} for store in projects for gone in store.prune(keep)]
    lines = [f"removed {item['version']} of project {item['project']}" for item in removed]
    print_result(as_json, {"removed": removed}, lines or ["nothing to remove"])


def _load(store: "ProjectStore", version: str) -> "Model":
    from labelloop.models import ModelFileError, load_model

    try:
        return load_model(store.path_of(version))
    except ModelFileError as error:
        raise CommandError(str(error), FAILED) from None


def _shown(facts: ProjectFacts, version: str | None, model: "Model | None") -> Iterator[str]:
    yield _fact("project", facts.project)
    yield _fact("version", version or "none: cold start")
    if model is not None:
        yield _fact("created", model.created_at or "not known")
        for control, labels in model.labels.items():
            more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
            yield _fact("labels", f"{control}: {', '.join(labels[:MOST_LABELS])}{more}")
        for name in HEADLINE:
            if model.metrics.get(name) is not None:
                yield _fact(title(name), model.metrics[name])
    for name, line in facts.lines().items():
        yield _fact(name, line)
    if model is not None:
        yield from _measured(model.metrics)


def _measured(metrics: Mapping[str, Any]) -> Iterator[str]:
    for control, part in metrics.get("controls", {"label": metrics}).items():
        if part.get("per_class"):
            yield from ("", *by_label(control, part["per_class"]))
        if part.get("confusions"):
            yield from ("", *confusions(part["confusions"]))


def _fact(name: str, value: object) -> str:
    return f"{name:<17} {value}"


def _described(store: "ProjectStore") -> dict[str, object]:
    return {"project": store.project, "serves": store.read().current, "versions": _versions(store)}


def _versions(store: "ProjectStore") -> list[dict[str, Any]]:
    state = store.read()
    known = {entry.version: entry for entry in state.history}
    return [
        {
            "version": version,
            "serves": version == state.current,
            "promoted_at": known[version].at if version in known else None,
            "accuracy": known[version].metrics.get("accuracy") if version in known else None,
        }
        for version in store.versions()
    ]


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""
