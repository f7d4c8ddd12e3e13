import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.serving_models import LABEL_CONFIG, TEXT, FixedModel, task

from labelloop.datasets.examples import examples
from labelloop.label_config.schema import Schema, parse_label_config
from labelloop.label_studio import Task
from labelloop.prediction.predictor import Predictor

SAMPLES = Path(__file__).parents[2] / "samples" / "label-studio"
RECORDED = json.loads((SAMPLES / "label_configs_and_ui_results.json").read_text())
SCHEMA = parse_label_config(LABEL_CONFIG)
SHARES = {"label": {"billing": 0.5, "delivery": 0.3, "login": 0.2}}
PREDICTOR = Predictor("model-1", FixedModel(SHARES))
MULTIPLE = (
    f'<View>{TEXT}<Choices name="topics" toName="text" choice="multiple"><Choice value="sports"/>'
    '<Choice value="politics"/><Choice value="tech"/></Choices></View>'
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
TASKS = st.lists(
    JSON
    | st.fixed_dictionaries({"data": JSON})
    | st.fixed_dictionaries({"data": st.fixed_dictionaries({"text": JSON})})
)


def chosen(entry: dict) -> object:
    return entry["result"][0]["value"]["choices"]


def test_an_answer_has_label_studios_form_and_both_scores():
    (entry,) = PREDICTOR.predict([task("a text")], SCHEMA)
    (region,) = entry["result"]
    assert entry["model_version"] == "model-1"
    assert entry["score"] == region["score"] == 0.5
    assert {key: region[key] for key in ("from_name", "to_name", "type", "value")} == {
        "from_name": "label",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["billing"]},
    }


def test_the_stored_name_of_a_choice_with_an_alias_is_the_alias():
    (entry,) = Predictor("v", FixedModel({"label": {"delivery": 0.9, "login": 0.1}})).predict([task("a")], SCHEMA)
    assert chosen(entry) == ["delivery"]


@pytest.mark.parametrize(
    "nothing", [None, {}, [], 5, {"data": None}, {"data": {}}, task(None), task(""), task(" \n"), task([])]
)
def test_nothing_to_say_is_an_entry_without_result(nothing: object):
    assert PREDICTOR.predict([nothing], SCHEMA) == [{"model_version": "model-1"}]


@pytest.mark.parametrize("text", [7, 7.5, "<p>HTML</p>", "👍", "x" * 1_000_000, "\ud83d", "\0"])
def test_unusual_texts_are_answered(text: object):
    (entry,) = PREDICTOR.predict([task(text)], SCHEMA)
    assert chosen(entry) == ["billing"]


def test_an_unsupported_configuration_leaves_all_entries_without_result():
    assert PREDICTOR.predict([task("a"), task("b")], None) == [{"model_version": "model-1"}] * 2


def test_a_choice_that_left_the_configuration_is_never_answered_and_the_others_share_its_probability():
    schema = parse_label_config(LABEL_CONFIG.replace('<Choice value="billing"/>', ""))
    (entry,) = PREDICTOR.predict([task("a")], schema)
    assert chosen(entry) == ["delivery"]
    assert entry["score"] == pytest.approx(0.6, abs=1e-6)


def test_what_a_renamed_choice_had_may_belong_to_its_new_name_and_is_not_shared():
    schema = parse_label_config(LABEL_CONFIG.replace('<Choice value="billing"/>', '<Choice value="payments"/>'))
    (entry,) = PREDICTOR.predict([task("a")], schema)
    assert chosen(entry) == ["delivery"]
    assert entry["score"] == pytest.approx(0.3, abs=1e-6)


def test_a_control_that_the_model_knows_nothing_about_stays_at_the_cold_start():
    other = '<Choices name="other" toName="text"><Choice value="invoice"/><Choice value="parcel"/></Choices>'
    schema = parse_label_config(LABEL_CONFIG.replace("</View>", f"{other}</View>"))
    (entry,) = PREDICTOR.predict([task("where is my parcel")], schema)
    assert {region["from_name"]: region["value"]["choices"] for region in entry["result"]} == {
        "label": ["billing"],
        "other": ["parcel"],
    }
    assert entry["model_version"] == "model-1"
    assert entry["result"][1]["score"] < 0.65


def test_a_configuration_without_any_known_choice_is_answered_by_the_cold_start():
    renamed = '<Choices name="label" toName="text"><Choice value="invoice"/><Choice value="parcel"/></Choices>'
    (entry,) = PREDICTOR.predict([task("my parcel")], parse_label_config(f"<View>{TEXT}{renamed}</View>"))
    assert chosen(entry) == ["parcel"]


def test_a_single_choice_of_one_is_never_ticked():
    schema = parse_label_config(
        f'<View>{TEXT}<Choices name="label" toName="text"><Choice value="login"/></Choices></View>'
    )
    for predictor in (PREDICTOR, Predictor("cold-1", None)):
        assert predictor.predict([task("login")], schema) == [{"model_version": predictor.version}]


@pytest.mark.parametrize(
    ("shares", "expected", "score"),
    [((0.9, 0.2, 0.6), ["sports", "tech"], 0.6), ((0.1, 0.5, 0.2), ["politics"], 0.5)],
)
def test_multiple_choice_answers_all_above_their_threshold(shares: tuple, expected: list[str], score: float):
    model = FixedModel({"topics": dict(zip(("sports", "politics", "tech"), shares, strict=True))})
    (entry,) = Predictor("v", model).predict([task("a")], parse_label_config(MULTIPLE))
    assert chosen(entry) == expected
    assert entry["score"] == pytest.approx(score, abs=1e-6)


def test_multiple_choice_with_none_above_its_threshold_says_nothing():
    model = FixedModel({"topics": {"sports": 0.1, "politics": 0.4, "tech": 0.2}})
    assert Predictor("v", model).predict([task("a")], parse_label_config(MULTIPLE)) == [{"model_version": "v"}]


def test_nested_choices_are_answered_by_their_path():
    schema = parse_label_config(
        f'<View>{TEXT}<Choices name="topics" toName="text" choice="multiple" allowNested="true"><Choice value="sports">'
        '<Choice value="football" alias="fb"/><Choice value="tennis"/></Choice><Choice value="tech"/></Choices></View>'
    )
    (entry,) = Predictor("v", FixedModel({"topics": {"sports / fb": 0.9, "tech": 0.8}})).predict([task("a")], schema)
    assert chosen(entry) == [["sports", "fb"], ["tech"]]


def test_two_controls_give_two_regions_and_the_score_of_the_less_sure_one():
    schema = parse_label_config(
        f'<View>{TEXT}<Choices name="a" toName="text"><Choice value="x"/><Choice value="y"/></Choices>'
        '<Choices name="b" toName="text"><Choice value="x"/><Choice value="y"/></Choices></View>'
    )
    model = FixedModel({"a": {"x": 0.9, "y": 0.1}, "b": {"x": 0.4, "y": 0.6}})
    (entry,) = Predictor("v", model).predict([task("a")], schema)
    assert [(region["from_name"], region["value"]["choices"]) for region in entry["result"]] == [
        ("a", ["x"]),
        ("b", ["y"]),
    ]
    assert entry["score"] == pytest.approx(0.6, abs=1e-6)
    assert len({region["id"] for region in entry["result"]}) == 2


def test_the_text_is_found_under_the_key_of_the_configuration():
    schema = parse_label_config(LABEL_CONFIG.replace("$text", "$body"))
    entries = PREDICTOR.predict([task("a"), {"data": {"body": "b"}}], schema)
    assert ["result" in entry for entry in entries] == [False, True]


def test_region_ids_are_unique_over_chunks_and_equal_for_equal_requests():
    tasks = [task("a") for _ in range(300)]
    whole = PREDICTOR.predict(tasks, SCHEMA)
    chunks = PREDICTOR.predict(tasks[:100], SCHEMA) + PREDICTOR.predict(tasks[100:], SCHEMA, range(100, 300))
    assert whole == chunks
    assert len({entry["result"][0]["id"] for entry in whole}) == 300


ANSWERED = (
    "choices_single",
    "choices_multiple",
    "choices_nested",
    "choices_select",
    "taxonomy",
    "hypertext",
    "paragraphs",
    "two_texts",
    "pairwise_two_controls",
)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_cold_start_answers_recorded_configurations_with_their_own_choices(name: str):
    schema = parse_label_config(RECORDED[name]["label_config"])
    data = {control.data_key: control.labels[0] for control in schema.controls}
    (entry,) = Predictor("cold-1", None).predict([{"data": data}], schema)
    assert entry["result"]
    for region in entry["result"]:
        control = next(control for control in schema.controls if control.name == region["from_name"])
        nodes = (*control.choices, *control.groups)
        allowed = [list(node.path) for node in nodes] if control.nested else list(control.labels)
        selected = region["value"][region["type"]]
        assert selected
        assert all(choice in allowed for choice in selected)
        assert 0 < region["score"] <= 0.7


@pytest.mark.parametrize("name", ANSWERED)
def test_a_model_that_learnt_what_the_editor_stored_predicts_exactly_that(name: str):
    recorded = RECORDED[name]
    schema = parse_label_config(recorded["label_config"])
    made = {"id": 1, "updated_at": "2026-11-22T06:00:00Z", "result": recorded["ui_annotation_result"]}
    data = {control.data_key: "a text" for control in schema.controls}
    labels = {}
    for example in examples([Task(1, data, [made])], schema).examples:
        labels |= example.labels
    shares = {
        control.name: {
            label: 0.9 if label in labels.get(control.name, ()) else 0.05 for label in sorted(control.labels)
        }
        for control in schema.controls
    }
    (entry,) = Predictor("v", FixedModel(shares)).predict([{"data": data}], schema)
    compared = ("from_name", "to_name", "type", "value")
    assert [{key: region[key] for key in compared} for region in entry["result"]] == [
        {key: item[key] for key in compared} for item in recorded["ui_annotation_result"]
    ]


def configuration(names: Sequence[str], controls: int = 1) -> Schema:
    choices = "".join(f'<Choice value="{name}"/>' for name in names)
    told = "".join(f'<Choices name="label{i}" toName="text">{choices}</Choices>' for i in range(controls))
    return parse_label_config(f"<View>{TEXT}{told}</View>")


def test_a_cold_start_of_far_too_many_choices_is_silent_instead_of_taking_the_memory():
    schema = configuration([f"{'x' * 600}{number}" for number in range(700)])
    assert Predictor("cold-1", None).predict([task("a")], schema) == [{"model_version": "cold-1"}]


def test_of_very_many_controls_a_cold_start_answers_the_first_ones():
    (entry,) = Predictor("cold-1", None).predict([task("a")], configuration(["a", "b"], controls=300))
    assert [region["from_name"] for region in entry["result"][:2]] == ["label0", "label1"]
    assert 100 < len(entry["result"]) < 300


def test_a_cold_start_of_a_thousand_choices_takes_little_memory():
    schema = configuration([f"some_longer_name_{number}" for number in range(1000)])
    predictor = Predictor("cold-1", None)
    tracemalloc.start()
    predictor.predict([task("some longer name 17")], schema)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3e6
    assert peak < 10e6


def test_what_is_kept_of_labelling_configurations_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("labelloop.prediction.predictor.ANSWERS_BYTES", 1 << 20)
    predictor = Predictor("cold-1", None)
    tracemalloc.start()
    for number in range(200):
        names = [f"configuration_{number}_choice_{choice}" for choice in range(40)]
        predictor.predict([task("a")], configuration(names, controls=2))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3 << 20  # without a bound 200 times 0.1 MB


@settings(max_examples=50)
@given(TASKS)
def test_any_tasks_give_as_many_sound_entries(tasks: list[object]):
    entries = PREDICTOR.predict(tasks, SCHEMA)
    assert len(entries) == len(tasks)
    json.dumps(entries, allow_nan=False)
    assert all(entry["model_version"] == "model-1" for entry in entries)
    assert all(set(chosen(entry)) <= set(SCHEMA.control.labels) for entry in entries if "result" in entry)


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3))
def test_any_probabilities_give_scores_within_bounds(shares: list[float]):
    model = FixedModel({"label": dict(zip(SCHEMA.control.labels, shares, strict=True))})
    (entry,) = Predictor("v", model).predict([task("a")], SCHEMA)
    assert 0 <= entry.get("score", 0.5) <= 1
    assert ("result" in entry) == ("score" in entry) == (max(shares) > 0)


def test_not_a_number_is_never_answered():
    assert Predictor("v", FixedModel({"label": {"billing": float("nan"), "login": 1.0}})).predict(
        [task("a")], SCHEMA
    ) == [{"model_version": "v"}]


REFERENCES = (
    "/data/local-files/?d=tickets/1.txt",
    "/data/local-files?d=test",
    " /data/upload/7/1.txt ",
    "s3://bucket/1.txt",
    "gs://bucket/1.txt",
    "azure-blob://container/1.txt",
    "/tasks/1/resolve/?fileuri=czM6Ly8=",
)


@pytest.mark.parametrize("text", REFERENCES)
def test_nothing_is_said_to_the_name_of_a_file(text: str):
    assert PREDICTOR.predict([task(text)], SCHEMA) == [{"model_version": "model-1"}]


@pytest.mark.parametrize(
    "text", ["http://example.org/offer", "see s3://bucket/1.txt", "/data/upload", "a/b", "upload: x"]
)
def test_other_texts_are_classified_as_they_are_written(text: str):
    (entry,) = PREDICTOR.predict([task(text)], SCHEMA)
    assert chosen(entry) == ["billing"]


def test_a_custom_model_may_fetch_what_a_text_names():
    predictor = Predictor("model-1", FixedModel(SHARES))
    predictor.skips_references = False
    assert "result" in predictor.predict([task(REFERENCES[0])], SCHEMA)[0]
