"""The ways in which backend and Label Studio know each other."""

from tests.e2e.story import Project, Story

EVERY = 24


def test_a_personal_token_is_enough_for_operator_and_training(story: Story, project: Project) -> None:
    story.lab.connect(story.namespace, "personal", token=story.lab.personal_token())
    project.import_annotated(EVERY)
    backend = story.backend()
    spec = story.spec(project, EVERY)
    backend.apply(spec | {"labelStudio": spec["labelStudio"] | {"connectionSecretRef": {"name": "personal"}}})

    backend.wait_ready()
    backend.wait_version_other_than(None)


def test_a_backend_with_basic_auth_answers_label_studio_only(story: Story, project: Project) -> None:
    story.lab.kube.apply_secret(story.namespace, "basic-auth", username="label-studio", password="s3cret")
    project.import_tickets(EVERY + 1)
    backend = story.running(project, EVERY, serving={"basicAuthSecretRef": {"name": "basic-auth"}})

    assert backend.call("POST", "/predict", json={"tasks": []}).status_code == 401
    assert backend.call("POST", "/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 401
    assert backend.call("GET", "/health").ok
    (registered,) = project.user.backends(project.id)
    assert registered["state"] == "CO"
    (predicted,) = project.user.task(project.tasks[-1][0])["predictions"]
    cold = backend.version
    assert predicted["model_version"] == cold

    project.annotate(EVERY)
    backend.wait_version_other_than(cold)
