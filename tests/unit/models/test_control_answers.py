"""What is selected, written as the editor would store it: paths, groups, limits, order of the configuration."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.serving_models import TEXT, FixedModel

from labelloop.label_config.schema import Control, parse_label_config
from labelloop.models.control_answers import ControlAnswers, Region

TREE = (
    '<Choice value="b" alias="B"><Choice value="x"/><Choice value="a"><Choice value="deep"/></Choice></Choice>'
    '<Choice value="a"/><Choice value="c"><Choice value="x"/></Choice>'
)


def control(tag: str, attributes: str = "", choices: str = TREE) -> Control:
    return parse_label_config(
        f'<View>{TEXT}<{tag} name="c" toName="text" {attributes}>{choices}</{tag}></View>'
    ).control


def answered(by: Control, **shares: float) -> Region | None:
    """The region for labels with these probabilities; `_` stands for the separator of paths."""
    model = FixedModel({"c": {name.replace("_", " / "): share for name, share in sorted(shares.items())}})
    answers = ControlAnswers.of(model, by, "v")
    if answers is None:
        return None
    (region,) = answers.regions(["a text"], [0])
    return region


def selected(by: Control, **shares: float) -> Sequence[object] | None:
    region = answered(by, **shares)
    return None if region is None else region["value"][region["type"]]


TAXONOMY = control("Taxonomy")
AT_MOST_TWO = control("Taxonomy", 'maxUsages="2"')
ONLY_ONE = control("Taxonomy", 'maxUsages="1"')
LEAVES_ONLY = control("Taxonomy", 'leafsOnly="true"')
NESTED = control("Choices", 'choice="multiple" allowNested="true"')


@pytest.mark.parametrize(
    ("by", "shares", "expected"),
    [
        (
            TAXONOMY,
            {"c": 0.9, "B_a_deep": 0.8, "a": 0.7, "B": 0.6, "B_x": 0.4},
            [["B"], ["B", "a", "deep"], ["a"], ["c"]],
        ),
        (AT_MOST_TWO, {"c": 0.9, "B_a_deep": 0.8, "a": 0.7, "B": 0.6}, [["B", "a", "deep"], ["c"]]),
        (ONLY_ONE, {"c_x": 0.5, "B": 0.3, "a": 0.2}, [["c", "x"]]),
        (NESTED, {"B_x": 0.9, "a": 0.6}, [["B", "x"], ["a"]]),
        (NESTED, {"B_x": 0.9, "B_a_deep": 0.8, "a": 0.2}, [["B"], ["B", "x"], ["B", "a"], ["B", "a", "deep"]]),
        (NESTED, {"c_x": 0.9, "a": 0.2}, [["c"], ["c", "x"]]),
        (LEAVES_ONLY, {"c_x": 0.9, "B_x": 0.8, "B_a_deep": 0.7}, [["B", "x"], ["B", "a", "deep"], ["c", "x"]]),
        (TAXONOMY, {"B": 0.4, "a": 0.1}, None),
        (TAXONOMY, {"gone": 0.9, "B_gone": 0.9}, None),
    ],
)
def test_selections(by: Control, shares: dict[str, float], expected: list[list[str]] | None) -> None:
    assert selected(by, **shares) == expected


def test_a_taxonomys_region_has_its_type_and_the_probability_of_the_least_sure_choice() -> None:
    region = answered(AT_MOST_TWO, c=0.9, a=0.7, B=0.6)
    assert region is not None
    assert (region["type"], region["from_name"], region["to_name"]) == ("taxonomy", "c", "text")
    assert region["score"] == pytest.approx(0.7, abs=1e-6)


LEAVES = [choice.label for choice in NESTED.choices]
GROUPS = {
    group.path: [c.label for c in NESTED.choices if c.path[: len(group.path)] == group.path] for group in NESTED.groups
}


@given(st.sets(st.sampled_from(LEAVES), min_size=1))
def test_a_group_is_selected_exactly_when_all_its_leaves_are(chosen: set[str]) -> None:
    model = FixedModel({"c": {label: 0.9 if label in chosen else 0.1 for label in LEAVES}})
    answers = ControlAnswers.of(model, NESTED, "v")
    assert answers is not None
    (region,) = answers.regions(["a text"], [0])
    assert region is not None
    paths = [tuple(path) for path in region["value"]["choices"]]
    assert {path for path in paths if path in GROUPS} == {
        path for path, leaves in GROUPS.items() if chosen.issuperset(leaves)
    }
    assert {" / ".join(path) for path in paths if path not in GROUPS} == chosen
    for path in paths:  # the tree's order: a group comes before what is in it
        assert all(paths.index(group) < paths.index(path) for group in paths if group == path[: len(group)] != path)
