"""A custom model decides for itself which labelling configurations it can read."""

from tests.unit.operator.planning.world import MINIMAL, World


def test_what_the_text_classifier_cannot_read_does_not_stop_it() -> None:
    training = {"updatesPerTraining": 3}
    world = World(spec={**MINIMAL, "training": training, "model": {"type": "image_model:Classifier"}})
    world.label_config_problem = "no Choices tag; add <Choices name=... toName=...>"
    world.settle()
    world.annotate(3)
    world.settle()
    assert world.condition("LabelConfigSupported") == ("True", "Supported")
    assert "image_model:Classifier reads what it can" in world.message("LabelConfigSupported")
    assert len(world.jobs_created) == 1
