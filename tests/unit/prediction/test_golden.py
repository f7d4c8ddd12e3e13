"""Golden predictions: written by the training, compared on another base image."""

import json
from pathlib import Path

import pytest
from tests.support.serving_models import FixedModel

from labelloop.prediction.golden import GOLDEN_FILE, GoldenFileError, compare_golden, golden_texts, write_golden
from labelloop.prediction.predictor import Predictor


def predictor(first: float = 0.75) -> Predictor:
    return Predictor("model-1", FixedModel({"label": {"a": first, "b": 1 - first}}))


def test_the_same_model_gives_the_same_answers_and_the_same_bytes(tmp_path: Path) -> None:
    write_golden(tmp_path, predictor())
    first = (tmp_path / GOLDEN_FILE).read_bytes()
    write_golden(tmp_path, predictor())
    assert (tmp_path / GOLDEN_FILE).read_bytes() == first
    compared, difference = compare_golden(tmp_path, predictor())
    assert (compared, difference) == (len(golden_texts({"label": ("a", "b")})), None)


@pytest.mark.parametrize(("shift", "same"), [(5e-6, True), (3e-5, False), (-0.4, False)])
def test_scores_may_differ_by_the_tolerance_only(tmp_path: Path, shift: float, same: bool) -> None:
    write_golden(tmp_path, predictor())
    _, difference = compare_golden(tmp_path, predictor(0.75 + shift))
    assert (difference is None) == same
    if difference is not None:
        assert "golden prediction 1 of" in difference


def test_a_model_without_golden_predictions_has_nothing_to_compare(tmp_path: Path) -> None:
    assert compare_golden(tmp_path, predictor()) == (0, None)


def test_they_hold_label_names_and_texts_of_ours_only(tmp_path: Path) -> None:
    write_golden(tmp_path, predictor())
    document = json.loads((tmp_path / GOLDEN_FILE).read_text())
    assert document["texts"] == golden_texts({"label": ("a", "b")})


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b'{"format": 2}', b'{"format": 1, "labels": 1, "texts": [], "answers": []}',
     b'{"format": 1, "labels": {}, "texts": ["a"], "answers": []}', b"[" * 100_000],
)  # fmt: skip
def test_a_damaged_file_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / GOLDEN_FILE).write_bytes(content)
    with pytest.raises(GoldenFileError, match=GOLDEN_FILE):
        compare_golden(tmp_path, predictor())
