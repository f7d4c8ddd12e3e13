"""Quantities and durations, in the forms the API server stores and Go reads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop_operator.api.durations import parse_duration
from labelloop_operator.api.quantities import canonical_quantity, quantity_value


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("1000m", "1"), (1, "1"), ("1", "1"), ("0.5", "500m"), ("1.5", "1500m"), ("100m", "100m"), ("0", "0"),
        ("0Mi", "0"),
        ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("512Mi", "512Mi"), ("0.5Gi", "512Mi"), ("0.5Mi", "512Ki"),
        ("100.5Mi", "102912Ki"), ("512", "512"), ("0.5Ki", "512"), ("1000000", "1M"), ("2000000000", "2G"),
        ("1024", "1024"),
        ("1e3", "1e3"), ("15e2", "1500"), ("1E", "1E"), (".5", "500m"), ("1.", "1"), ("0.1n", "1n"),
    ],
)  # fmt: skip
def test_the_canonical_form_is_what_the_api_server_stores(given_: str | int, stored: str) -> None:
    assert canonical_quantity(given_) == stored


@pytest.mark.parametrize("text", ["lots", "", "-1", "1 Gi", "1GiB", "1e", "0x1"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="512Mi"):
        canonical_quantity(text)


@pytest.mark.parametrize("value", [True, [], {}, None])
def test_what_merely_equals_a_quantity_or_cannot_be_compared_is_refused_too(value: Any) -> None:
    assert canonical_quantity(1) == "1"
    with pytest.raises(ValueError, match="512Mi"):
        canonical_quantity(value)


@given(
    st.decimals(min_value=0, max_value=10**6, places=3).map(str), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"])
)
def test_the_canonical_form_is_stable_and_means_the_same(number: str, suffix: str) -> None:
    stored = canonical_quantity(number + suffix)
    assert canonical_quantity(stored) == stored
    assert quantity_value(stored) == quantity_value(number + suffix)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), ("1m1m", 120)]
)
def test_durations_are_read_like_in_go(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1d", "30", "-1s", "1 h", "h", "1s\n"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)
