"""What /health and the model page say of a backend: which version answers which project, and what is wrong."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labelloop.prediction.model_loading import Serving
from labelloop.serving.address_watch import ADDRESSES
from labelloop.serving.request_error import UnknownProjectError
from labelloop.serving.serving_settings import ServingSettings

if TYPE_CHECKING:
    from labelloop.local.mode import Shown
    from labelloop.page_facts import Facts, Note, ProjectLine

Projects = Sequence["Shown"]
"""What local mode shows: one or several projects, or the backend before any; empty without local mode."""


def health(base: Serving, shown: Projects) -> dict[str, object]:
    """The answer of /health; of several projects also the version of each."""
    serving = [_serving(base, one) for one in shown] or [base]
    versions = {each.version for each in serving}
    body: dict[str, object] = {
        "status": "UP",
        "model_class": ", ".join(sorted({each.model_class for each in serving})),
        "model_version": versions.pop() if len(versions) == 1 else None,
    }
    if len(shown) > 1:
        body["projects"] = {
            str(one.store.project): {"model_class": each.model_class, "model_version": each.version}
            for one, each in zip(shown, serving, strict=True)
            if one.store is not None
        }
    fault = max((each.fault for each in serving if each.fault is not None), key=lambda fault: fault.at, default=None)
    if fault is not None:
        body["last_fault"] = {"message": f"The model {fault.message}", "at": fault.at, "times": fault.times}
    return body if base.problem is None else {**body, "problem": base.problem}


def facts(
    settings: ServingSettings,
    base: Serving,
    shown: Projects,
    all_projects: Projects,
    started: str,
    addresses: Collection[int | None],
) -> "Facts":
    """For the model page. Reads the projects' folders; `addresses`: projects whose texts look like addresses."""
    from labelloop.page_facts import Facts

    lines = [_line(settings, base, one, addresses) for one in all_projects if one.store is not None]
    if len(shown) > 1:
        return Facts(None, "", base.problem, started, None, projects=lines)
    serving = _serving(base, shown[0]) if shown else base
    fault = serving.fault
    found = Facts(
        serving.version,
        serving.model_class,
        serving.problem,
        started,
        None if serving.predictor is None else serving.predictor.model,
        fault=None if fault is None else f"{fault.at}: the model {fault.message} ({fault.times} times)",
        projects=lines,
    )
    if not shown or shown[0].store is None:
        return replace(found, notes=_without_project(settings, is_local=bool(shown), addresses=addresses))
    from labelloop.local import report

    store = shown[0].store
    state, there = store.read(), store.versions()
    version = serving.version or ""
    return replace(
        found,
        project=store.project,
        since=state.since if version == state.current else None,
        notes=_notes(settings, shown[0], addresses),
        versions=report.versions(state, version, there),
    )


def absent(error: UnknownProjectError, started: str) -> "Facts":
    """For the page of a project that is not there."""
    from labelloop.page_facts import Facts

    title = f"{error.error[:1].upper()}{error.error[1:]}"
    return Facts(None, "", None, started, None, absent=title, remedy=error.remedy)


def _serving(base: Serving, shown: "Shown") -> Serving:
    return replace(base, predictor=shown.predictor)


def _line(settings: ServingSettings, base: Serving, shown: "Shown", addresses: Collection[int | None]) -> "ProjectLine":
    from labelloop.page_facts import ProjectLine, pill_of

    assert shown.store is not None  # noqa: S101 - only called for projects
    serving = _serving(base, shown)
    tone, pill = pill_of(_notes(settings, shown, addresses))
    if pill == "ready" and shown.predictor is base.predictor:
        tone, pill = "plain", "not trained yet"
    return ProjectLine(shown.store.project, serving.version or "none", serving.model_class, tone, pill)


def _notes(settings: ServingSettings, shown: "Shown", addresses: Collection[int | None]) -> "list[Note]":
    from labelloop.local import report
    from labelloop.page_facts import by_urgency

    store = shown.store
    assert store is not None  # noqa: S101 - only called for projects
    unconfigured = settings.local.unconfigured if settings.local is not None else None
    found = report.notes(store.read(), store.shown(), shown.predictor.version, store.versions(), unconfigured)
    return by_urgency([*found, *_about_texts(store.project, addresses)])


def _without_project(settings: ServingSettings, *, is_local: bool, addresses: Collection[int | None]) -> "list[Note]":
    from labelloop.page_facts import OPERATED, Note

    found = []
    if settings.relay is not None:
        found.append(Note(OPERATED))
    elif settings.local is not None and settings.local.unconfigured is not None:
        found.append(Note(f"Nothing is counted or trained: {settings.local.unconfigured}."))
    elif is_local:
        found.append(Note("No project has asked for a prediction yet: connect this backend in Label Studio."))
    return [*found, *_about_texts(None, addresses)]


def _about_texts(project: int | None, addresses: Collection[int | None]) -> "list[Note]":
    from labelloop.page_facts import Note

    concerned = addresses if project is None else {project, None}.intersection(addresses)
    return [Note(ADDRESSES, "warn", "texts look like addresses")] if concerned else []
