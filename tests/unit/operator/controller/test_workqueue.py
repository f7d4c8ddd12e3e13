import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.virtual_time import run

from labelloop_operator.controller.workqueue import BASE_DELAY, MAXIMUM_DELAY, WorkQueue


def even(low: float = 1.0) -> WorkQueue[str]:
    return WorkQueue(jitter=lambda: low)


def test_a_key_added_many_times_is_worked_on_once() -> None:
    async def story() -> list[str]:
        queue = even()
        for _ in range(5):
            queue.add("a")
        queue.add("b")
        worked = [await queue.get(), await queue.get()]
        assert queue.depth == 0
        return worked

    assert run(story()) == ["a", "b"]


def test_nobody_gets_a_key_that_is_being_worked_on() -> None:
    async def story() -> None:
        queue = even()
        queue.add("a")
        first = await queue.get()
        queue.add("a")
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        assert not waiting.done()
        queue.done(first)
        assert await waiting == "a"

    run(story())


def test_the_earliest_time_counts() -> None:
    async def story() -> float:
        queue, loop = even(), asyncio.get_running_loop()
        queue.add("a", 60)
        queue.add("a", 5)
        queue.add("a", 30)
        await queue.get()
        taken = loop.time()
        queue.done("a")
        assert queue.depth == 0
        return taken

    assert run(story()) == 5


def test_due_keys_come_before_later_ones() -> None:
    async def story() -> list[str]:
        queue = even()
        queue.add("late", 10)
        queue.add("soon", 1)
        queue.add("now")
        return [await queue.get() for _ in range(3)]

    assert run(story()) == ["now", "soon", "late"]


def test_failures_wait_longer_and_longer_up_to_a_bound() -> None:
    async def story() -> list[float]:
        queue = even()
        delays = []
        for _ in range(10):
            delays.append(queue.retry("a"))
            await queue.get()
            queue.done("a")
        queue.forget("a")
        delays.append(queue.retry("a"))
        return delays

    delays = run(story())
    assert delays[:4] == [BASE_DELAY, 1, 2, 4]
    assert delays[-2] == MAXIMUM_DELAY
    assert delays[-1] == BASE_DELAY


def test_a_retry_comes_no_earlier_than_it_may() -> None:
    async def story() -> tuple[float, float]:
        queue = even()
        return queue.retry("a", at_least=7.0), queue.retry("b", at_least=0.1)

    assert run(story()) == (7.0, BASE_DELAY)


def test_what_must_wait_is_woken_by_nothing_until_then() -> None:
    async def story() -> list[float]:
        queue, loop = even(), asyncio.get_running_loop()
        began, times = loop.time(), []
        queue.add("a")
        queue.retry("a", at_least=7.0)
        queue.add("a")
        await queue.get()
        times.append(loop.time() - began)
        queue.done("a")
        queue.forget("a")
        queue.add("a")
        await queue.get()
        times.append(loop.time() - began)
        return times

    assert run(story()) == [7.0, 7.0]


def test_cancelling_a_waiting_worker_ends_it_even_when_work_comes_in_at_that_moment() -> None:
    async def story() -> None:
        queue = even()
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        queue.add("a")
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        assert worker.cancelled()

    run(story())


def test_the_oldest_is_told() -> None:
    async def story() -> None:
        queue = even()
        assert queue.oldest == 0
        queue.add("a")
        await asyncio.sleep(7)
        assert queue.oldest == 7
        await queue.get()
        await asyncio.sleep(3)
        assert queue.oldest == 3

    run(story())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20), st.floats(0, 5)), max_size=30), st.integers(1, 4))
def test_every_key_is_worked_on_after_its_last_add_and_never_twice_at_once(
    adds: list[tuple[str, float, float]], workers: int
) -> None:
    async def story() -> None:
        queue, loop = even(), asyncio.get_running_loop()
        active: set[str] = set()
        started: dict[str, float] = {}

        async def work() -> None:
            while True:
                key = await queue.get()
                assert key not in active
                active.add(key)
                started[key] = loop.time()
                await asyncio.sleep(1.5)
                active.discard(key)
                queue.done(key)

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        last: dict[str, float] = {}
        for key, delay, pause in adds:
            queue.add(key, delay)
            last[key] = loop.time()
            await asyncio.sleep(pause)
        await asyncio.sleep(200)
        for task in tasks:
            task.cancel()
        assert all(started[key] >= added for key, added in last.items())

    run(story())


def test_it_is_calm_once_a_worker_finds_nothing_due() -> None:
    async def story() -> None:
        queue = even()
        queue.add("a")
        queue.add("later", 60.0)
        calm = asyncio.create_task(queue.calm())
        await asyncio.sleep(1)
        assert not calm.done()
        queue.done(await queue.get())
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        assert calm.done()
        worker.cancel()

    run(story())
