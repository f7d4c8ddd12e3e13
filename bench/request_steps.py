"""Where the time of a prediction goes within our process, step by step, without HTTP."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from bench.measuring import median

REPEATS = 400


def milliseconds(model_directory: Path, bodies: Sequence[bytes]) -> dict[str, float]:
    """Median milliseconds of each step over `bodies` in turns."""
    from labelloop.label_config import parse_label_config
    from labelloop.models import load_model
    from labelloop.serving.predictor import Predictor

    model = load_model(model_directory)
    predictor = Predictor("model-000000000000", model)
    payloads = [orjson.loads(body) for body in bodies]
    schema = parse_label_config(payloads[0]["label_config"])
    texts = [[task["data"]["text"] for task in payload["tasks"]] for payload in payloads]
    answers = [predictor.predict(payload["tasks"], schema) for payload in payloads]
    control = schema.control.name
    scores = _timed(lambda number: model.probabilities(control, texts[number]), len(bodies))
    whole = _timed(lambda number: predictor.predict(payloads[number]["tasks"], schema), len(bodies))
    return {
        "JSON in": _timed(lambda number: orjson.loads(bodies[number]), len(bodies)),
        "n-grams and scores": scores,
        "rules and answer": max(0.0, whole - scores),
        "JSON out": _timed(lambda number: orjson.dumps({"results": answers[number]}), len(bodies)),
    }


def _timed(step: Callable[[int], object], count: int) -> float:
    seconds = []
    for number in range(REPEATS):
        began = time.perf_counter()
        step(number % count)
        seconds.append(time.perf_counter() - began)
    return median(seconds) * 1000
