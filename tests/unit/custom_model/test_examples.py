"""The examples: short, and right on data of their kind. Next to a real Label Studio:
tests/e2e/test_custom_models.py."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import parse_label_config
from labelloop.models import Model, NotEnoughExamplesError, TextModel, custom, store
from labelloop.prediction.answer_checks import checked

EXAMPLES = Path(__file__).parents[3] / "examples"
CLASSES = {
    "text-classifier": "text_model:SklearnTextClassifier",
    "image-classifier": "image_model:DummyImageClassifier",
    "several-results": "several_results_model:SeveralResults",
}
TEXT = '<Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/><Choice value="b"/></Choices>'
IMAGE = (
    '<Image name="i" value="$image"/><Choices name="kind" toName="i"><Choice value="car"/><Choice value="plane"/>'
    '</Choices><RectangleLabels name="box" toName="i"><Label value="wheel"/></RectangleLabels>'
)


@pytest.fixture(params=list(CLASSES))
def model_class(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Model]]:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES / request.param), *sys.path])
    yield store.model_class(CLASSES[request.param])
    sys.modules.pop(CLASSES[request.param].partition(":")[0], None)


def test_it_is_under_60_lines(model_class: type[Model]) -> None:
    source = sys.modules[model_class.__module__].__file__
    assert source is not None
    assert len(Path(source).read_text().splitlines()) < 60


def test_it_answers_after_saving_as_before(model_class: type[Model], tmp_path: Path) -> None:
    is_text = issubclass(model_class, TextModel)
    schema = parse_label_config(f"<View>{TEXT if is_text else IMAGE}</View>", model_class.scope())
    sides = {"x": 1, "y": 2, "width": 3, "height": 4}
    box = {"from_name": "box", "type": "rectanglelabels", "value": {**sides, "rectanglelabels": ["wheel"]}}
    kind = {"from_name": "kind", "type": "choices", "value": {"choices": ["plane"]}}
    examples = [
        Example(n, f"{word} {n}", {"c": (label,), "kind": ("plane",)}, results=(box, kind))
        for n, (word, label) in enumerate([("red", "a"), ("blue", "b")] * 5)
    ]
    model = model_class.fit(examples, schema, {"C": 5})
    model.version = "model-1"
    custom.save(model, tmp_path)
    tasks = [{"id": 1, "data": {"text": "red", "image": "http://pictures/1.png"}}] * 2
    loaded = custom.load(tmp_path, model_class)
    before, after = (checked(each.predict(tasks, schema), 2, schema) for each in (model, loaded))
    assert before == after
    assert all(answer.prediction["result"] and not answer.faults for answer in after)
    if is_text:
        assert after[0].prediction["result"][0]["value"] == {"choices": ["a"]}


def test_too_few_examples_are_told(model_class: type[Model]) -> None:
    if model_class.FIXED_VERSION is not None:
        return
    is_text = issubclass(model_class, TextModel)
    schema = parse_label_config(f"<View>{TEXT if is_text else IMAGE}</View>", model_class.scope())
    with pytest.raises(NotEnoughExamplesError):
        model_class.fit([Example(1, "one", {"c": ("a",)})], schema, {})
