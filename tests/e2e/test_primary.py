"""Two resources on one project: Label Studio asks the first ML backend only, whose predictions annotators get, and the
second one takes over from it."""

from tests.e2e.story import Project, Story
from tests.support.waiting import PATIENCE, eventually

EVERY = 24


def test_the_second_resource_of_a_project_stands_by_and_takes_over(story: Story, project: Project) -> None:
    first = story.running(project, EVERY, "first")
    second = story.backend("second")
    second.apply(story.spec(project, EVERY))
    told = second.wait_for("Registered", "False", "NotPrimary")
    assert f"LabelStudioBackend {story.namespace}/first" in told["message"]
    first.wait_for("Registered", "True")

    project.import_annotated(EVERY)
    trained = second.wait_version_other_than(None)
    primary = first.wait_version_other_than(None)
    backends = story.lab.user.backends(project.id)
    assert len(backends) == 2
    eventually(lambda: _titles(story, project)[0] == primary, PATIENCE, first.told)

    story.lab.user.import_tasks(project.id, [{"text": "The parcel has not arrived yet"}])
    eventually(lambda: _received(story, project) == primary, PATIENCE, first.told)

    first.delete()
    eventually(lambda: first.read() is None, PATIENCE, first.told)
    second.wait_for("Registered", "True")
    eventually(lambda: _titles(story, project) == [trained], PATIENCE, second.told)
    second.wait_ready()
    eventually(lambda: _received(story, project) == trained, PATIENCE, second.told)

    project.import_annotated(EVERY)
    again = second.wait_version_other_than(trained)
    eventually(lambda: _received(story, project) == again, PATIENCE, second.told)


def _titles(story: Story, project: Project) -> list[str]:
    found = sorted(story.lab.user.backends(project.id), key=lambda backend: int(backend["id"]))
    return [str(backend["title"]) for backend in found]


def _received(story: Story, project: Project) -> str | None:
    """The version of the newest prediction that an annotator is given in the label stream."""
    predictions = story.lab.user.call("GET", f"/api/projects/{project.id}/next")["predictions"]
    return str(max(predictions, key=lambda item: int(item["id"]))["model_version"]) if predictions else None
