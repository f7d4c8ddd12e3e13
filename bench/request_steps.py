"""Where the time of a prediction goes within our process, step by step, without HTTP."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path

import orjson

from bench.measuring import alternating, median

REPEATS = 400
SCORES, ANSWER = "n-grams and scores", "rules and answer"


def milliseconds(model_directory: Path, bodies: Sequence[bytes]) -> dict[str, float]:
    """Median milliseconds of each step over `bodies` in turns."""
    from labelloop.label_config.schema import parse_label_config
    from labelloop.models import load_model
    from labelloop.prediction.predictor import Predictor

    model = load_model(model_directory)
    predictor = Predictor("model-000000000000", model)
    payloads = [orjson.loads(body) for body in bodies]
    schema = parse_label_config(payloads[0]["label_config"])
    texts = [[task["data"]["text"] for task in payload["tasks"]] for payload in payloads]
    answers = [predictor.predict(payload["tasks"], schema) for payload in payloads]
    control = schema.control.name
    steps: dict[str, Callable[[int], object]] = {
        "JSON in": lambda number: orjson.loads(bodies[number]),
        SCORES: lambda number: model.probabilities(control, texts[number]),
        ANSWER: lambda number: predictor.predict(payloads[number]["tasks"], schema),
        "JSON out": lambda number: orjson.dumps({"results": answers[number]}),
    }
    seconds = alternating(REPEATS, {name: _timed(step, cycle(range(len(bodies)))) for name, step in steps.items()})
    # The whole prediction holds the scores.
    seconds[ANSWER] = [whole - scores for whole, scores in zip(seconds[ANSWER], seconds[SCORES], strict=True)]
    return {name: max(0.0, median(values)) * 1000 for name, values in seconds.items()}


def _timed(step: Callable[[int], object], numbers: Iterator[int]) -> Callable[[], float]:
    def run() -> float:
        number = next(numbers)
        began = time.perf_counter()
        step(number)
        return time.perf_counter() - began

    return run
