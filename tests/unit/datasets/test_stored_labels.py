"""Annotations that are older than the labelling configuration."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.datasets.row_json import row_from_json, row_to_json
from labelloop.datasets.rows import rows_of
from labelloop.datasets.stored_labels import LabelReader
from labelloop.label_config.schema import Control, Schema, parse_label_config
from labelloop.label_studio import Task

TREE = (
    '<Choice value="animals" alias="A"><Choice value="dogs" alias="d"/><Choice value="other"/></Choice>'
    '<Choice value="plants"><Choice value="trees"/><Choice value="other"/></Choice>'
)
FLAT = '<Choice value="dogs" alias="d"/><Choice value="trees"/><Choice value="other"/>'


def control(tag: str, choices: str, attributes: str = "") -> Control:
    return parse_label_config(
        f'<View><Text name="text" value="$text"/><{tag} name="c" toName="text" {attributes}>{choices}</{tag}></View>'
    ).control


TAXONOMY = control("Taxonomy", TREE)
LEAVES = control("Taxonomy", TREE, 'leafsOnly="true"')
ONE = control("Taxonomy", TREE, 'maxUsages="1"')
NESTED = control("Choices", TREE, 'choice="multiple" allowNested="true"')
LIST = control("Choices", FLAT, 'choice="multiple"')
SINGLE = control("Choices", FLAT)


@pytest.mark.parametrize(
    ("read_by", "selected", "labels", "removed"),
    [
        (TAXONOMY, [("A",), ("A", "d")], ("A", "A / d"), set()),
        (TAXONOMY, [("animals", "dogs")], ("A / d",), set()),
        (TAXONOMY, [("A", "dogs"), ("animals", "d")], ("A / d",), set()),
        (TAXONOMY, [("plants", "other"), ("A", "other")], ("A / other", "plants / other"), set()),
        (TAXONOMY, [("d",)], ("A / d",), set()),
        (TAXONOMY, [("trees",)], ("plants / trees",), set()),
        (TAXONOMY, [("other",)], (), {"other"}),
        (TAXONOMY, [("plants", "dogs")], (), {"dogs"}),
        (TAXONOMY, [("plants", "gone"), ("A",)], ("A",), {"gone"}),
        (LEAVES, [("A",), ("A", "d")], ("A / d",), {"A"}),
        (ONE, [("A", "d")], ("A / d",), set()),
        (NESTED, [("A",), ("A", "d"), ("A", "other")], ("A / d", "A / other"), set()),
        (NESTED, [("animals",)], (), set()),
        (LIST, [("A", "d"), ("plants", "trees")], ("d", "trees"), set()),
        (LIST, [("trees",), ("dogs",), ("d",)], ("d", "trees"), set()),
        (LIST, [("Trees",), ("trees ",)], (), {"Trees", "trees "}),
        (SINGLE, [("dogs",)], ("d",), set()),
    ],
)
def test_what_stored_names_mean_now(
    read_by: Control, selected: list[tuple[str, ...]], labels: tuple[str, ...], removed: set[str]
) -> None:
    reader = LabelReader(read_by)
    assert reader.read(selected)[0] == labels
    assert reader.removed == removed


@pytest.mark.parametrize(
    ("read_by", "selected", "fate"),
    [
        (SINGLE, [("d",), ("trees",)], "foreign"),
        (ONE, [("A",), ("A", "d")], "foreign"),
        (SINGLE, [("gone",)], "removed_labels"),
        (NESTED, [("A",)], "empty"),
        (SINGLE, [], "empty"),
    ],
)
def test_why_nothing_can_be_learnt(read_by: Control, selected: list[tuple[str, ...]], fate: str) -> None:
    assert LabelReader(read_by).read(selected) == ((), fate)


def test_an_alias_that_is_another_choices_name_follows_what_is_stored() -> None:
    swapped = control("Choices", '<Choice value="x" alias="y"/><Choice value="y" alias="x"/>', 'choice="multiple"')
    assert LabelReader(swapped).read([("x",)])[0] == ("x",)


def test_a_choice_renamed_under_its_alias_is_the_same_label() -> None:
    before, after = (control("Choices", f'<Choice value="{name}" alias="k"/>') for name in ("old", "new"))
    assert LabelReader(before).read([("k",)]) == LabelReader(after).read([("k",)]) == (("k",), "used")


ODD_NAMES = st.text(st.characters(), max_size=4)


@given(st.lists(ODD_NAMES | st.lists(ODD_NAMES, min_size=1, max_size=3), max_size=4), ODD_NAMES)
def test_any_stored_name_can_be_kept_in_a_snapshot_and_read(selected: list[Any], text: str) -> None:
    made = {
        "id": 1,
        "updated_at": "2026-11-22T06:00:00Z",
        "result": [{"from_name": "c", "to_name": "text", "type": "taxonomy", "value": {"taxonomy": selected}}],
    }
    (row,) = rows_of([Task(1, {"text": text}, [made])], Schema((TAXONOMY,), ""))
    line = json.dumps(row_to_json(row, ["Text:text"]), ensure_ascii=False).encode()
    assert row_from_json(json.loads(line), ["Text:text"]) == row
    reader = LabelReader(TAXONOMY)
    for annotation in row.annotations:
        reader.read(annotation.choices.get("c", ()))
    assert all(name.encode() is not None for name in reader.removed)


@given(st.lists(st.sampled_from([choice.path for choice in TAXONOMY.choices]), unique=True, min_size=1))
def test_every_selection_of_a_taxonomy_is_read_back_in_the_order_of_the_configuration(paths: list[Any]) -> None:
    labels, fate = LabelReader(TAXONOMY).read(paths)
    assert fate == "used"
    assert labels == tuple(label for label in TAXONOMY.labels if label in {" / ".join(path) for path in paths})
