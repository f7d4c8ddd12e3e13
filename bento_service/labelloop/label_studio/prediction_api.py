"""Writing predictions in bulk, about thirty times faster than letting Label Studio ask for them."""

from collections.abc import Mapping, Sequence

from labelloop.label_studio import answers
from labelloop.label_studio.protocol import Operation, Request

CHUNK = 2000
IMPORT_TIMEOUT = 120.0


def import_predictions(project: int, predictions: Sequence[Mapping[str, object]]) -> Operation[int]:
    """Stores `{"task", "model_version", "score", "result"}` objects; returns how many Label Studio kept.

    It drops those that do not fit the labelling configuration without a word, so compare the number.
    """
    created = 0
    for start in range(0, len(predictions), CHUNK):
        response = yield Request(
            "POST",
            f"/api/projects/{int(project)}/import/predictions",
            json=[dict(prediction) for prediction in predictions[start : start + CHUNK]],
            timeout=IMPORT_TIMEOUT,
        )
        answer = answers.read_object(response, f"predictions of project {project}")
        created += answers.field(response, answer, "created", int)
    return created
