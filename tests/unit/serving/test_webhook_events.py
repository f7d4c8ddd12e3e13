import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.serving.webhook_events import MAX_ANNOTATIONS, AnnotationTime, Event, read_event

SAMPLES = Path(__file__).parents[2] / "samples" / "label-studio"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
HOSTILE = st.fixed_dictionaries(
    {"action": st.just("ANNOTATION_UPDATED")}, optional={"annotation": JSON, "annotations": JSON, "project": JSON}
)


def calls(name: str) -> list[dict]:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def sample(name: str) -> dict[str, object]:
    return calls(name)[0]["body"]


@pytest.mark.parametrize(
    ("name", "action", "annotations"),
    [
        ("webhook_ANNOTATION_UPDATED", "ANNOTATION_UPDATED", [AnnotationTime(3, "2026-11-22T05:41:42.729041Z")]),
        ("webhook_ANNOTATIONS_DELETED", "ANNOTATIONS_DELETED", [AnnotationTime(3, None)]),
        ("webhook_TASKS_CREATED", "TASKS_CREATED", []),
        ("webhook_TASKS_DELETED", "TASKS_DELETED", []),
        ("webhook_PROJECT_UPDATED", "PROJECT_UPDATED", []),
        ("webhook_no_payload_custom_headers", "ANNOTATION_CREATED", []),
        ("start_training_call", "START_TRAINING", []),
    ],
)
def test_recorded_events_tell_action_ids_and_times(name: str, action: str, annotations: list[AnnotationTime]):
    event = read_event(sample(name))
    assert isinstance(event, Event)
    assert (event.action, event.annotations) == (action, tuple(annotations))


def test_an_event_names_its_project_as_setup_and_predict_do():
    event = read_event(sample("start_training_call"))
    (connect,) = {call["body"]["project"] for call in calls("connect_calls_to_backend") if call["path"] == "/setup"}
    assert isinstance(event, Event)
    assert event.project == connect


@pytest.mark.parametrize("project", [{"id": 3, "created_at": "0001-01-01T00:00:00+14:00"}, 3, {"id": 3}])
def test_a_project_without_a_usable_time_is_a_number(project: object):
    event = read_event({"action": "START_TRAINING", "project": project})
    assert isinstance(event, Event)
    assert event.project == "3"


def test_a_bulk_event_tells_every_annotation():
    event = read_event(sample("webhook_ANNOTATIONS_CREATED_bulk"))
    assert isinstance(event, Event)
    assert len(event.annotations) > 1
    assert all(annotation.updated_at for annotation in event.annotations)


@pytest.mark.parametrize("payload", [None, 3, "START_TRAINING", [], {}, {"action": 1}, {"action": "DROP_TABLE"}])
def test_what_is_no_event_is_told_why(payload: object):
    assert isinstance(read_event(payload), str)


@given(JSON | HOSTILE)
def test_any_json_is_read_without_error_and_only_ids_and_times_leave(payload: object):
    event = read_event(payload)
    if isinstance(event, Event):
        assert all(annotation.id > 0 for annotation in event.annotations)
        assert all(
            annotation.updated_at is None or len(annotation.updated_at) <= 40 for annotation in event.annotations
        )


def test_texts_do_not_pass_as_times():
    event = read_event({"action": "ANNOTATION_UPDATED", "annotation": {"id": 1, "updated_at": "a customer's name"}})
    assert event == Event("ANNOTATION_UPDATED", (AnnotationTime(1, None),))


def test_the_number_of_annotations_is_bounded():
    event = read_event({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": n + 1} for n in range(5000)]})
    assert isinstance(event, Event)
    assert len(event.annotations) == MAX_ANNOTATIONS
