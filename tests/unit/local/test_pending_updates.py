"""When and what the trainer counts, on the fake Label Studio."""

from collections.abc import Iterator

import pytest
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN, FakeLabelStudio

from labelloop.counting.updates import Cut
from labelloop.label_studio import Credentials, NotFound
from labelloop.label_studio.client import LabelStudioClient
from labelloop.local.pending_updates import SETTLE_SECONDS, UpdateCounter

POLL, SCAN = 30.0, 1000.0
COUNTS = ("GET", "/api/projects")
TASKS = ("GET", "/api/tasks")


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        fake.add_project(7)
        yield fake


@pytest.fixture
def client(fake: FakeLabelStudio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(Credentials(fake.url, TOKEN)) as client:
        yield client


def tally() -> UpdateCounter:
    made = UpdateCounter(POLL, SCAN)
    made.move(Cut())
    return made


def test_it_counts_at_first_then_once_a_poll_and_soon_after_a_hint(fake: FakeLabelStudio, client: LabelStudioClient):
    seen = tally()
    assert seen.due(0)
    client.run(seen.look(7, 0))
    assert not seen.due(POLL - 1)
    assert seen.due(POLL)
    seen.see_hint(1, 5)
    assert not seen.due(5)
    seen.see_hint(2, 5.2)  # more hints do not put it off
    assert seen.due(5 + SETTLE_SECONDS)
    client.run(seen.look(7, 6))
    assert not seen.due(6 + SETTLE_SECONDS)


def test_counters_that_did_not_move_save_the_scan_until_it_is_due(fake: FakeLabelStudio, client: LabelStudioClient):
    fake.annotate(7, 3)
    seen = tally()
    client.run(seen.look(7, 0))
    assert seen.count is not None
    assert seen.count.pending.total == 3
    scans = fake.calls[TASKS]
    client.run(seen.look(7, POLL))
    assert fake.calls[TASKS] == scans
    fake.annotate(7)
    client.run(seen.look(7, 2 * POLL))
    assert seen.count.pending.total == 4
    scans = fake.calls[TASKS]
    client.run(seen.look(7, SCAN + 3 * POLL))
    assert fake.calls[TASKS] > scans


def test_an_edit_of_what_is_pending_already_is_one_more(fake: FakeLabelStudio, client: LabelStudioClient):
    (annotation,) = fake.annotate(7)
    seen = tally()
    assert client.run(seen.look(7, 0)) == 0
    fake.edit(7, annotation.id)
    seen.see_hint(1, 1)
    assert client.run(seen.look(7, 2)) == 1
    seen.see_hint(2, 3)
    assert client.run(seen.look(7, 4)) == 0


def test_another_cut_starts_anew(fake: FakeLabelStudio, client: LabelStudioClient):
    newest = fake.annotate(7, 3)[-1]
    seen = tally()
    client.run(seen.look(7, 0))
    seen.move(Cut(newest.updated_at, 3))
    assert seen.count is None
    assert seen.due(0.1)
    client.run(seen.look(7, 0.1))
    assert seen.count is not None
    assert seen.count.pending.total == 0


def test_a_failed_look_is_tried_again_one_poll_later(fake: FakeLabelStudio, client: LabelStudioClient):
    seen = tally()
    with pytest.raises(NotFound):
        client.run(seen.look(8, 0))
    assert not seen.due(1)
    assert seen.due(POLL)
