"""Annotators who disagree: who is believed, whatever the order in which Label Studio gives the annotations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.datasets.examples import examples
from labelloop.label_config.schema import Schema, parse_label_config
from labelloop.label_studio import Task

LABELS = ("a", "b", "c")
CHOICES = "".join(f'<Choice value="{label}"/>' for label in LABELS)
SCHEMA = parse_label_config(
    '<View><Text name="text" value="$text"/>'
    f'<Choices name="one" toName="text">{CHOICES}</Choices>'
    f'<Choices name="many" toName="text" choice="multiple">{CHOICES}</Choices></View>'
)


def said(
    id_: int,
    *,
    one: str = "",
    many: str = "",
    by: int | None = 1,
    minute: int | None = None,
    truth: bool = False,
    skipped: bool = False,
    origin: str = "manual",
) -> dict[str, Any]:
    """An annotation; `many` has one letter for each label. Later ids are later, unless `minute` says otherwise."""
    chosen = {"one": [one] if one else [], "many": list(many)}
    return {
        "id": id_,
        "updated_at": f"2026-11-22T06:{id_ if minute is None else minute:02}:00.000001Z",
        "was_cancelled": skipped,
        "ground_truth": truth,
        "completed_by": by,
        "result": [
            {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": names}, "origin": origin}
            for name, names in chosen.items()
            if names
        ],
    }


def learnt(*annotations: dict[str, Any], schema: Schema = SCHEMA) -> dict[str, tuple[str, ...]]:
    found = examples([Task(1, {"text": "hello"}, list(annotations))], schema).examples
    return dict(found[0].labels) if found else {}


@pytest.mark.parametrize(
    ("annotations", "label"),
    [
        ([said(1, one="a", by=1), said(2, one="b", by=2)], "b"),
        ([said(1, one="a", by=1), said(2, one="a", by=2), said(3, one="b", by=3)], "a"),
        ([said(1, one="a", by=1, minute=9), said(2, one="b", by=2, minute=8)], "a"),
        ([said(1, one="a", by=1), said(2, one="a", by=1), said(3, one="a", by=1), said(4, one="b", by=2)], "b"),
        ([said(1, one="a", by=1), said(2, one="b", by=1), said(3, one="b", by=2), said(4, one="a", by=3)], "b"),
        ([said(1, one="a", truth=True), said(2, one="b", by=2), said(3, one="b", by=3)], "a"),
        ([said(1, one="a", by=1, truth=True), said(2, one="b", by=2, truth=True), said(3, one="c", by=3)], "b"),
        ([said(1, one="a", by=1, skipped=True), said(2, one="a", by=2), said(3, one="b", by=3)], "b"),
        ([said(1, one="a", by=None), said(2, one="a", by=None), said(3, one="b", by=3)], "a"),
        ([said(1, one="a", by=1), said(2, many="c", by=2)], "a"),
        ([said(1, one="a", by=1), said(2, by=2, truth=True)], "a"),
    ],
    ids=[
        "of two the newer",
        "the majority",
        "newer by time, not by id",
        "one person has one vote",
        "the newest vote of each person",
        "ground truth outvotes all",
        "of two ground truths the newer",
        "skipped ones do not vote",
        "annotations of nobody vote each",
        "silence about a control is no vote",
        "an empty ground truth says nothing",
    ],
)
def test_single_choice(annotations: list[dict[str, Any]], label: str) -> None:
    assert learnt(*annotations)["one"] == learnt(*reversed(annotations))["one"] == (label,)


@pytest.mark.parametrize(
    ("sets", "labels"),
    [
        (["ab", "bc"], "bc"),
        (["ab", "bc", "b"], "b"),
        (["ab", "ab", "c"], "ab"),
        (["a", "b", "c"], "c"),
        (["ab", "bc", "ca"], "abc"),
        (["a", "ab", "b", "bc"], "b"),
    ],
)
def test_multiple_choice_is_voted_label_by_label(sets: list[str], labels: str) -> None:
    annotations = [said(number, many=names, by=number) for number, names in enumerate(sets, start=1)]
    assert learnt(*annotations)["many"] == tuple(labels)


def test_each_control_is_settled_for_itself() -> None:
    first, second = said(1, one="a", many="ab", by=1), said(2, one="b", by=2)
    assert learnt(first, second) == {"one": ("b",), "many": ("a", "b")}


def test_the_origin_is_that_of_the_annotation_that_was_believed() -> None:
    votes = [
        said(1, one="a", by=1, origin="prediction"),
        said(2, one="a", by=2, origin="prediction"),
        said(3, one="b", by=3),
    ]
    (example,) = examples([Task(1, {"text": "hello"}, votes)], SCHEMA).examples
    assert example.origin == "prediction"
    (example,) = examples([Task(1, {"text": "hello"}, [*votes, said(4, many="c", by=3)])], SCHEMA).examples
    assert example.origin == "prediction-changed"


def test_labels_that_are_gone_do_not_vote_and_are_told() -> None:
    found = examples([Task(1, {"text": "t"}, [said(1, one="a", by=1), said(2, one="old", by=2)])], SCHEMA)
    assert found.examples[0].labels == {"one": ("a",)}
    assert found.removed_labels == ("old",)


ANNOTATIONS = st.lists(
    st.builds(
        dict,
        one=st.sampled_from(["", *LABELS]),
        many=st.sets(st.sampled_from(LABELS)).map(lambda names: "".join(sorted(names))),
        by=st.sampled_from([None, 1, 2, 3, 4]),
        minute=st.integers(0, 5),
        truth=st.booleans(),
        skipped=st.booleans(),
    ),
    max_size=7,
).map(lambda made: [said(number, **fields) for number, fields in enumerate(made, start=1)])


@given(ANNOTATIONS, st.randoms(use_true_random=False))
def test_the_order_of_annotations_does_not_matter(annotations: list[dict[str, Any]], random: Any) -> None:
    expected = examples([Task(1, {"text": "t"}, annotations)], SCHEMA)
    shuffled = list(annotations)
    random.shuffle(shuffled)
    assert examples([Task(1, {"text": "t"}, shuffled)], SCHEMA) == expected


@given(ANNOTATIONS)
def test_nothing_is_learnt_that_nobody_said_and_nothing_lost_that_all_said(annotations: list[dict[str, Any]]) -> None:
    found = learnt(*annotations)
    for name in ("one", "many"):
        votes = [
            (annotation["ground_truth"], set(item["value"]["choices"]))
            for annotation in annotations
            if not annotation["was_cancelled"]
            for item in annotation["result"]
            if item["from_name"] == name
        ]
        truths = [labels for truth, labels in votes if truth]
        decisive = truths or [labels for _, labels in votes]
        assert (name in found) == bool(decisive)
        if decisive:
            assert set.intersection(*decisive) <= set(found[name]) <= set.union(*decisive)


@given(st.permutations([1, 2, 3, 4, 5]), st.sampled_from(LABELS), st.lists(st.sampled_from(LABELS), max_size=2))
def test_more_than_half_of_the_annotators_win_whenever_they_came(
    minutes: list[int], label: str, others: list[str]
) -> None:
    votes = [label] * 3 + others
    annotations = [
        said(number, one=vote, many=vote, by=number, minute=minute)
        for number, (vote, minute) in enumerate(zip(votes, minutes, strict=False), start=1)
    ]
    assert learnt(*annotations) == {"one": (label,), "many": (label,)}
