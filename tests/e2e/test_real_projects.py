"""A project as real ones are: a taxonomy, several choices, and texts of every kind, in one backend."""

from collections.abc import Mapping
from typing import Any

from playwright.sync_api import expect
from tests.e2e.checks import assert_no_crash
from tests.e2e.story import Project, Story
from tests.support.annotator import Annotator
from tests.support.backend import Json
from tests.support.waiting import PATIENCE, eventually

CONFIG = """<View>
  <Text name="subject" value="$subject"/>
  <HyperText name="page" value="&lt;h3&gt;$subject&lt;/h3&gt; $html" inline="true"/>
  <Paragraphs name="chat" value="$chat" layout="dialogue" nameKey="who" textKey="said"/>
  <Choices name="tone" toName="subject" choice="single" required="true" requiredMessage="Choose a tone">
    <Choice value="friendly" alias="+"/><Choice value="angry" alias="-"/>
  </Choices>
  <Choices name="kind" toName="page" choice="multiple" allowNested="true">
    <Choice value="money"><Choice value="refund"/><Choice value="invoice" alias="bill"/></Choice>
    <Choice value="delivery"/>
  </Choices>
  <Taxonomy name="topic" toName="chat" maxUsages="3" showFullPath="true" pathSeparator=" > ">
    <Choice value="animals"><Choice value="dog" alias="d"/><Choice value="other"/></Choice>
    <Choice value="plants"><Choice value="tree"/><Choice value="other"/></Choice>
  </Taxonomy>
  <Choices name="unused" toName="subject"><Choice value="today"/><Choice value="tomorrow"/></Choices>
</View>"""
REFUND = {
    "subject": "thank you so much",
    "html": "<p>please give me a <b>refund</b> of my money and correct the <i>invoice</i></p>",
    "chat": [{"who": "A", "said": "my dog barks"}, {"who": "B", "said": "what a loud dog"}],
}
PARCEL = {
    "subject": "this is terrible",
    "html": "<p>the parcel is late, <span>where</span> is the courier with my delivery</p>",
    "chat": [{"who": "A", "said": "the tree has lost its leaves"}, {"who": "B", "said": "an old tree"}],
}
SAID: tuple[tuple[Mapping[str, Any], Mapping[str, list[Any]]], ...] = (
    (
        REFUND,
        {
            "tone": ["+"],
            "kind": [["money"], ["money", "refund"], ["money", "bill"]],
            "topic": [["animals"], ["animals", "d"]],
        },
    ),
    (PARCEL, {"tone": ["-"], "kind": [["delivery"]], "topic": [["plants", "tree"]]}),
)
OBJECTS = {"tone": "subject", "kind": "page", "topic": "chat", "unused": "subject"}
EVERY = 60


def test_taxonomy_several_controls_and_every_kind_of_text(story: Story, annotator: Annotator) -> None:
    project = story.new_project_with(CONFIG)
    import_labelled(project)
    backend = story.running(project, EVERY)
    version = backend.wait_version_other_than(None)

    tasks = project.user.import_tasks(project.id, [data for data, _ in SAID] * 2)
    results = [predicted(project, task, version) for task in tasks]
    for result, (_, said) in zip(results, SAID * 2, strict=True):
        chosen = {region["from_name"]: region for region in result}
        unused = chosen.pop("unused")["value"]["choices"]
        assert unused in (["today"], ["tomorrow"])  # nobody used it yet: it stays at the cold start
        assert {name: region["value"][region["type"]] for name, region in chosen.items()} == said
        assert {name: region["to_name"] for name, region in chosen.items()} == {name: OBJECTS[name] for name in said}
    assert_no_crash(story, backend)

    # An import drops what does not fit the labelling configuration; paths of nested <Choices> it cannot read at all.
    rest = [[region for region in result if region["from_name"] != "kind"] for result in results]
    again = [{"task": task, "model_version": "again", "result": one} for task, one in zip(tasks, rest, strict=True)]
    assert project.user.call("POST", f"/api/projects/{project.id}/import/predictions", again)["created"] == len(again)

    # What the editor shows and stores is what was predicted.
    annotator.start_label_stream(project.id)
    assert "friendly" in annotator.wait_for_preselection()
    shown = annotator.page.locator(".htx-taxonomy .ant-select-selection-item")
    expect(shown).to_have_count(len(SAID[0][1]["topic"]), timeout=1000 * PATIENCE)
    annotator.submit_in_stream("friendly")
    (stored,) = project.user.task(tasks[0])["annotations"]
    assert values(stored["result"]) == values(results[0])


def import_labelled(project: Project) -> None:
    """Import tasks with an annotation each, as the editor stores it, in one request."""
    rows = []
    for number in range(EVERY):
        data, said = SAID[number % len(SAID)]
        result = []
        for name, selected in said.items():
            kind = "taxonomy" if name == "topic" else "choices"
            region = {"from_name": name, "to_name": OBJECTS[name], "type": kind, "value": {kind: selected}}
            result.append(region)
        # No two texts alike: which of them are held out depends on the project.
        subject, chat = f"{data['subject']} {number}", [*data["chat"], {"who": "A", "said": f"at {number}"}]
        task = {"subject": subject, "html": f"{data['html']}<hr>{number}", "chat": chat}
        rows.append({"data": task, "annotations": [{"result": result, "ground_truth": False}]})
    project.user.call("POST", f"/api/projects/{project.id}/import", rows)


def predicted(project: Project, task: int, version: str) -> list[Json]:
    """What Label Studio stores when it asks the backend about a task that somebody opens."""

    def stored() -> list[Json] | None:
        found = [item for item in project.user.task(task)["predictions"] if item["model_version"] == version]
        return found[0]["result"] if found else None

    return eventually(stored, PATIENCE, f"prediction of {version} for task {task}")


def values(result: list[Json]) -> dict[str, Json]:
    """What was chosen for each control."""
    return {region["from_name"]: {"type": region["type"], **region["value"]} for region in result}
