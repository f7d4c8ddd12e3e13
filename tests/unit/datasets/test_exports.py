"""Exports of Label Studio read as tasks: nested choices and taxonomies, in JSON and JSON-MIN."""

import json
from pathlib import Path
from typing import Any

import pytest

from labelloop.datasets.examples import ExampleSet, examples
from labelloop.datasets.labelled_files import read_labelled
from labelloop.datasets.text_file import DataFileError

TREE = '<Choice value="sports"><Choice value="football" alias="fb"/><Choice value="tennis"/></Choice>'
CONFIG = (
    '<View><Text name="text" value="$text"/><{0} name="topics" toName="text" {1}>{2}<Choice value="tech"/></{0}></View>'
)
NESTED = CONFIG.format("Choices", 'choice="multiple" allowNested="true"', TREE)
TAXONOMY = CONFIG.format("Taxonomy", "", TREE)
SAMPLES = Path(__file__).parents[2] / "samples/label-studio"

Selected = list[list[str]]


def task(number: int, kind: str, selected: Selected) -> dict[str, Any]:
    """As in the JSON export."""
    result = {"from_name": "topics", "to_name": "text", "type": kind, "value": {kind: selected}}
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": [{"id": number, "result": [result]}]}


def record(number: int, written: object) -> dict[str, Any]:
    """As in the JSON-MIN export."""
    return {
        "text": f"text {number}",
        "id": number,
        "topics": written,
        "annotator": 1,
        "annotation_id": number,
        "created_at": "2026-11-22T06:10:48.922512Z",
        "updated_at": "2026-11-22T06:10:48.922541Z",
        "lead_time": None,
    }


def read(folder: Path, items: list[dict[str, Any]], config: str | None = None) -> ExampleSet:
    path = folder / "export.json"
    path.write_text(json.dumps(items))
    labelled = read_labelled(path, label_config=config)
    return examples(labelled.tasks, labelled.schema)


def labels(found: ExampleSet) -> list[tuple[str, ...]]:
    assert found.counts.used == found.counts.tasks
    return [example.labels["topics"] for example in found.examples]


SELECTED: list[Selected] = [
    [["sports", "fb"], ["tech"]],
    [["sports", "fb"]],
    [["tech"]],
    [["sports"], ["sports", "fb"], ["sports", "tennis"]],
]
LEAVES = [("sports / fb", "tech"), ("sports / fb",), ("tech",), ("sports / fb", "sports / tennis")]
NODES = [*LEAVES[:3], ("sports", "sports / fb", "sports / tennis")]
# What the converter of Label Studio's SDK makes of these: a result of a single <Choices> loses its wrapping.
SHORT = {
    "choices": [{"choices": SELECTED[0]}, ["sports", "fb"], ["tech"], {"choices": SELECTED[3]}],
    "taxonomy": [[{"taxonomy": selected}] for selected in SELECTED],
}


@pytest.mark.parametrize("given", ["with the configuration", "without"])
@pytest.mark.parametrize("form", ["JSON", "JSON-MIN"])
@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [("choices", NESTED, LEAVES), ("taxonomy", TAXONOMY, NODES)],
    ids=["nested", "taxonomy"],
)
def test_paths_are_read(
    kind: str, config: str, expected: list[tuple[str, ...]], form: str, given: str, tmp_path: Path
) -> None:
    if form == "JSON":
        items = [task(number, kind, selected) for number, selected in enumerate(SELECTED, 1)]
    else:
        items = [record(number, written) for number, written in enumerate(SHORT[kind], 1)]
    found = read(tmp_path, items, None if given == "without" else config)
    assert [set(chosen) for chosen in labels(found)] == [set(chosen) for chosen in expected]


@pytest.mark.parametrize("name", ["choices_nested", "taxonomy"])
def test_recorded_annotations_are_read(name: str, tmp_path: Path) -> None:
    recorded = json.loads((SAMPLES / "label_configs_and_ui_results.json").read_text())[name]
    item = {"id": 1, "data": {"text": "a"}, "annotations": [{"id": 1, "result": recorded["ui_annotation_result"]}]}
    found = read(tmp_path, [item], recorded["label_config"])
    (example,) = found.examples
    expected = {"choices_nested": ("sports / fb", "tech"), "taxonomy": ("Animals", "Animals / d", "Plants")}
    assert (*example.labels.values(),) == (expected[name],)


def test_labels_of_a_flat_control_stay_labels(tmp_path: Path) -> None:
    items = [record(1, "tech"), record(2, {"choices": ["tech", "sports"]}), record(3, ["sports", "tech"])]
    assert labels(read(tmp_path, items)) == [("tech",), ("sports", "tech"), ("sports", "tech")]


def test_other_controls_of_a_short_form_are_left_alone(tmp_path: Path) -> None:
    place = {"start": 0, "end": 2, "text": "te", "labels": ["place"]}
    other = {"places": [place], "stars": [{"rating": 4}], "notes": {"text": ["one", "two"]}}
    items = [
        {"text": "a", "id": number, **other, **record(number, name)} for number, name in ((1, "tech"), (2, "sports"))
    ]
    assert labels(read(tmp_path, items)) == [("tech",), ("sports",)]


@pytest.mark.parametrize("selected", [[["a", 5]], [[]], "a", [{"a": "b"}]])
def test_what_is_no_path_is_refused_with_its_place(selected: Any, tmp_path: Path) -> None:
    with pytest.raises(
        DataFileError, match=r"task 1: annotations\[1\].result\[1\].value.taxonomy is .*: give a list of label names"
    ):
        read(tmp_path, [task(1, "taxonomy", selected)], TAXONOMY)


def test_a_path_too_deep_for_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="nests deeper"):
        read(tmp_path, [task(1, "taxonomy", [["a"] * 5_000]), task(2, "taxonomy", [["b"]])])
