"""What the one action at a time comes to when Label Studio hangs."""

import asyncio

import pytest
from tests.fakes.waiting import until

from labelloop_operator.api.conditions import Reason
from labelloop_operator.label_studio.action_runner import ActionRunner
from labelloop_operator.label_studio.project_ref import LabelStudioAction, Progress
from labelloop_operator.planning.actions import Deregister

ADDRESS = "http://label-studio.tools.svc.cluster.local:8080"


async def test_an_action_that_hangs_says_what_was_tried_where_and_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelloop_operator.label_studio.action_runner.DEREGISTER_TIMEOUT", 0.01)

    async def hang(_: LabelStudioAction) -> None:
        await asyncio.Event().wait()

    writes = ActionRunner(ADDRESS, hang, lambda _: None)
    assert writes.perform(Deregister(7, "http://intents-ml:9090")) is Progress.WAITING
    await until(lambda: writes.problem is not None)
    assert writes.problem is not None
    assert writes.problem.reason is Reason.LABEL_STUDIO_UNREACHABLE
    assert f"removing ML backend and webhook at {ADDRESS} did not end within 0.01 s" in writes.problem.message
    await writes.close()
