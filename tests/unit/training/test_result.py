import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.counting.updates import Cut
from labelloop.training.result import (
    TERMINATION_BYTES,
    Result,
    ResultError,
    read_result,
    termination_message,
    write_result,
    write_termination_message,
)

FULL = Result(
    outcome="Trained",
    reason="Trained",
    message="312 tasks, 2 labels, accuracy 0.71",
    version="model-0f3a00000000",
    dataset_digest="sha256:" + "0" * 64,
    label_config_sha256="1" * 64,
    labels=("billing", "login"),
    cut=Cut(datetime(2026, 11, 22, 6, 0, 0, 123456, UTC), 312),
    metrics={
        "accuracy": 0.71,
        "macro_f1": None,
        "log_loss": 0.9,
        "examples": 60,
        "per_class": {"billing": {"f1": 1.0}},
    },
    counts={"tasks": 312, "used": 300},
    removed_labels=("old label",),
    seconds={"fetch": 0.4},
    image="repo@sha256:1",
    snapshot="repo/snapshot@sha256:2",
)


def test_what_is_written_is_read(tmp_path):
    write_result(FULL, tmp_path / "out" / "result.json")
    assert read_result(tmp_path / "out" / "result.json") == FULL


def test_the_document_is_as_agreed():
    document = json.loads(FULL.to_json())
    assert document["format"] == 1
    assert document["cut"] == {"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312}
    assert document["labels"] == ["billing", "login"]
    assert document["metrics"]["macro_f1"] is None


def test_before_any_annotation_the_cut_has_no_time():
    document = json.loads(Result("NotEnoughData", "NoUsableAnnotations", "none", cut=Cut()).to_json())
    assert document["cut"] == {"updated_at": None, "size": 0}


def test_a_failure_says_little_and_exits_1():
    failed = Result.failed("RegistryUnreachable", "why")
    assert json.loads(failed.to_json()) == {
        "format": 1,
        "outcome": "Failed",
        "reason": "RegistryUnreachable",
        "message": "why",
    }
    assert failed.exit_code == 1
    assert FULL.exit_code == 0
    assert Result("NotEnoughData", "TooFewLabels", "").exit_code == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "outcome": "Odd"}', '{"format": 1, "outcome": "Trained"}',
             '{"format": 1, "outcome": "Trained", "reason": "", "message": "", "cut": 3}', "[" * 100_000]
)  # fmt: skip
def test_what_is_no_result_is_told(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ResultError, match=r"result\.json"):
        read_result(tmp_path / "result.json")


def test_a_missing_result_is_told(tmp_path):
    with pytest.raises(ResultError, match="cannot be read"):
        read_result(tmp_path / "result.json")


def test_a_small_result_is_the_message_as_it_is():
    assert Result.from_json(termination_message(FULL)) == FULL


NAMES = st.lists(st.text(max_size=300), max_size=400).map(tuple)


@given(labels=NAMES, removed=NAMES, message=st.text(max_size=9000))
def test_the_termination_message_always_fits_and_keeps_what_counts(labels, removed, message):
    classes = {name: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "examples": 3} for name in labels}
    result = Result(
        **{**vars(FULL), "labels": labels, "removed_labels": removed, "message": message,
           "metrics": {**FULL.metrics, "per_class": classes}}
    )  # fmt: skip
    encoded = termination_message(result)
    assert len(encoded) <= TERMINATION_BYTES
    read = Result.from_json(encoded)
    assert (read.version, read.cut, read.image, read.snapshot) == (FULL.version, FULL.cut, FULL.image, FULL.snapshot)
    assert read.metrics["accuracy"] == 0.71
    assert message.startswith(read.message.rstrip("?")) or "\ufffd" in read.message or "?" in read.message


def test_the_termination_message_goes_where_the_pod_says(tmp_path):
    path = tmp_path / "log"
    path.write_text("older and longer " * 100)
    write_termination_message(FULL, {"LABELLOOP_TERMINATION_LOG": str(path)})
    assert Result.from_json(path.read_bytes()) == FULL


def test_outside_a_pod_there_is_no_such_place(tmp_path):
    write_termination_message(FULL, {"LABELLOOP_TERMINATION_LOG": str(tmp_path / "none" / "log")})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_json_has_not_are_refused(number):
    with pytest.raises(ResultError, match="cannot be read"):
        Result.from_json(f'{{"format": 1, "outcome": "Trained", "metrics": {{"accuracy": {number}}}}}')
