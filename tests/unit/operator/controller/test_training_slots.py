"""Trainings at once: never more than allowed, and every one that is due has its turn."""

from unittest.mock import patch

from tests.fakes.operator import World, world
from tests.fakes.story import result
from tests.fakes.waiting import until

RESOURCES = ("intents", "topics", "tickets", "reviews")


def running(made: World) -> list[str]:
    """Resources with a Job that has not ended."""
    jobs = [job for job in made.api.all("jobs") if not job.get("status")]
    return [job["metadata"]["labels"]["labelloop.dev/backend"] for job in jobs]


def waiting(made: World) -> list[str]:
    """Resources that say that they wait for their turn."""
    training = {name: made.found(name).get("status", {}).get("training", {}) for name in RESOURCES}
    return [name for name in RESOURCES if training[name].get("next", "").startswith("ConcurrencyLimitReached")]


async def test_resources_that_are_due_together_train_one_after_another() -> None:
    trained: list[str] = []
    async with world() as made:
        for number, name in enumerate(RESOURCES):
            made.label_studio.add_project(20 + number, tasks=20)
            made.label_studio.annotate(20 + number, 10)
            made.resource(name, project=20 + number, training={"updatesPerTraining": 10})
        with patch("labelloop_operator.policies.training_checks.TURN_PAUSE", 0.05):
            await made.run(trainings_per_namespace=1)
            while len(trained) < len(RESOURCES):
                others = len(RESOURCES) - len(trained) - 1
                await until(
                    lambda others=others: running(made) and len(waiting(made)) == others, "one runs, others wait"
                )
                (name,) = running(made)
                trained.append(name)
                (job,) = (job for job in made.api.all("jobs") if not job.get("status"))
                made.job_ends(job["metadata"]["name"], result("model-a", 10, "2026-11-22T06:00:00+00:00"))
    assert sorted(trained) == sorted(RESOURCES)
