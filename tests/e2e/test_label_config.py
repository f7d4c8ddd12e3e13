"""The labelling configuration changes while the loop runs."""

from examples.tickets.generator import LABELS
from tests.e2e.story import Project, Story
from tests.support.backend import chosen
from tests.support.user import choices_config

EVERY = 24
NEW = "warranty"
NEW_TEXTS = [f"is the warranty of {thing} still valid" for thing in ("my lamp", "the phone", "this kettle", "the bike")]


def test_a_new_label_is_known_to_the_next_training(story: Story, project: Project) -> None:
    backend = story.trained(project, EVERY)
    one = backend.version
    label_config = choices_config([*LABELS, NEW])
    project.user.change_project(project.id, label_config=label_config)

    project.user.import_annotated(project.id, [(text, NEW) for text in NEW_TEXTS * 6])

    two = backend.wait_version_other_than(one)
    assert two != one
    predicted = backend.predict(["warranty of the toaster"], project.id, label_config)
    assert chosen(predicted[0]) == NEW


def test_a_removed_label_is_told_and_never_predicted(story: Story, project: Project) -> None:
    backend = story.trained(project, 120)
    one = backend.version
    removed = LABELS[0]
    label_config = choices_config(LABELS[1:])
    project.user.change_project(project.id, label_config=label_config)

    texts = [ticket.text for _, ticket in project.tasks if ticket.label == removed]
    assert texts
    assert removed not in {chosen(result) for result in backend.predict(texts, project.id, label_config)}

    project.user.import_annotated(project.id, [(f"{number} parcels", LABELS[1]) for number in range(120)])
    backend.wait_version_other_than(one)
    assert removed not in {chosen(result) for result in backend.predict(texts, project.id, label_config)}
    told = backend.wait_for("LabelConfigSupported", "True", "LabelsRemoved")
    assert removed in told["message"]
    backend.wait_ready()
