"""A namespace deleted as a whole: the connection Secret goes with it, maybe while nobody is there to use it."""

import pytest
from kubernetes import client
from tests.e2e.story import Project, Story
from tests.support.lab import CONNECTION_SECRET
from tests.support.waiting import PATIENCE, eventually


def secret_is_gone(story: Story) -> bool:
    try:
        story.lab.kube.core.read_namespaced_secret(CONNECTION_SECRET, story.namespace)
    except client.ApiException as error:
        return bool(error.status == 404)
    return False


@pytest.mark.chaos_case("14", "15")
@pytest.mark.parametrize("operator_away", [False, True], ids=["operator-there", "operator-away"])
def test_nothing_stays_in_label_studio(story: Story, project: Project, operator_away: bool) -> None:
    story.running(project, 1000)
    assert project.user.webhooks(project.id)
    assert project.user.backends(project.id)

    if operator_away:
        story.lab.stop_operator()
    story.lab.kube.core.delete_namespace(story.namespace)
    if operator_away:
        eventually(lambda: secret_is_gone(story), PATIENCE, "the end of the connection Secret")
        story.lab.start_operator()

    eventually(story.namespace_is_gone, PATIENCE, lambda: f"the end of the namespace: {story.everything()}")
    assert project.user.webhooks(project.id) == []
    assert project.user.backends(project.id) == []
