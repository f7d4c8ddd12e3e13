"""Two resources on one project: Label Studio asks the first ML backend only, and the second one takes over from it."""

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

    first.delete()
    eventually(lambda: first.read() is None, PATIENCE, first.told)
    second.wait_for("Registered", "True")
    eventually(lambda: _titles(story, project) == [trained], PATIENCE, second.told)
    second.wait_ready()


def _titles(story: Story, project: Project) -> list[str]:
    found = sorted(story.lab.user.backends(project.id), key=lambda backend: int(backend["id"]))
    return [str(backend["title"]) for backend in found]
