"""From annotations as Label Studio stores them to predictions, with names and texts that real projects have."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from labelloop.datasets.examples import examples
from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio import Task
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.prediction.predictor import Entry, Predictor

ODD = {
    "中文没有空格": "我的快递什么时候到",
    "日本語": "返金はいつ届きますか",
    "ไทย": "สินค้าของฉันอยู่ที่ไหน",
    "العربية": "أين طلبي الآن",
    "עברית": "\u202eאיפה ההזמנה שלי",  # noqa: RUF001
    "Ärger": "Die Rüge über Öl, ça déçoit",
    "👍🏽": "🧾💸💸",
    "label": "plain words here",
    "Label": "other words there",
    " label": "third kind of thing",
    "a" * 3_000: "the longest name of all",
    "nul": "zero\0byte\0inside",
    "half": "broken \ud83d emoji",
}


def labelled(task: int, data: Mapping[str, object], **choices: Any) -> Task:
    """A task with one annotation; lists of lists are paths of a taxonomy."""
    result = []
    for name, selected in choices.items():
        kind = "taxonomy" if isinstance(selected[0], list) else "choices"
        result.append({"from_name": name, "to_name": "text", "type": kind, "value": {kind: selected}})
    made = {"id": task, "updated_at": "2026-11-22T06:00:00Z", "completed_by": 1, "result": result}
    return Task(task, data, [made])


def trained(label_config: str, tasks: Sequence[Task]) -> Predictor:
    schema = parse_label_config(label_config)
    return Predictor("model-1", TextClassifier.fit(examples(tasks, schema).examples, schema, {"C": 100}))


def selected(entry: Entry) -> dict[str, object]:
    return {region["from_name"]: region["value"][region["type"]] for region in entry.get("result", [])}


def options(names: Sequence[str]) -> str:
    return "".join(f"<Choice value={quoteattr(name)}/>" for name in names)


def test_any_language_and_any_label_is_learnt() -> None:
    config = (
        f'<View><Text name="text" value="$text"/><Choices name="c" toName="text">{options([*ODD])}</Choices></View>'
    )
    tasks = [labelled(n, {"text": text}, c=[name]) for n, (name, text) in enumerate([*ODD.items()] * 3, start=1)]
    entries = trained(config, tasks).predict(
        [{"data": {"text": text}} for text in ODD.values()], parse_label_config(config)
    )
    assert [selected(entry) for entry in entries] == [{"c": [name]} for name in ODD]


def test_a_thousand_labels() -> None:
    names = [f"label number {number} of many" for number in range(1_000)]
    config = f'<View><Text name="text" value="$text"/><Choices name="c" toName="text">{options(names)}</Choices></View>'
    schema = parse_label_config(config)
    (cold,) = Predictor("cold-1", None).predict([{"data": {"text": names[77]}}], schema)
    assert selected(cold) == {"c": [names[77]]}


MIXED = """<View>
  <Text name="text" value="$title"/><HyperText name="page" value="&lt;h1&gt;$title&lt;/h1&gt; $html"/>
  <Paragraphs name="talk" value="$talk" layout="dialogue" nameKey="who" textKey="said"/>
  <Choices name="tone" toName="text"><Choice value="same"/><Choice value="good"/></Choices>
  <Choices name="kind" toName="page" choice="multiple"><Choice value="same"/><Choice value="news"/></Choices>
  <Taxonomy name="topic" toName="talk">
    <Choice value="pets"><Choice value="cat"/><Choice value="dog"/></Choice></Taxonomy>
  <Choices name="unused" toName="text"><Choice value="good"/><Choice value="thing"/></Choices>
</View>"""


def mixed(*, cat: bool) -> dict[str, object]:
    animal = "cat" if cat else "dog"
    return {
        "title": "a sad grey morning" if cat else "what a good bright day",
        "html": f"<p>the <b>{'same' if cat else 'newest'}</b> {'old story' if cat else 'report of today'}</p>",
        "talk": [{"who": "A", "said": f"my {animal} is here"}, {"who": "B", "said": f"nice {animal}"}, {"who": "A"}],
    }


@pytest.fixture(scope="module")
def of_several_controls() -> Predictor:
    tasks = []
    for number in range(1, 13):
        cat = number % 2 == 0
        tasks.append(
            labelled(
                number,
                mixed(cat=cat),
                tone=["same" if cat else "good"],
                kind=["same"] if cat else ["news"],
                topic=[["pets"], ["pets", "cat"]] if cat else [["pets", "dog"]],
            )
        )
    return trained(MIXED, tasks)


@pytest.mark.parametrize("cat", [True, False])
def test_controls_about_different_texts_answer_together(of_several_controls: Predictor, cat: bool) -> None:
    schema = parse_label_config(MIXED)
    (entry,) = of_several_controls.predict([{"data": mixed(cat=cat)}], schema)
    found = selected(entry)
    assert found["tone"] == ["same" if cat else "good"]
    assert found["kind"] == ["same" if cat else "news"]
    assert found["topic"] == ([["pets"], ["pets", "cat"]] if cat else [["pets", "dog"]])
    assert found["unused"] in (["good"], ["thing"])  # nobody used it: still at the cold start
    assert entry["score"] == min(region["score"] for region in entry["result"])
    assert len({region["id"] for region in entry["result"]}) == 4


def test_a_text_that_is_missing_silences_its_controls_only(of_several_controls: Predictor) -> None:
    schema = parse_label_config(MIXED)
    entries = of_several_controls.predict([{"data": {"talk": mixed(cat=True)["talk"]}}, {"data": {}}], schema)
    assert [*selected(entries[0])] == ["topic"]
    assert entries[1] == {"model_version": "model-1"}
