import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.serving_models import LABEL_CONFIG, FixedModel, task

from labelloop.label_config.schema import Schema, parse_label_config
from labelloop.prediction.predictor import Entry, Predictor
from labelloop.serving.batching import ALONE_FOR, BATCH_BYTES, BATCH_TASKS, LOOK_EVERY, Batcher

SCHEMA = parse_label_config(LABEL_CONFIG)
SHARES = {"label": {"billing": 0.7, "delivery": 0.2, "login": 0.1}}


class NotingPredictor(Predictor):
    """Notes how many tasks each pass had; fails when a task is `broken`."""

    def __init__(self, version: str = "model-1") -> None:
        super().__init__(version, FixedModel(SHARES, version))
        self.passes: list[int] = []

    def predict(
        self, tasks: Sequence[object], schema: Schema | None, indices: Sequence[int] | None = None
    ) -> list[Entry]:
        self.passes.append(len(tasks))
        if "broken" in tasks:
            raise ArithmeticError("broken")
        return super().predict(tasks, schema, indices)


def tasks(count: int) -> list[object]:
    return [task(f"text {number}", number) for number in range(count)]


async def together(
    predictor: Predictor, requests: Sequence[list[object]], size: int = 1000
) -> list[list[Entry] | BaseException]:
    batcher = Batcher()
    calls = (batcher.predict(predictor, request, SCHEMA, size) for request in requests)
    return await asyncio.gather(*calls, return_exceptions=True)


@given(st.lists(st.integers(0, BATCH_TASKS + 5), min_size=1, max_size=20))
def test_each_request_gets_what_it_would_get_alone(sizes: list[int]):
    predictor = NotingPredictor()
    requests = [tasks(size) for size in sizes]
    answers = asyncio.run(together(predictor, requests))
    assert max(predictor.passes) <= max(BATCH_TASKS, *sizes)
    assert answers == [Predictor.predict(predictor, request, SCHEMA) for request in requests]


async def test_requests_of_the_same_moment_are_one_pass():
    predictor = NotingPredictor()
    await together(predictor, [tasks(1)] * 10)
    assert predictor.passes == [10]


async def test_a_request_alone_does_not_wait_for_others():
    predictor, batcher = NotingPredictor(), Batcher()
    for _ in range(3):
        assert len(await batcher.predict(predictor, tasks(1), SCHEMA, 1000)) == 1
    assert predictor.passes == [1, 1, 1]


async def test_a_full_batch_is_followed_by_the_next():
    predictor = NotingPredictor()
    answers = await together(predictor, [tasks(1)] * (2 * BATCH_TASKS + 1))
    assert predictor.passes == [BATCH_TASKS, BATCH_TASKS, 1]
    assert all(isinstance(answer, list) and len(answer) == 1 for answer in answers)


async def test_batches_are_bounded_in_bytes():
    predictor = NotingPredictor()
    await together(predictor, [tasks(1)] * 4, size=BATCH_BYTES // 2)
    assert predictor.passes == [2, 2]


async def test_what_is_large_anyway_does_not_wait():
    predictor = NotingPredictor()
    await together(predictor, [tasks(BATCH_TASKS), tasks(1), tasks(1)])
    assert predictor.passes == [BATCH_TASKS, 2]


async def test_another_model_and_another_configuration_are_not_mixed():
    batcher, first, second = Batcher(), NotingPredictor("model-1"), NotingPredictor("model-2")
    answers = await asyncio.gather(
        batcher.predict(first, tasks(1), SCHEMA, 1000),
        batcher.predict(second, tasks(1), SCHEMA, 1000),
        batcher.predict(first, tasks(1), None, 1000),
    )
    assert [answer[0]["model_version"] for answer in answers] == ["model-1", "model-2", "model-1"]
    assert ["result" in answer[0] for answer in answers] == [True, True, False]


async def test_a_request_that_fails_does_not_take_the_others_with_it():
    predictor = NotingPredictor()
    answers = await together(predictor, [tasks(1), ["broken"], tasks(2)])
    assert isinstance(answers[1], ArithmeticError)
    assert [len(answer) for answer in answers if isinstance(answer, list)] == [1, 2]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_request_does_not_take_the_others_with_it(cancelled: int):
    predictor, batcher = NotingPredictor(), Batcher()
    waiting = [asyncio.create_task(batcher.predict(predictor, tasks(1), SCHEMA, 1000)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[cancelled].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers].count(asyncio.CancelledError) == 1
    assert [len(answer) for answer in answers if isinstance(answer, list)] == [1, 1]


async def test_company_is_found_again_after_a_time_alone():
    predictor, batcher = NotingPredictor(), Batcher()
    for _ in range(5 * ALONE_FOR):
        await batcher.predict(predictor, tasks(1), SCHEMA, 1000)
    assert set(predictor.passes) == {1}
    predictor.passes.clear()
    for _ in range(2):
        await asyncio.gather(*(batcher.predict(predictor, tasks(1), SCHEMA, 1000) for _ in range(2 * LOOK_EVERY)))
    assert sum(predictor.passes) == 4 * LOOK_EVERY
    assert max(predictor.passes[: LOOK_EVERY + 1]) > 1
    assert predictor.passes[-1] == 2 * LOOK_EVERY
