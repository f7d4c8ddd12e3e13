"""What one story from resource to a refused model leaves in metrics and in the log."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.label_studio import TOKEN
from tests.fakes.operator import KEY, NAME, NAMESPACE, Operator, World, world
from tests.fakes.story import result
from tests.fakes.waiting import until

from labelloop_operator.controller.derived_secrets import relay_secret, webhook_secret
from labelloop_operator.ops.logging import configure
from labelloop_operator.ops.metrics import Metrics

TEXT = "my card 4711 was swallowed by the machine in Elm Street"
OPERATIONS = Path(__file__).parents[4] / "docs/operations/operator.md"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, by anybody, at any level, in the operator's own form."""
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    levels = {name: logging.getLogger(name).level for name in root.manager.loggerDict}
    made = io.StringIO()
    configure("DEBUG", made)
    yield made
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


async def told(made: World) -> Operator:
    """A first model, then one that the gate refuses, with texts and secrets on the way."""
    made.resource(training={"updatesPerTraining": 2})
    operator = await made.run()
    await made.ready()
    for version, outcome in (("model-a", "Trained"), ("model-b", "Refused")):
        last = [made.label_studio.add_labelled(7, TEXT, "billing") for _ in range(2)][-1]
        await until(lambda: made.api.all("jobs"), "a Job")
        (job,) = made.api.all("jobs")
        size = sum(len(task.annotations) for task in made.label_studio.projects[7].tasks.values())
        gate = {"accepted": outcome == "Trained", "reason": "Passed", "message": "", "figures": {}}
        if outcome == "Refused":
            gate["reason"] = "WorseThanActive"
        ended = result(version, size, last.updated_at.isoformat()) | {"outcome": outcome, "gate": gate}
        made.job_ends(job["metadata"]["name"], ended)
        await until(lambda: not made.api.all("jobs"), "the Job's end")
        await until(lambda: serves(made, "model-a"))
    made.label_studio.token = "another" + TOKEN[7:]
    await until(lambda: made.condition("Ready")[1] == "Unauthorized")
    return operator


def serves(made: World, version: str) -> bool:
    made.pods_serve()
    model = made.found()["status"]["model"]
    return "candidate" not in model and bool(model["active"]["version"] == version)


async def test_a_story_is_counted() -> None:
    async with world() as made:
        operator = await told(made)

        def value(metric: str, **labels: str) -> float | None:
            return operator.metrics.registry.get_sample_value(metric, labels)

        assert value("labelloop_trainings_total", outcome="Trained", reason="Trained") == 1
        assert value("labelloop_trainings_total", outcome="Refused", reason="Refused") == 1
        assert value("labelloop_training_duration_seconds_count", outcome="Trained") == 1
        assert value("labelloop_gate_decisions_total", accepted="true", reason="Passed") == 1
        assert value("labelloop_gate_decisions_total", accepted="false", reason="WorseThanActive") == 1
        assert value("labelloop_rollouts_total", reason="Promoted") == 2
        own = {"namespace": NAMESPACE, "name": NAME}
        assert value("labelloop_model_accuracy", version="model-a", **own) == 0.7
        assert value("labelloop_model_accuracy", version="model-b", **own) is None
        assert value("labelloop_pending_updates", **own) == 0
        await until(lambda: value("labelloop_label_studio_operations_total", result="Unauthorized"), "a refused call")
        assert (value("labelloop_label_studio_operations_total", result="success") or 0) > 5
        done = operator.metrics.registry.get_sample_value("labelloop_reconcile_duration_seconds_count", {})
        assert done is not None
        assert done >= (value("labelloop_reconcile_total", result="success") or 0) > 5
        await operator.engine._forget((NAMESPACE, NAME))
        assert value("labelloop_model_accuracy", version="model-a", **own) is None


async def test_no_level_of_the_log_shows_a_secret_or_a_text(log: io.StringIO) -> None:
    async with world() as made:
        await told(made)
        uid = made.found()["metadata"]["uid"]
        await until(lambda: "Unauthorized" in log.getvalue())
    lines = log.getvalue()
    assert "TrainingStarted" in lines
    for secret in (TOKEN, made.label_studio.token, KEY.decode(), relay_secret(KEY, uid), webhook_secret(KEY, uid)):
        assert secret not in lines
    assert "4711" not in lines
    assert "Elm Street" not in lines
    ours: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
    engine = [line for line in ours if line["logger"] == "labelloop_operator.controller.reconciler"]
    assert engine
    assert {line["resource"] for line in engine} == {f"{NAMESPACE}/{NAME}"}


def test_every_metric_is_documented() -> None:
    documented = OPERATIONS.read_text()
    names = re.findall(r"^# TYPE (labelloop_\S+) (\S+)$", Metrics().text().decode(), re.MULTILINE)
    assert len(names) > 10
    for name, kind in names:
        if not name.endswith("_created"):
            assert f"`{name}`" in documented, f"{name} ({kind}) is missing in docs/operations/operator.md"
