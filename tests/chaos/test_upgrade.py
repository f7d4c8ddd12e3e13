"""What an earlier version left in the cluster is taken over, and what a later one adds is put up with.

tests/samples/upgrade/COMMIT.json holds what the operator of that commit had made on the fakes, its children with the
owners of their fields: one resource at rest, one training, one in the middle of a roll-out. Fields that 0.2.0 renamed
have their new names.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.plans import PLANS
from tests.fakes.label_studio import Annotation, Task
from tests.fakes.scene import BACKENDS, NAMESPACE, PLACE, Json, Scene, scene
from tests.fakes.virtual_network import virtually

SAMPLES = Path(__file__).parents[1] / "samples/upgrade"
RECORDED = {
    f"{path.stem}, {name}": state
    for path in sorted(SAMPLES.glob("*.json"))
    for name, state in json.loads(path.read_text())["states"].items()
}


def stand_in(made: Scene, state: Json) -> None:
    """Cluster and Label Studio as they were recorded."""
    api, label_studio = made.api, made.label_studio
    for place, item in state["objects"]:
        api.put(place[0], item, place[1])
    for (place, manager, subresource), said in state["applied"]:
        api.own(tuple(place), manager, subresource, said)
    label_studio.now = datetime.fromisoformat(state["now"])
    label_studio.webhooks = {item["id"]: item for item in state["webhooks"]}
    label_studio.backends = {item["id"]: item for item in state["backends"]}
    label_studio.projects[7].tasks = {
        number: Task(
            number, datetime.fromisoformat(updated_at), {item["id"]: _annotation(item) for item in annotations}
        )
        for number, updated_at, annotations in state["tasks"]
    }
    made.world.connection()
    status = next(item["status"] for place, item in state["objects"] if place[0] == BACKENDS)
    told = max(datetime.fromisoformat(item["lastTransitionTime"]) for item in status["conditions"])
    made.skew += told + timedelta(seconds=2) - made.now()


def _annotation(item: Json) -> Annotation:
    times = {key: datetime.fromisoformat(item[key]) for key in ("created_at", "updated_at")}
    return Annotation(**{**item, **times})


def templates(made: Scene) -> Json:
    return {item["metadata"]["name"]: item["spec"]["template"] for item in made.api.all("deployments")}


async def upgraded(state: Json) -> None:
    async with scene() as made:
        stand_in(made, state)
        before = templates(made)
        jobs = {item["metadata"]["uid"] for item in made.api.all("jobs")}
        made.jobs_run = False
        await made.start_operator()
        await made.pass_time(8.0)
        assert {name: template for name, template in templates(made).items() if name in before} == before
        made.jobs_run = True
        made.go_on()
        await made.until(lambda: made.active.startswith("model-"))
        await made.settle()
        assert made.world.condition("Ready") == ("True", "Ready")
        assert made.jobs <= jobs  # the training that ran counted
        assert (len(made.label_studio.backends), len(made.label_studio.webhooks)) == (1, 1)
        made.annotate()
        await made.until(lambda: made.active == made.version_to_come())


@pytest.mark.chaos_case("19")
@pytest.mark.parametrize("state", RECORDED.values(), ids=list(RECORDED))
def test_what_an_earlier_version_left_goes_on_and_its_pods_stay(state: Json) -> None:
    virtually(upgraded(state))


def add_unknown(item: Any) -> None:
    """Fields that only a later version knows, at every level of the status."""
    if isinstance(item, dict):
        for value in list(item.values()):
            add_unknown(value)
        item["addedLater"] = {"some": ["thing"]}
    elif isinstance(item, list):
        for value in item:
            add_unknown(value)


def without_unknown(item: Any) -> Any:
    """Nobody takes away what the later version owns."""
    if isinstance(item, dict):
        return {key: without_unknown(value) for key, value in item.items() if key != "addedLater"}
    return item


async def downgraded(name: str) -> tuple[Json, Json]:
    """The end with and without what a later version had added meanwhile."""
    ends = []
    for added in (False, True):
        async with scene() as made:
            await made.start_operator()
            await PLANS[name].before(made)
            await made.world.crash()
            if added:
                made.api.patch(*PLACE, lambda live: add_unknown(live["status"]))
                for item in made.api.all("services"):
                    made.api.patch("services", NAMESPACE, item["metadata"]["name"], _unknown_record)
            await made.start_operator()
            await PLANS[name].act(made)
            await made.settle(PLANS[name].quiet)
            ends.append(without_unknown(made.end_state()))
    return ends[0], ends[1]


def _unknown_record(live: Json) -> None:
    annotations = live["metadata"]["annotations"]
    record = json.loads(annotations["labelloop.dev/record"])
    add_unknown(record)
    annotations["labelloop.dev/record"] = json.dumps(record)


@pytest.mark.chaos_case("19")
@pytest.mark.parametrize("name", ["second training", "pin", "deletion"])
def test_what_a_later_version_added_is_put_up_with(name: str) -> None:
    without, with_it = virtually(downgraded(name))
    assert with_it == without
