"""`labelloop status` and `labelloop retrain`: local mode's projects at a glance, and a training by hand."""

from labelloop.cli.output import JSON_OPTION, print_result, working
from labelloop.cli.project_facts import DirectoryOption, ProjectOption, has_trainer, project_facts, store_of, stores


def status(model_dir: DirectoryOption = None, project: ProjectOption = None, as_json: bool = JSON_OPTION) -> None:
    """Show what serves each project, how many updates are pending, and how the last training ended.

    Reads the folder of the server (MODEL_DIR); updates are counted in Label Studio (LABEL_STUDIO_*).
    """
    from labelloop.local.local_settings import LocalSettings

    settings = LocalSettings.from_environment()
    chosen = [store_of(model_dir, project)] if project else stores(model_dir)
    running = has_trainer(chosen[0])
    with working("asking Label Studio"):
        found = [project_facts(store, settings) for store in chosen]
    lines = [f"{'server':<14} {'running' if running else 'none that trains runs on this folder'}"]
    for facts in found:
        lines += ["", f"project {facts.project}"]
        lines += [f"  {name:<14} {value}" for name, value in facts.lines().items()]
    print_result(as_json, {"server": running, "projects": [facts.document() for facts in found]}, lines)


def retrain(model_dir: DirectoryOption = None, project: ProjectOption = None, as_json: bool = JSON_OPTION) -> None:
    """Start a training now, as Start Training in Label Studio does; the server of the folder does it."""
    store = store_of(model_dir, project)
    request = store.request()
    running = has_trainer(store)
    what = f"training of project {store.project} requested"
    then = "the server starts it within seconds" if running else "it starts with the next server on this folder"
    document = {"project": store.project, "request": request, "server": running}
    print_result(as_json, document, [f"{what}: {then}; see labelloop status"])
