"""The webhook is a hint: what it does not tell is found all the same."""

from tests.e2e.conftest import SETTINGS
from tests.e2e.story import Project, Story
from tests.support.network import packets_refused
from tests.support.timeline import Timeline
from tests.support.waiting import eventually

SCAN_INTERVAL = float(str(SETTINGS["scanInterval"]).removesuffix("s"))
POLL_INTERVAL = float(str(SETTINGS["pollInterval"]).removesuffix("s"))
SLACK = 10.0  # one reconcile on a busy machine


def test_an_edit_whose_webhook_was_lost_is_counted(story: Story, project: Project) -> None:
    backend = story.trained(project, 12)
    backend.apply(story.spec(project, 1000))
    annotation = project.user.task(project.tasks[0][0])["annotations"][0]["id"]
    (pod,) = backend.serving_pods

    with packets_refused(story.lab.cluster, None, pod["status"]["podIP"], 9090):
        project.user.change(annotation, "refund")

    backend.wait_pending(1, timeout=SCAN_INTERVAL + SLACK)


def test_a_deleted_webhook_is_restored_and_updates_still_train(story: Story, project: Project) -> None:
    project.import_tickets(12)
    backend = story.running(project, 12)
    (webhook,) = project.user.webhooks(project.id)
    assert webhook["url"] == f"{backend.status['url']}/webhook"

    with Timeline(story.lab.kube, story.namespace) as timeline:
        project.user.delete_webhook(webhook["id"])
        project.annotate(12)
        eventually(timeline.jobs, POLL_INTERVAL + SLACK, "a Job within the poll interval")

    restored = eventually(lambda: project.user.webhooks(project.id), 60, "the webhook back")
    assert [found["url"] for found in restored] == [webhook["url"]]
