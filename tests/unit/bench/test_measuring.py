import pytest
from bench.measuring import alternating, interleaved, median, percentile, ratio
from hypothesis import given
from hypothesis import strategies as st


def test_every_round_runs_each_side_once_and_turns_the_order_round() -> None:
    order: list[str] = []
    sides = {name: lambda name=name: order.append(name) for name in ("ours", "peer")}

    seconds = interleaved(3, sides)

    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert {name: len(values) for name, values in seconds.items()} == {"ours": 3, "peer": 3}
    assert all(value >= 0 for values in seconds.values() for value in values)


def test_sides_that_measure_themselves_return_their_own_figures() -> None:
    numbers = iter(range(10))
    assert alternating(2, {"a": lambda: next(numbers), "b": lambda: next(numbers)}) == {"a": [0, 3], "b": [1, 2]}


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds is 0"):
        interleaved(0, {"ours": lambda: None})


def test_a_ratio_is_that_of_the_rounds_not_of_the_medians() -> None:
    # The machine slows down sixfold: the medians say 10/3, each round says 2.
    assert ratio([2, 4, 12], [1, 2, 6]) == 2
    assert ratio([2, 10, 40], [1, 5, 10]) == 2


def test_a_ratio_needs_as_many_rounds_on_both_sides() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1, 2], [1])


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_and_bounds_its_share(values: list[float], share: float) -> None:
    bound = percentile(values, share)
    assert bound in values
    assert sum(value <= bound for value in values) >= share * len(values) - 1e-6
    assert min(values) <= median(values) <= max(values)


def test_known_percentiles() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]
