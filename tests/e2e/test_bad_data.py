"""Configurations and annotations that nothing can be learned from."""

import pytest
from tests.e2e.checks import assert_no_crash, assert_serves
from tests.e2e.story import Story
from tests.support.timeline import Timeline
from tests.support.user import choices_config

LABELS = ("billing", "refund")
IMAGES_ONLY = (
    '<View><Image name="image" value="$image"/><Choices name="label" toName="image">'
    '<Choice value="cat"/><Choice value="dog"/></Choices></View>'
)
STRANGE = [None, "", "   ", 12345, 4.5, "x" * 1_000_000, "<p>my <b>card</b></p>", "🧾💸 refund", "ﷺ ぁ", ["a", "list"]]


@pytest.mark.parametrize(
    ("label_config", "words"),
    [
        ('<View><Text name="text" value="$text"/></View>', ["Choices"]),
        (IMAGES_ONLY, ["Image", "Text"]),
    ],
    ids=["without Choices", "without text"],
)
def test_an_unsupported_labelling_configuration_is_told(story: Story, label_config: str, words: list[str]) -> None:
    project = story.new_project_with(label_config)
    backend = story.backend()
    backend.apply(story.spec(project, 10))

    message = backend.wait_for("LabelConfigSupported", "False", "LabelConfigUnsupported")["message"]
    assert all(word in message for word in words), message
    assert_no_crash(story, backend)

    project.user.change_project(project.id, label_config=choices_config(LABELS))
    backend.wait_for("LabelConfigSupported", "True")
    backend.wait_ready()


def test_strange_texts_do_not_stop_a_training(story: Story) -> None:
    project = story.new_project_with("<View></View>")  # Label Studio checks texts only against a configuration
    tasks = project.user.import_tasks(project.id, [*({"text": text} for text in STRANGE), {"other": 1}])
    project.label_config = choices_config(LABELS)
    project.user.change_project(project.id, label_config=project.label_config)
    project.user.annotate_all([(task, LABELS[number % 2]) for number, task in enumerate(tasks)])
    project.user.import_annotated(project.id, [(f"{label} please {n}", label) for n in range(10) for label in LABELS])

    backend = story.running(project, len(tasks) + 20)
    backend.wait_version_other_than(None)

    predicted = backend.predict(STRANGE, project.id, project.label_config)
    assert {result["model_version"] for result in predicted} == {backend.version}
    assert_no_crash(story, backend)


def test_data_that_is_not_enough_is_told_and_not_tried_again(story: Story) -> None:
    one_label, only_skips = story.new_project(LABELS), story.new_project(LABELS)
    one_label.user.import_annotated(one_label.id, [(f"my card {number}", LABELS[0]) for number in range(12)])
    tasks = only_skips.user.import_tasks(only_skips.id, [{"text": f"my card {number}"} for number in range(12)])
    only_skips.user.together(only_skips.user.skip, tasks)

    with Timeline(story.lab.kube, story.namespace) as timeline:
        few, none = story.backend("few-labels"), story.backend("only-skips")
        few.apply(story.spec(one_label, 12))
        none.apply(story.spec(only_skips, 12))
        assert LABELS[0] in few.wait_for("TrainingSucceeded", "False", "TooFewLabels")["message"]
        assert "12" in none.wait_for("TrainingSucceeded", "False", "NoUsableAnnotations")["message"]
        for backend in (few, none):
            backend.wait_pending(0)
            backend.wait_ready()
        assert len(timeline.jobs()) == 2
    assert_serves(few, one_label)
