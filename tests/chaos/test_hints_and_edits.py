"""Sequences made up by Hypothesis: webhooks in any order and number, and edits of a resource in any order."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaos.plans import OTHER_IMAGE, OTHER_SECRET
from tests.fakes.label_studio import Annotation
from tests.fakes.scene import NAME, NAMESPACE, POLL, Json, Scene, scene
from tests.fakes.virtual_network import virtually

from labelloop_operator.label_studio.project_ref import Hint

SLACK = 3.0
"""Virtual seconds from a poll to a Job: settling, the scan, the reconcile."""

Fate = tuple[int, ...]
FATES = st.lists(st.lists(st.integers(0, 20), max_size=3).map(tuple), min_size=1, max_size=7)
"""For each annotation when its webhook arrives, in seconds: never, once, or several times."""


async def annotated(fates: list[Fate]) -> tuple[Json, float | None]:
    """The end state, and the seconds to the first Job."""
    async with scene() as made:
        made.apply()
        await made.start_operator()
        await made.settle()
        annotations = made.label_studio.annotate(7, len(fates))
        loop = asyncio.get_running_loop()
        for annotation, fate in zip(annotations, fates, strict=True):
            for delay in fate:
                loop.call_later(delay, tell, made, annotation)
        waited = None
        if len(fates) >= 3:
            waited = await made.until(lambda: made.api.all("jobs") or made.jobs, patience=10 * POLL)
        await made.settle()
        return made.end_state(), waited


def tell(made: Scene, annotation: Annotation) -> None:
    assert made.world.operator is not None
    hint = Hint("ANNOTATION_CREATED", True, [(annotation.id, annotation.updated_at)])
    made.world.operator.watch.hint((NAMESPACE, NAME), hint)


@pytest.mark.chaos_case("2")
@settings(max_examples=25)
@given(FATES)
def test_webhooks_lost_doubled_late_and_out_of_order_change_nothing(fates: list[Fate]) -> None:
    told_at_once, _ = virtually(annotated([(0,) for _ in fates]))
    end, waited = virtually(annotated(fates))
    assert end == told_at_once
    assert end["trainings"] == (len(fates) >= 3)
    assert waited is None or waited <= POLL + SLACK


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from([OTHER_IMAGE, "registry.example/backend:3"]),
        "serving": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(1, 3),
                "resources": st.sampled_from([{"requests": {"cpu": "1"}}, {"limits": {"memory": "2Gi"}}]),
                "basicAuthSecretRef": st.just({"name": "basic"}),
                "podTemplate": st.sampled_from(
                    [
                        {"metadata": {"labels": {"team": "nlp"}}},
                        {"spec": {"nodeSelector": {"disk": "fast"}}},
                        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}], "tolerations": [{"key": "gpu"}]}},
                        {"spec": {"containers": [{"name": "backend", "env": [{"name": "A", "value": "b"}]}]}},
                        {"spec": {"hostNetwork": True}},
                    ]
                ),
            },
        ),
        "evaluation": st.sampled_from([{"hideHoldoutPredictions": True}, {"mode": "Audit"}]),
        "registry": st.sampled_from([{"pullSecretRef": {"name": "basic"}}, {"repository": "other.example/m"}]),
        "suspend": st.booleans(),
        "rollout": st.just({"progressDeadline": "2m"}),
        "model": st.sampled_from([{"parameters": {"C": 1}}, {"historyLimit": 0}, {"pinnedVersion": "model-unknown"}]),
        "labelStudio": st.sampled_from([{"register": False}, {"register": True}]),
        "training": st.sampled_from([{"updatesPerTraining": 5}, {"minInterval": "5m"}, {"updatesPerTraining": 0}]),
    },
)


async def edited(specs: list[dict[str, Any]], pauses: list[int]) -> Json:
    async with scene() as made:
        made.api.put("secrets", OTHER_SECRET, NAMESPACE)
        await made.start_operator()
        for spec, pause in zip(specs, pauses, strict=True):
            made.apply(**spec)
            await made.pass_time(pause)
        await made.settle()
        end = made.end_state()
        end["children"].pop(f"secrets/{NAME}-ml-relay", None)  # keeps the connection once it was used
        return full({key: end[key] for key in ("children", "finalizers", "backends", "webhooks", "active")})


def full(item: Any) -> Any:
    """Without what is empty: a list whose last entry goes may stay."""
    if isinstance(item, dict):
        return {key: full(value) for key, value in item.items() if value not in ([], {}, None)}
    return [full(value) for value in item] if isinstance(item, list) else item


@pytest.mark.chaos_case("21")
@settings(max_examples=15)
@given(st.lists(st.tuples(SPECS, st.sampled_from([0, 1, 4, 15])), min_size=2, max_size=5))
def test_any_sequence_of_edits_ends_like_the_last_one_at_once(edits: list[tuple[dict[str, Any], int]]) -> None:
    specs, pauses = [spec for spec, _ in edits], [pause for _, pause in edits]
    last = {**specs[-1], "suspend": False, "training": {"updatesPerTraining": 3}}  # what cannot be used changes nothing
    if "hostNetwork" in str(last) or "pinnedVersion" in last.get("model", {}):
        last |= {"serving": {}, "model": {}}
    assert virtually(edited([*specs[:-1], last], pauses)) == virtually(edited([last], [0]))
