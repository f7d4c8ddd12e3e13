"""A new type of control is one class in the registry: everything else follows from it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from tests.support.serving_models import TEXT, FixedModel

from labelloop.datasets.examples import examples
from labelloop.datasets.labelled_files import read_labelled
from labelloop.datasets.row_json import row_from_json, row_to_json
from labelloop.datasets.rows import rows_of
from labelloop.datasets.snapshot import sources_of
from labelloop.datasets.text_file import DataFileError
from labelloop.label_config import Choice, Control, Scope, parse_label_config
from labelloop.label_config.controls import BY_RESULT_TYPE, TYPES, type_of
from labelloop.label_config.controls.base import ControlType, Options, Value, Writer
from labelloop.label_config.controls.base import Path as StoredPath
from labelloop.models.control_answers import ControlAnswers
from labelloop.prediction.answer_checks import checked


class Rating(ControlType):
    """`<Rating maxRating="5">`, whose results hold a number: `{"rating": 4}`."""

    tag = "Rating"
    example = '{"rating": 4}'
    remedy = "give a whole number from 1 on"

    def parse(self, element: Element) -> Options:
        return Options(tuple(Choice(str(number)) for number in range(1, int(element.get("maxRating", "5")) + 1)))

    def read(self, value: Value) -> list[StoredPath] | None:
        rating = value.get("rating")
        return [(str(rating),)] if isinstance(rating, int) else None

    def writer(self, control: Control, choices: Sequence[Choice]) -> Writer:
        return lambda columns: {"rating": int(choices[columns[0]].value)}

    def fault(self, control: Control, value: Value) -> str | None:
        known = [choice.value for choice in control.choices]
        return None if str(value.get("rating")) in known else f"gives the rating {value.get('rating')!r}"

    def to_xml(self, name: str, to_name: str, selections: Sequence[Sequence[StoredPath]]) -> str:
        highest = max(int(path[0]) for paths in selections for path in paths)
        return f'<Rating name="{name}" toName="{to_name}" maxRating="{highest}"/>'


SCOPE = Scope(("Rating",))
CONFIG = f'<View>{TEXT}<Rating name="stars" toName="text" maxRating="4"/></View>'


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_RESULT_TYPE, "rating", Rating())


def task(number: int, rating: object) -> dict[str, Any]:
    result = {"from_name": "stars", "to_name": "text", "type": "rating", "value": {"rating": rating}}
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": [{"id": number, "result": [result]}]}


def file_of(folder: Path, items: Sequence[dict[str, Any]]) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(items))
    return path


@pytest.mark.parametrize("config", [CONFIG, None])
def test_it_is_learnt_from_an_export_and_kept_in_snapshots(config: str | None, tmp_path: Path) -> None:
    labelled = read_labelled(file_of(tmp_path, [task(1, 4), task(2, 1)]), label_config=config, scope=SCOPE)
    assert labelled.schema.control.labels == ("1", "2", "3", "4")
    found = examples(labelled.tasks, labelled.schema)
    assert [example.labels for example in found.examples] == [{"stars": ("4",)}, {"stars": ("1",)}]
    rows, sources = rows_of(labelled.tasks, labelled.schema), sources_of(labelled.schema)
    kept = [json.loads(json.dumps(row_to_json(row, sources))) for row in rows]
    assert tuple(row_from_json(line, sources) for line in kept) == rows


def test_it_is_read_from_the_short_form(tmp_path: Path) -> None:
    record = {"text": "a", "id": 1, "stars": [{"rating": 3}], "annotator": 1, "annotation_id": 1}
    labelled = read_labelled(file_of(tmp_path, [record]), label_config=CONFIG, scope=SCOPE)
    assert examples(labelled.tasks, labelled.schema).examples[0].labels == {"stars": ("3",)}


def test_another_value_is_refused_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"value.rating is 'four': give a whole number from 1 on"):
        read_labelled(file_of(tmp_path, [task(1, "four")]), label_config=CONFIG, scope=SCOPE)


def test_it_is_predicted_and_checked() -> None:
    schema = parse_label_config(CONFIG, SCOPE)
    model = FixedModel({"stars": {"1": 0.1, "4": 0.9}})
    answers = ControlAnswers.of(model, schema.control, "v")
    assert answers is not None
    (region,) = answers.regions(["a text"], [0])
    assert region is not None
    assert (region["type"], region["value"]) == ("rating", {"rating": 4})
    wrong = {**region, "value": {"rating": 5}}
    (found,) = checked([{"result": [region, wrong]}], 1, schema)
    assert (found.prediction["result"], found.faults) == ([region], ("gives the rating 5",))


@pytest.mark.parametrize("control_type", TYPES, ids=lambda control_type: control_type.tag)
def test_what_a_type_writes_it_reads_and_accepts(control_type: ControlType) -> None:
    tree = '<Choice value="a"><Choice value="b"/><Choice value="c" alias="C"/></Choice><Choice value="d"/>'
    for attributes in ("", 'choice="multiple"', 'allowNested="true" choice="multiple"', 'leafsOnly="true"'):
        tag = f'<{control_type.tag} name="c" toName="text" {attributes}>{tree}</{control_type.tag}>'
        control = parse_label_config(f"<View>{TEXT}{tag}</View>").control
        assert type_of(control) is control_type
        value = control_type.writer(control, control.choices)(range(len(control.choices)))
        assert control_type.fault(control, value) is None
        read = control_type.read(value) or ()
        labels = {choice.path or (choice.stored,) for choice in control.choices}
        assert {*read} - control_type.implied(control) == labels
        assert control_type.fault(control, json.loads(control_type.example)) is not None
