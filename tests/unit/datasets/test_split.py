import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.datasets.examples import Example
from labelloop.datasets.split import FEWEST_HELD_OUT, MOST_HELD_OUT, holdout, holdout_fraction, normalised

TEXTS = st.lists(st.text(alphabet="aAbB \t\n1é\uff21ßﬁ", max_size=6), max_size=40)
FRACTIONS = st.floats(0, 0.95)


def made_of(texts: list[str]) -> list[Example]:
    return [Example(number, text, {"label": ("a",)}) for number, text in enumerate(texts)]


@given(TEXTS, FRACTIONS)
def test_every_example_is_on_one_side_and_order_is_kept(texts: list[str], fraction: float) -> None:
    examples = made_of(texts)
    train, held_out = holdout(examples, "7", fraction)
    assert sorted((*train, *held_out), key=lambda example: example.task) == examples
    assert [e.task for e in train] == sorted(e.task for e in train)
    assert [e.task for e in held_out] == sorted(e.task for e in held_out)


@given(TEXTS, FRACTIONS)
def test_no_text_stands_on_both_sides(texts: list[str], fraction: float) -> None:
    train, held_out = holdout(made_of(texts), "7", fraction)
    assert not {normalised(e.text) for e in train} & {normalised(e.text) for e in held_out}


@given(TEXTS, FRACTIONS, FRACTIONS)
def test_fractions_are_nested(texts: list[str], one: float, other: float) -> None:
    smaller = holdout(made_of(texts), "7", min(one, other))[1]
    larger = holdout(made_of(texts), "7", max(one, other))[1]
    assert {e.task for e in smaller} <= {e.task for e in larger}


@given(st.permutations(range(30)), FRACTIONS)
def test_order_ids_and_company_do_not_matter(order: list[int], fraction: float) -> None:
    held_out = {e.text for e in holdout(made_of([f"text {n}" for n in range(30)]), "7", fraction)[1]}
    shuffled = made_of([f"text {n}" for n in order])
    assert {e.text for e in holdout(shuffled, "7", fraction)[1]} == held_out
    assert {e.text for e in holdout(shuffled[:10], "7", fraction)[1]} == held_out & {e.text for e in shuffled[:10]}


def test_the_fraction_is_met_and_differs_by_salt() -> None:
    examples = made_of([f"text {number}" for number in range(5000)])
    held_out = [{e.task for e in holdout(examples, salt, 0.2)[1]} for salt in ("7", "8")]
    assert all(900 < len(tasks) < 1100 for tasks in held_out)
    assert len(held_out[0] & held_out[1]) < 300


def test_nothing_is_held_out_at_zero() -> None:
    assert holdout(made_of(["a", "b"]), "7", 0)[1] == []


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_fractions_out_of_range_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        holdout([], "7", fraction)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello  World", " hello\tworld\n"),
        ("\uff26\uff35\uff2c\uff2c width", "full width"),
        ("Straße", "STRASSE"),
        ("e\u0301", "É"),
        ("ﬁn", "FIN"),
    ],
)
def test_texts_that_differ_in_looks_only_are_the_same(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_hostile_texts_take_no_quadratic_time() -> None:
    normalised("a" + "\u0301\u0316" * 500_000)


@pytest.mark.parametrize(
    ("examples", "share"),
    [(0, 0), (2, 0), (49, 0), (50, 0.2), (100, 0.2), (150, 20 / 150), (1000, 0.1), (10_000, 0.05)],
)
def test_few_and_many_examples_hold_out_what_says_enough(examples, share):
    assert holdout_fraction(examples, 0.2) == pytest.approx(share)


@given(st.integers(1, 100_000), st.integers(0, 1000), st.floats(0, 0.9))
def test_the_share_never_exceeds_the_limit_and_only_falls(examples, more, limit):
    share = holdout_fraction(examples, limit)
    assert share <= limit
    assert not share or holdout_fraction(examples + more, limit) <= share
    assert share * examples <= max(FEWEST_HELD_OUT, MOST_HELD_OUT) + 1e-6
