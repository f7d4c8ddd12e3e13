"""Answers of custom models, checked; and what such a model reads of a labelling configuration."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.label_config.schema import LabelConfigError, Scope, parse_label_config
from labelloop.models import result_of
from labelloop.prediction.answer_checks import AnswerError, checked

IMAGES = Scope(("Choices", "Taxonomy", "RectangleLabels", "TextArea", "Rectangle"), ("Image",), whole_tasks=True)
CONFIG = (
    '<View><Image name="image" value="$picture"/><Text name="text" value="$text"/>'
    '<Choices name="kind" toName="image"><Choice value="car" alias="c"/><Choice value="plane"/></Choices>'
    '<Taxonomy name="tree" toName="image"><Choice value="a"><Choice value="b"/></Choice></Taxonomy>'
    '<RectangleLabels name="box" toName="image"><Label value="wheel"/><Label value="door" alias="d"/></RectangleLabels>'
    '<TextArea name="said" toName="image"/>'
    '<Choices name="tone" toName="text"><Choice value="x"/></Choices></View>'
)
SCHEMA = parse_label_config(CONFIG, IMAGES)
CONTROLS = {control.name: control for control in SCHEMA.controls}


def test_a_model_reads_what_its_class_names() -> None:
    assert list(CONTROLS) == ["kind", "tree", "box", "said"]
    box = CONTROLS["box"]
    assert (box.object_name, box.object_type, box.data_key, box.labels) == ("image", "Image", "picture", ("wheel", "d"))
    assert CONTROLS["said"].choices == ()
    (ignored,) = SCHEMA.ignored
    assert "which is a <Text>" in ignored
    assert SCHEMA.whole_tasks
    with pytest.raises(LabelConfigError, match=r"has no <Rating> .*whose toName is a <Image>"):
        parse_label_config(CONFIG, Scope(("Rating",), ("Image",)))
    assert parse_label_config(CONFIG, Scope(("Choices",), ("Image",))).digest != SCHEMA.digest


def test_results_of_every_kind_pass() -> None:
    results = [
        result_of(CONTROLS["kind"], ["c"], 1),
        {**result_of(CONTROLS["tree"]), "value": {"taxonomy": [["a"], ["a", "b"]]}},
        result_of(CONTROLS["box"], ["wheel"], 0.5, x=1, y=2, width=3, height=4, original_width=100),
        result_of(CONTROLS["said"], text=["words"]),
    ]
    (found,) = checked([{"result": results}], 1, SCHEMA)
    assert found.faults == ()
    assert found.prediction == {"result": results, "score": 0.5}
    assert found.prediction["result"][2]["original_width"] == 100
    assert found.prediction["result"][2]["value"] == {
        "x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["wheel"],
    }  # fmt: skip


def test_groups_of_a_taxonomy_of_leaves_are_no_labels_and_those_of_nested_choices_are() -> None:
    tree = '<Choice value="a"><Choice value="b"/></Choice></'
    schema = parse_label_config(
        '<View><Text name="t" value="$text"/>'
        f'<Taxonomy name="leaves" toName="t" leafsOnly="true">{tree}Taxonomy>'
        f'<Choices name="nested" toName="t" allowNested="true">{tree}Choices></View>'
    )
    results = [
        {"from_name": control.name, "to_name": "t", "type": control.result_type, "value": {control.result_type: paths}}
        for control in schema.controls
        for paths in ([["a"], ["a", "b"]], [["a", "b"]])
    ]
    (found,) = checked([{"result": results}], 1, schema)
    assert found.prediction["result"] == results[1:]
    assert found.faults == ("gives the label ('a',), which 'leaves' does not have",)


def test_numbers_of_numpy_are_numbers() -> None:
    prediction = {"result": [result_of(CONTROLS["box"], ["d"], np.float32(0.5), x=np.int64(3))], "score": np.float64(1)}
    (found,) = checked([prediction], 1, SCHEMA)
    assert json.loads(json.dumps(found.prediction)) == found.prediction
    assert found.prediction["result"][0]["value"] == {"x": 3, "rectanglelabels": ["d"]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"from_name": "tone"}, "no control it may answer"),
        ({"to_name": "text"}, "to_name 'text' instead of 'image'"),
        ({"type": "labels"}, "type 'labels'"),
        ({"value": None}, "without value"),
        ({"value": {}}, "without labels"),
        ({"value": {"choices": ["car"]}}, "label 'car'"),
        ({"value": {"choices": [["c"]]}}, "does not have"),
        ({"score": 1.5}, "not within 0 and 1"),
        ({"score": "0.5"}, "not within 0 and 1"),
        ({"score": math.inf}, "not finite"),
        ({"value": {"choices": ["c"], "x": math.nan}}, "not finite"),
        ({"value": {"choices": [{1, 2}]}}, "no JSON"),
    ],
)
def test_what_is_wrong_is_left_out_and_told(change: dict[str, Any], told: str) -> None:
    right = result_of(CONTROLS["kind"], ["plane"], 0.9)
    (found,) = checked([{"result": [{**result_of(CONTROLS["kind"], ["c"], 0.5), **change}, right]}], 1, SCHEMA)
    assert told in " ".join(found.faults)
    assert found.prediction in ({"result": [right], "score": 0.9}, {})


@pytest.mark.parametrize("answer", [None, "text", {"result": []}, [{}, {}], 7])
def test_another_number_of_predictions_is_no_answer(answer: object) -> None:
    with pytest.raises(AnswerError, match="gives"):
        checked(answer, 1, SCHEMA)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["kind", "choices", "c", "image"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["result", "score", "from_name", "to_name", "type", "value", "choices"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.lists(JUNK, min_size=1, max_size=3))
def test_junk_gives_plain_json_and_never_raises(answer: list[object]) -> None:
    for found in checked(answer, len(answer), SCHEMA):
        json.dumps(found.prediction, allow_nan=False)
        assert found.prediction.get("result", [1])  # never an empty list
