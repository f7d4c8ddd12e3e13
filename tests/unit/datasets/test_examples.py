import json
from pathlib import Path
from typing import Any

import pytest

from labelloop.datasets.examples import Counts, ExampleSet, examples
from labelloop.datasets.rows import RowError
from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio import Task

SAMPLES = Path(__file__).parents[2] / "samples" / "label-studio"
RECORDED = json.loads((SAMPLES / "label_configs_and_ui_results.json").read_text())
SCHEMA = parse_label_config(
    '<View><Text name="text" value="$text"/>'
    '<Choices name="label" toName="text"><Choice value="positive" alias="pos"/><Choice value="negative"/></Choices>'
    '<Choices name="topics" toName="text" choice="multiple"><Choice value="x"/><Choice value="y"/></Choices></View>'
)


def choices(*names: Any, name: str = "label", **more: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(names)}, **more}


def annotation(id_: int, *result: object, minute: int = 0, **more: object) -> dict[str, Any]:
    return {
        "id": id_,
        "updated_at": f"2026-11-22T06:{minute:02}:00.000001Z",
        "was_cancelled": False,
        "ground_truth": False,
        "completed_by": 1,
        "result": list(result),
        **more,
    }


def of(*annotations: dict[str, Any], data: dict[str, Any] | None = None) -> ExampleSet:
    return examples([Task(1, {"text": "hello"} if data is None else data, list(annotations))], SCHEMA)


def test_a_plain_annotation_gives_an_example() -> None:
    found = of(annotation(1, choices("negative"), choices("y", "x", name="topics")))
    (example,) = found.examples
    assert (example.task, example.text) == (1, "hello")
    assert example.labels == {"label": ("negative",), "topics": ("x", "y")}
    assert found.counts == Counts(tasks=1, used=1)


def test_labels_are_stored_names_also_when_stored_before_the_alias() -> None:
    assert of(annotation(1, choices("pos"))).examples[0].labels == {"label": ("pos",)}
    assert of(annotation(1, choices("positive"))).examples[0].labels == {"label": ("pos",)}


@pytest.mark.parametrize(
    ("annotations", "fate"),
    [
        ([annotation(1, choices("pos"), was_cancelled=True)], "skipped"),
        ([], "skipped"),
        ([annotation(1)], "empty"),
        ([annotation(1, choices())], "empty"),
        ([annotation(1, result=None)], "empty"),
        ([annotation(1, {"from_name": "stars", "type": "rating", "value": {"rating": 4}})], "foreign"),
        ([annotation(1, choices("a", name="gone"))], "foreign"),
        ([annotation(1, choices("pos", item_index=0))], "foreign"),
        ([annotation(1, {**choices("pos"), "value": {"choices": ["pos"], "start": 1, "end": 2}})], "foreign"),
        ([annotation(1, choices("pos", "negative"))], "foreign"),
        ([annotation(1, choices(7))], "foreign"),
        ([annotation(1, "rubbish", None, {"type": "choices"})], "foreign"),
        ([annotation(1, choices("old"))], "removed_labels"),
    ],
)
def test_what_cannot_be_learnt_is_counted(annotations: list[dict[str, Any]], fate: str) -> None:
    found = of(*annotations)
    assert found.examples == ()
    assert found.counts == Counts(tasks=1, **{fate: 1})


def test_removed_labels_are_named_and_the_rest_is_used() -> None:
    found = of(annotation(1, choices("x", "old", "older", name="topics")))
    assert found.examples[0].labels == {"topics": ("x",)}
    assert found.removed_labels == ("old", "older")
    assert found.counts == Counts(tasks=1, used=1)


@pytest.mark.parametrize("data", [{}, {"text": None}, {"text": ""}, {"text": " \n"}, {"text": ["a"]}, {"other": "a"}])
def test_texts_that_cannot_be_used(data: dict[str, Any]) -> None:
    found = of(annotation(1, choices("pos")), data=data)
    assert (found.examples, found.counts) == ((), Counts(tasks=1, unusable_text=1))


def test_a_number_is_a_text() -> None:
    assert of(annotation(1, choices("pos")), data={"text": 42}).examples[0].text == "42"


def test_the_newest_annotation_wins() -> None:
    old, new = annotation(9, choices("pos"), minute=1), annotation(3, choices("negative"), minute=2)
    assert of(old, new).examples[0].labels == of(new, old).examples[0].labels == {"label": ("negative",)}


def test_of_annotations_of_one_moment_the_greater_id_wins() -> None:
    assert of(annotation(2, choices("negative")), annotation(1, choices("pos"))).examples[0].labels["label"] == (
        "negative",
    )


def test_ground_truth_comes_before_newer_ones() -> None:
    truth = annotation(1, choices("pos"), minute=1, ground_truth=True)
    assert of(truth, annotation(2, choices("negative"), minute=2)).examples[0].labels == {"label": ("pos",)}


def test_an_unusable_newer_annotation_does_not_hide_a_usable_one() -> None:
    usable = annotation(1, choices("pos"), minute=1)
    for newer in (annotation(2, minute=2), annotation(2, choices("negative"), minute=2, was_cancelled=True)):
        assert of(usable, newer).examples[0].labels == {"label": ("pos",)}


def test_a_skipped_ground_truth_does_not_count() -> None:
    skipped = annotation(1, choices("pos"), ground_truth=True, was_cancelled=True)
    assert of(skipped, annotation(2, choices("negative"))).examples[0].labels == {"label": ("negative",)}


@pytest.mark.parametrize(
    ("origins", "more", "expected"),
    [
        (["manual"], {}, "manual"),
        ([None], {}, "manual"),
        (["prediction"], {}, "prediction"),
        (["prediction", "prediction"], {}, "prediction"),
        (["prediction", "manual"], {}, "prediction-changed"),
        (["prediction-changed"], {}, "prediction-changed"),
        ([None], {"parent_prediction": 4}, "prediction"),
        (["manual"], {"parent_prediction": 4}, "manual"),
        ([{"odd": 1}], {}, "manual"),
    ],
)
def test_origin(origins: list[Any], more: dict[str, Any], expected: str) -> None:
    results = [choices("pos"), choices("x", name="topics")][: len(origins)]
    made = [
        result if origin is None else {**result, "origin": origin}
        for result, origin in zip(results, origins, strict=True)
    ]
    assert of(annotation(1, *made, **more)).examples[0].origin == expected


def test_recorded_submissions_and_skips() -> None:
    bodies = json.loads((SAMPLES / "ui_submit_skip_update_bodies.json").read_text())
    tasks = []
    for number, body in enumerate((item["body"] for item in bodies), start=1):
        skipped = body.get("was_cancelled", False)
        tasks.append(Task(number, {"text": "t"}, [annotation(number, *body["result"], was_cancelled=skipped)]))
    schema = parse_label_config(
        '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
        '<Choice value="positive"/><Choice value="negative"/></Choices></View>'
    )
    found = examples(tasks, schema)
    assert [(example.labels["label"], example.origin) for example in found.examples] == [
        (("negative",), "prediction-changed"),
        (("positive",), "prediction-changed"),
    ]
    assert found.counts == Counts(tasks=3, used=2, skipped=1)


@pytest.mark.parametrize(
    "name", ["choices_single", "choices_multiple", "choices_nested", "taxonomy", "pairwise_two_controls"]
)
def test_what_the_editor_stored_is_read_for_every_kind_of_control(name: str) -> None:
    schema = parse_label_config(RECORDED[name]["label_config"])
    (example,) = examples(
        [Task(1, {"text": "t"}, [annotation(1, *RECORDED[name]["ui_annotation_result"])])], schema
    ).examples
    stored = {item["from_name"]: item["value"][item["type"]] for item in RECORDED[name]["ui_annotation_result"]}
    for control, chosen in stored.items():
        assert [*example.labels[control]] == [" / ".join(item) if isinstance(item, list) else item for item in chosen]


def test_selecting_a_whole_group_means_its_leaves() -> None:
    schema = parse_label_config(RECORDED["choices_nested"]["label_config"])
    result = choices(["sports"], ["sports", "fb"], ["sports", "tennis"], name="topics")
    found = examples([Task(1, {"text": "t"}, [annotation(1, result)])], schema)
    assert (found.examples[0].labels, found.removed_labels) == ({"topics": ("sports / fb", "sports / tennis")}, ())


def test_controls_about_different_texts_give_an_example_each() -> None:
    schema = parse_label_config(
        '<View><Text name="t" value="$title"/><Text name="b" value="$body"/>'
        '<Choices name="tone" toName="t"><Choice value="good"/></Choices>'
        '<Choices name="topic" toName="b"><Choice value="x"/></Choices></View>'
    )
    labelled = annotation(1, choices("good", name="tone"), choices("x", name="topic"))
    found = examples([Task(1, {"title": "T", "body": "B"}, [labelled]), Task(2, {"body": "B2"}, [labelled])], schema)
    assert [(e.task, e.text, dict(e.labels)) for e in found.examples] == [
        (1, "T", {"tone": ("good",)}),
        (1, "B", {"topic": ("x",)}),
        (2, "B2", {"topic": ("x",)}),
    ]
    assert found.counts == Counts(tasks=2, used=2)


def test_counts_add_up_and_tasks_are_ordered() -> None:
    fates = [
        annotation(1, choices("pos")),
        annotation(2),
        annotation(3, choices("old")),
        annotation(4, was_cancelled=True),
    ]
    tasks = [Task(9 - number, {"text": "t"}, [fate]) for number, fate in enumerate(fates * 2)]
    found = examples(tasks, SCHEMA)
    told = found.counts.to_json()
    assert told.pop("tasks") == sum(told.values()) == 8
    assert [example.task for example in found.examples] == [5, 9]


@pytest.mark.parametrize("broken", [{"id": None}, {"updated_at": None}, {"updated_at": "yesterday"}])
def test_annotations_without_id_or_time_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(RowError, match=r"updated_at"):
        of({**annotation(1, choices("pos")), **broken})


def test_texts_do_not_stand_in_representations() -> None:
    assert "hello" not in repr(of(annotation(1, choices("pos"))))
