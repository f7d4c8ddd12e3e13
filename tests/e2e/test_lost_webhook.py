"""The webhook is a hint: what it does not tell is found all the same."""

import pytest
from tests.e2e.story import Project, Story
from tests.support.network import packets_refused
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

NEVER = "12h"


@pytest.mark.chaos_case("2", "C1")
def test_an_edit_whose_webhook_was_lost_is_counted(story: Story, project: Project) -> None:
    backend = story.trained(project, 12)
    backend.apply(story.spec(project, 1000))
    annotation = project.user.task(project.tasks[0][0])["annotations"][0]["id"]
    (pod,) = backend.serving_pods

    with packets_refused(story.lab.cluster, None, pod["status"]["podIP"], 9090):
        project.user.change(annotation, "refund")

    # An edit moves no counter, so the poll cannot see it: the unconditional scan did.
    backend.wait_pending(1)


@pytest.mark.chaos_case("2", "13")
def test_a_deleted_webhook_is_restored_and_updates_still_train(story: Story, project: Project) -> None:
    project.import_tickets(12)
    story.lab.upgrade(scanInterval=NEVER)  # what is found now is found by the poll
    try:
        backend = story.running(project, 12)
        (webhook,) = project.user.webhooks(project.id)
        assert webhook["url"] == f"{backend.status['url']}/webhook"

        with Timeline(story.lab.kube, story.namespace) as timeline:
            project.user.delete_webhook(webhook["id"])
            project.annotate(12)
            eventually(timeline.jobs, PATIENCE, "a Job")

        restored = eventually(lambda: project.user.webhooks(project.id), PATIENCE, "the webhook back")
        assert [found["url"] for found in restored] == [webhook["url"]]
    finally:
        story.lab.upgrade()
