"""A few roll-outs and a roll-back under load, as `make soak` does it a hundred times."""

import pytest
from tests.e2e.story import Project, Story
from tests.support.soak import soak

ROUND = 24


@pytest.mark.chaos_case("11")
def test_no_request_fails_while_versions_come_and_go(story: Story, project: Project) -> None:
    backend = story.trained(project, ROUND, evaluation={"mode": "Audit"})
    first = backend.version
    project.import_annotated(ROUND)
    second = backend.wait_version_other_than(first)
    spec = story.spec(project, 1000, evaluation={"mode": "Audit"})

    done = soak(story.lab, backend, spec, project.label_config, [str(first), second], rollouts=3, rollbacks=1)

    assert not done.report.failures, (len(done.report.failures), done.report.failures[:5])
    assert set(done.report.versions) == {first, second}
    assert (len(done.rollouts), len(done.rollbacks)) == (3, 1)
