"""What counts as an annotation update: creates, changes (each of them), deletes, and a submit turned into a skip."""

import pytest
from tests.e2e.story import Project, Story
from tests.support.timeline import Timeline

FIRST = 12


@pytest.mark.chaos_case("C4")
def test_every_kind_of_update_counts(story: Story, project: Project) -> None:
    backend = story.trained(project, FIRST)
    project.import_tickets(5)
    backend.apply(story.spec(project, 1000))
    user = project.user
    old = [user.task(task)["annotations"][0]["id"] for task, _ in project.tasks[:FIRST]]

    with Timeline(story.lab.kube, story.namespace) as timeline:
        project.annotate(3)
        backend.wait_pending(3)
        user.change(old[0], "billing")
        backend.wait_pending(4)
        user.change(old[0], "refund")  # the same annotation again: seen apart, counted twice
        backend.wait_pending(5)
        user.delete(old[1])
        backend.wait_pending(6)
        user.turn_into_skip(old[2])
        backend.wait_pending(7)
        user.skip(project.tasks[-1][0])
        backend.wait_pending(8)
        assert not timeline.jobs()

        backend.apply(story.spec(project, 8))
        backend.wait_pending(0)
        assert len(timeline.jobs()) == 1
