from datetime import UTC, datetime

from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.operator import connect

from labelloop_operator.kubernetes.event_recorder import Events

METADATA = {"namespace": "a", "name": "intents", "uid": "u1"}


async def test_the_same_event_again_raises_the_count_of_one_object() -> None:
    api = await FakeKubernetes().start()
    kubernetes = connect(api)
    times = iter(datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in range(10))
    first_life = Events(kubernetes, lambda: next(times))
    for _ in range(2):
        await first_life.emit(METADATA, "Warning", "TrainingFailed", "why")
    await Events(kubernetes, lambda: next(times)).emit(METADATA, "Warning", "TrainingFailed", "why")
    await first_life.emit(METADATA, "Normal", "Ready", "x" * 5000)
    failed, ready = sorted(api.all("events"), key=lambda event: event["type"], reverse=True)
    assert failed["series"]["count"] == 3
    assert failed["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert failed["series"]["lastObservedTime"] == "2026-01-01T00:02:00.000000Z"
    assert failed["regarding"]["name"] == "intents"
    assert len(ready["note"]) == 1024
    await kubernetes.close()
    await api.stop()


async def test_an_event_that_cannot_be_written_stops_nobody() -> None:
    api = await FakeKubernetes().start()
    kubernetes = connect(api)
    api.refuse("PATCH", "events", 403, "no")
    await Events(kubernetes).emit(METADATA, "Normal", "Ready", "x")
    assert api.all("events") == []
    await kubernetes.close()
    await api.stop()
