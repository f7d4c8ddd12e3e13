"""Another client sets, adds or removes any field of any child, once or repeatedly, at any moment.

The end is the one of an undisturbed resource, or a condition names the child and the field.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.chaos.plans import PLANS, Plan, Start, prepared, standing, told, trained
from tests.fakes.kubernetes import Object
from tests.fakes.scene import NAME, NAMESPACE, THEIRS, Json, Killer, Scene
from tests.fakes.validation import Refused
from tests.fakes.virtual_network import virtually

from labelloop_operator.controller.executor import RECHECK
from labelloop_operator.controller.repair_backoff import WINDOW

CLIENT = "kubectl-patch"
MOST_STEPS = 100
"""Until the other client acts, when the operator writes less than an example asks for."""
Path = tuple[str | int, ...]


async def _slow_training(scene: Scene) -> None:
    """The Job runs for some seconds."""
    scene.jobs_run = False
    scene.annotate()
    await scene.until(lambda: scene.api.all("jobs"))


async def _rest(_: Scene) -> None:
    """Nothing but the other client acts."""


MOMENTS = {
    "idle": Plan(trained, _rest),
    "training": Plan(trained, _slow_training),
    "roll-out": PLANS["second training"],
    "rebase": PLANS["another base image under a trained model"],
    "another cold version": PLANS["another base image"],
    "deletion": PLANS["deletion"],
}


@dataclass(frozen=True)
class Edit:
    """Which field is changed how: `child` and `field` choose among those that are there."""

    child: int
    field: int
    deed: str
    repeat: int
    pause: float


EDITS = st.builds(
    Edit,
    child=st.integers(0, 20),
    field=st.integers(0, 10_000),
    deed=st.sampled_from(["set", "add", "remove"]),
    repeat=st.sampled_from([1, 1, 2, 8]),
    pause=st.sampled_from([0.25, 3.0, 20.0]),
)


def fields(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of every map, list and value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from fields(below, (*path, key))


def editable(item: Object) -> list[Path]:
    """Fields of the content and of what the operator sets in the metadata."""
    content = {key: item[key] for key in ("spec", "data") if key in item}
    metadata = {key: item["metadata"][key] for key in ("labels", "annotations") if key in item["metadata"]}
    return [path for path in fields({**content, "metadata": metadata}) if path != ("metadata",)]


def changed(item: Object, path: Path, deed: str) -> None:
    """Do to one field what the deed says; what is not possible there is left."""
    *way, last = path
    place: Any = item
    for key in way:
        place = place[key]
    value = place[last]
    if deed == "remove":
        del place[last]
    elif deed == "add" and isinstance(value, dict):
        value[THEIRS] = "added"
    elif deed == "add" and isinstance(value, list):
        value.append(_another(value))
    elif isinstance(value, bool):
        place[last] = not value
    elif isinstance(value, int):
        place[last] = value + 1
    elif isinstance(value, str):
        place[last] = "dGhlaXJz" if path[0] == "data" else THEIRS


def _another(items: list[Any]) -> Any:
    """One more item of a list, with its key changed."""
    first = items[0] if items else THEIRS
    if isinstance(first, dict):
        keys = first.keys() & {"name", "mountPath", "port", "containerPort"}
        return {**first, **{key: f"{first[key]}-x" if isinstance(first[key], str) else first[key] + 1 for key in keys}}
    return THEIRS


def tamper(made: Scene, edit: Edit) -> None:
    """One change by the other client, if the API server allows it."""
    children = [
        (plural, item)
        for plural in ("services", "deployments", "jobs", "secrets")
        for item in made.api.all(plural)
        if item["metadata"].get("ownerReferences") and not item["metadata"].get("deletionTimestamp")
    ]
    if not children:
        return
    plural, item = children[edit.child % len(children)]
    paths = editable(item)
    if not paths:
        return
    path = paths[edit.field % len(paths)]
    try:
        made.api.patch(plural, NAMESPACE, item["metadata"]["name"], lambda live: changed(live, path, edit.deed), CLIENT)
    except Refused:
        return


@cache
def undisturbed(moment: str) -> str:
    """The end state without the other client."""
    plan = MOMENTS[moment]

    async def acts(made: Scene) -> None:
        await plan.act(made)
        made.jobs_run = True
        made.go_on()

    return plain(virtually(told(Plan(plan.before, acts))))


def plain(end: Json) -> str:
    """An end state without labels and annotations that others may add."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(below) for key, below in value.items() if (key, below) != (THEIRS, "added")}
        return [kept(below) for below in value] if isinstance(value, list) else value

    children = {
        name: {**child, "labels": kept(child["labels"])} if isinstance(child, dict) else child
        for name, child in end["children"].items()
    }
    return json.dumps({**end, "children": children}, sort_keys=True, indent=1)


async def disturbed(plan: Plan, start: Start, write: int, edits: list[Edit]) -> str:
    """The end state with these edits from that write of the operator on."""
    async with standing(start) as made:
        killer = Killer()
        made.count_writes(killer)
        await plan.act(made)
        for _ in range(MOST_STEPS):
            if killer.writes >= write:
                break
            await made.step(0.05)
        for edit in edits:
            for _ in range(edit.repeat):
                tamper(made, edit)
                await made.pass_time(edit.pause)
        made.jobs_run = True
        made.go_on()
        await made.settle(70.0)  # what lost its label is out of sight until the next complete list
        if made.world.condition("Ready")[1] == "ChildDisputed":
            assert any(part in made.world.message("Ready") for part in ("spec.", "metadata.", "data."))
        # The relay Secret is not watched; a dispute ends some time after the other client has.
        await made.pass_time(max(RECHECK, WINDOW))
        assert made.world.operator is not None
        made.world.operator.cache.revisit((NAMESPACE, NAME))
        await made.settle(70.0)
        return plain(made.end_state())


@pytest.mark.chaos_case("9")
@settings(max_examples=15, phases=[Phase.generate])  # an example is short: shrinking it would take minutes
@given(st.sampled_from(list(MOMENTS)), st.integers(0, 6), st.lists(EDITS, min_size=1, max_size=3))
def test_any_field_changed_by_another_client_ends_as_if_undisturbed(moment: str, write: int, edits: list[Edit]) -> None:
    plan = MOMENTS[moment]
    assert virtually(disturbed(plan, prepared(plan.before), write, edits)) == undisturbed(moment)
