import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.serving_models import FixedModel

from labelloop.page_facts import Facts, Note, ProjectLine, Version
from labelloop.serving.model_page.page import page, page_json

METRICS = {
    "accuracy": 0.71,
    "macro_f1": 0.69,
    "log_loss": 0.9,
    "ece": 0.04,
    "examples": 60,
    "per_class": {
        "billing": {"precision": 0.8, "recall": 0.7, "f1": 0.747, "examples": 30, "predicted": 26},
        "login": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "examples": 1, "predicted": 0},
    },
    "confusions": [["billing", "login", 4]],
    "calibration": [
        {"confidence": 0.3, "accuracy": 0.25, "examples": 20},
        {"confidence": 0.9, "accuracy": 0.95, "examples": 40},
        {"confidence": 0.9, "accuracy": 0.95},
    ],
    "origin": {
        "dataset_digest": "sha256:00ff",
        "cut": {"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312},
        "counts": {"tasks": 312, "used": 300, "skipped": 12},
        "trained_on": 240,
        "held_out": 60,
        "labels": {"label": {"billing": 200, "login": 112}},
    },
    "history": [{"version": "model-0", "created_at": "2026-11-21", "accuracy": 0.6, "examples": 20, "trained_on": 100}],
}


class Reader(HTMLParser):
    """Tags, attributes and text of a document."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(document.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def facts(metrics: object = METRICS, labels: tuple[str, ...] = ("billing", "login"), **changed: object) -> Facts:
    model = FixedModel({"label": dict.fromkeys(labels, 0.5)}, "model-1")
    model.metrics = metrics
    model.created_at = "2026-11-22T06:00:00Z"
    return Facts(
        **{"version": "model-1", "model_class": "Fixed", "problem": None, "started": "now", "model": model} | changed
    )


def test_it_tells_version_figures_classes_confusions_versions_and_origin():
    told = Reader(page(facts())).text
    for part in (
        "model-1", "ready", "2026-11-22 06:00 UTC", "71.0%", "69.0%", "0.900", "0.040", "billing", "200", "75%",
        "Most confused", "How far scores can be trusted", "model-0", "60.0%", "Accuracy by labelled texts", "240",
        "312", "sha256:00ff", "skipped",
    ):  # fmt: skip
        assert part in told, part


def test_plots_are_drawn_within_their_box():
    document = page(facts()).decode()
    numbers = [float(number) for number in re.findall(r' (?:cx|cy|x1|x2|y1|y2)="([^"]+)"', document)]
    assert document.count("<svg") == 3
    assert document.count('class="span"') == document.count("<circle") == 6, "each point has its interval"
    assert "<polyline" not in document, "points of different texts are not joined"
    assert all(0 <= number <= 320 for number in numbers)


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_executed():
    read = Reader(page(facts()))
    assert not {"script", "iframe", "img", "object"} & set(read.tags)
    addresses = [value for name, value in read.attributes if name in ("src", "href", "srcset", "action")]
    assert addresses == ["data:,"]
    assert "url(" not in page(facts()).decode()


def test_a_cold_start_and_a_problem_are_told():
    cold = Reader(page(facts(version="cold-0123456789ab", model=None))).text
    assert "Not trained yet" in cold
    broken = Reader(page(facts(version=None, problem="The model <b>cannot</b> be loaded", model=None))).text
    assert "not ready" in broken
    assert "The model <b>cannot</b> be loaded" in broken


def test_several_controls_have_a_part_each():
    model = FixedModel({"topic": {"a": 1.0}, "tone": {"b": 1.0}}, "model-1")
    model.metrics = {"accuracy": 0.5, "controls": {"topic": {"accuracy": 0.4}, "tone": {"accuracy": 0.6}}}
    told = Reader(page(facts(model=model))).text
    assert "topic" in told
    assert told.index("40.0%") < told.index("tone") < told.index("60.0%")


HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\ud800"


@pytest.mark.parametrize("name", ["per_class", "confusions", "calibration", "origin", "history", "controls"])
def test_markup_in_names_stays_text(name: str):
    metrics = {
        "per_class": {HOSTILE: {"f1": 1.0}},
        "confusions": [[HOSTILE, HOSTILE, HOSTILE]],
        "calibration": [{"confidence": n / 9, "accuracy": 0.1, "examples": 9, HOSTILE: HOSTILE} for n in range(9)],
        "origin": {"dataset_digest": HOSTILE, "counts": {HOSTILE: 1}, "cut": {"updated_at": HOSTILE}},
        "history": [{"version": HOSTILE, "accuracy": 0.5, "created_at": HOSTILE}],
        "controls": {"label": {"confusions": [[HOSTILE, HOSTILE, 1]]}},
    }
    clean = Reader(page(facts({"accuracy": 0.5})))
    read = Reader(page(facts({"accuracy": 0.5, name: metrics[name]}, labels=(HOSTILE, "b"), version=HOSTILE)))
    assert {"script", "img"} & set(read.tags) == set()
    assert {name for name, _ in read.attributes if name.startswith("on")} == set()
    assert "49" not in read.text
    assert read.tags.count("section") == clean.tags.count("section") + (
        name in ("confusions", "calibration", "origin", "controls")
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("accuracy", "examples", "per_class", "confusions", "calibration", "origin", "history", "controls")


@given(st.dictionaries(st.sampled_from(NAMES), JSON), JSON, JSON)
def test_whatever_a_model_says_there_is_a_page(metrics: dict[str, object], inner: object, entry: object):
    nested = {
        "origin": {"counts": inner, "cut": entry, "labels": inner, "trained_on": entry},
        "history": [entry, {"accuracy": inner, "trained_on": inner, "version": entry}],
        "calibration": [entry, {"confidence": inner, "accuracy": entry}],
        "confusions": [entry, [inner, entry, inner]],
        "per_class": {"billing": entry},
    }
    for told in (metrics, nested):
        assert page(facts(told)).rstrip().endswith(b"</html>")
        assert json.loads(page_json(facts(told)))["model_version"] == "model-1"


def test_since_when_it_serves_and_what_went_wrong_last():
    told = Reader(page(facts(since="2026-11-22T07:30:00Z", fault="it raised ValueError <3 times>"))).text
    assert "Serves since 2026-11-22 07:30 UTC; server started now" in told
    assert "it raised ValueError <3 times>" in told
    assert "Serves since now." in Reader(page(facts())).text


LINES = (
    ProjectLine(7, "model-1", "Fixed", "good", "ready"),
    ProjectLine(8, "cold-0123456789ab", "ColdStart", "bad", "not counting"),
)


def test_one_of_several_projects_is_shown_and_the_others_are_a_link_away():
    read = Reader(page(facts(project=7, projects=LINES)))
    assert "Project 7: Fixed" in read.text
    assert [value for name, value in read.attributes if name == "href"] == ["data:,", "?project=8"]


def test_several_projects_are_an_overview_with_version_and_state_of_each():
    overview = facts(project=None, projects=LINES, model=None, version=None)
    told = Reader(page(overview)).text
    for part in ("2 projects", "model-1", "Fixed", "ready", "ColdStart", "not counting"):
        assert part in told, part
    assert "Not trained yet" not in told
    assert overview.state == ("bad", "not counting"), "the worst of them"


def test_a_project_that_is_not_there():
    missing = facts(project=None, projects=(), model=None, version=None, absent="No project 99", remedy="There is 7.")
    told = Reader(page(missing)).text
    assert "No project 99" in told
    assert "There is 7." in told
    assert "not found" in told
    assert "Not trained yet" not in told


def test_an_untrained_model_of_ones_own_has_no_versions_yet():
    told = Reader(page(facts({}, version="cold-0123456789ab"))).text
    assert "Not trained yet" in told
    assert "Versions" not in told


def cells(document: bytes, label: str) -> str:
    """The text of a label's row."""
    row = re.search(rf"<tr[^>]*><td[^>]*>{label}</td>.*?</tr>", document.decode(), re.DOTALL)
    assert row is not None
    return Reader(row.group().encode()).text


def test_a_label_of_fewer_than_five_held_out_texts_has_no_figures():
    row = cells(page(facts()), "login")
    assert row == "login1121too few to measure (1 of 5)"
    (found,) = json.loads(page_json(facts()))["controls"]
    (login,) = [entry for entry in found["labels"] if entry["label"] == "login"]
    assert login == {"label": "login", "texts": 112, "held_out": 1, "few": "too few to measure (1 of 5)"}


def test_shares_have_their_intervals():
    assert cells(page(facts()), "billing") == "billing2003080%61-92%70%52-84%75%60-86%"
    told = Reader(page(facts())).text
    assert "71.0%58-81%" in told
    assert "60.0%38-79%" in told, "also those of earlier versions"
    (found,) = json.loads(page_json(facts()))["controls"]
    assert found["figures"]["accuracy"] == {
        "value": 0.71,
        "interval": [pytest.approx(0.585, abs=1e-3), pytest.approx(0.809, abs=1e-3)],
    }


def test_a_precision_of_few_predictions_is_no_figure():
    metrics = {"accuracy": 0.7, "examples": 60, "per_class": {
        "billing": {"precision": 1.0, "recall": 0.1, "f1": 0.18, "examples": 10, "predicted": 1}}}  # fmt: skip
    row = cells(page(facts(metrics)), "billing")
    assert "too few (1)" in row
    assert "100%" not in row


def test_the_worst_labels_come_first_and_those_too_few_to_measure_last():
    per_class = {
        name: {"precision": f1, "recall": f1, "f1": f1, "examples": size, "predicted": size}
        for name, f1, size in (("fine", 0.9, 9), ("bad", 0.2, 9), ("middling", 0.5, 9), ("few", 1.0, 2))
    }
    found = facts({"accuracy": 0.7, "examples": 29, "per_class": per_class}, labels=("few", "fine", "bad", "middling"))
    (control,) = json.loads(page_json(found))["controls"]
    assert [entry["label"] for entry in control["labels"]] == ["bad", "middling", "fine", "few"]


def test_a_long_table_says_that_it_scrolls():
    labels = tuple(f"label {number}" for number in range(40))
    metrics = {"accuracy": 0.5, "examples": 50}
    assert "40 labels, the worst first; scroll for the rest" in Reader(page(facts(metrics, labels=labels))).text
    assert "scroll for the rest" not in Reader(page(facts(metrics))).text


def test_no_figures_says_what_is_missing_and_how_many_texts_it_takes():
    told = Reader(page(facts({"accuracy": None, "examples": 0, "origin": {"trained_on": 40, "figures_from": 50}}))).text
    assert "No figures yet: texts are held out to measure a model from 50 labelled texts on." in told
    assert "The model was trained on all 40." in told
    assert "Ranges are" not in told
    assert (
        "8 texts were held out to measure it, 10 are needed"
        in Reader(page(facts({"accuracy": None, "examples": 8}))).text
    )


def test_a_single_version_is_no_plot():
    metrics = {**METRICS, "history": []}
    assert page(facts(metrics)).count(b"<svg") == 1, "the calibration"


def test_calibration_is_drawn_from_few_groups_of_enough_texts():
    def drawn(*sizes: int) -> int:
        bins = [{"confidence": n / 20, "accuracy": n % 2, "examples": size} for n, size in enumerate(sizes)]
        return page(facts({"accuracy": 0.5, "calibration": bins})).count(b"<circle")

    assert drawn(*[2] * 15) == 3
    assert drawn(*[20] * 15) == 5
    assert drawn(*[1] * 15) == 0, "two groups of ten are the least"


def test_a_model_made_from_a_file_has_no_made_up_time_and_says_how_it_was_measured():
    model = FixedModel({"label": {"a": 0.5, "b": 0.5}}, "model-1")
    old = "2000-01-01T00:00:00.000000Z"
    model.created_at = old
    model.metrics = {
        "accuracy": 0.8,
        "examples": 391,
        "origin": {"held_out": 0, "trained_on": 3910, "cut": {"updated_at": old}},
    }
    told = Reader(page(facts(model=model))).text
    assert "2000-01-01" not in told
    assert "annotations up to 2" not in told
    assert "391 to measure it; then it was trained again on all texts" in told


@pytest.mark.parametrize(
    ("notes", "state"),
    [
        ([], ("good", "ready")),
        ([Note("31 of 50 annotation updates until the next training.")], ("good", "ready")),
        (
            [Note("it failed", "bad", "training failed"), Note("it runs", "busy", "training")],
            ("bad", "training failed"),
        ),
        ([Note("held back", "warn", "new model held back"), Note("runs", "busy", "training")], ("busy", "training")),
    ],
)
def test_the_pill_is_the_most_urgent_note(notes: list[Note], state: tuple[str, str]):
    found = facts(notes=notes)
    assert found.state == state
    read = Reader(page(found))
    assert all(note.text in read.text for note in notes)
    assert ("class", f"pill {state[0]}") in read.attributes


def test_a_custom_model_that_fails_on_tasks_is_not_simply_ready():
    assert facts(fault="it raised ValueError").state == ("warn", "model fails on tasks")


def test_versions_that_local_mode_knows_are_all_listed_with_what_became_of_them():
    known = (
        Version("model-0", "2026-11-21T00:00:00Z", state="removed"),
        Version("model-1", "2026-11-22T00:00:00Z", state="serves"),
        Version("model-2", "2026-11-23T00:00:00Z", 0.9, 40, 300, "kept, newer"),
    )
    found = facts(versions=known, project=7)
    document = page(found)
    assert cells(document, "model-2").endswith("30090.0%76-97%kept, newer")
    assert cells(document, "model-0").endswith("removed")
    assert "model-2" in Reader(document).text.partition("model-1, ")[0], "newest first"
    assert [(entry["version"], entry["state"]) for entry in json.loads(page_json(found))["versions"]] == [
        ("model-0", "removed"), ("model-1", "serves"), ("model-2", "kept, newer")
    ]  # fmt: skip
    assert "models rollback" in Reader(document).text
    assert "models rollback" not in Reader(page(facts())).text, "a pod cannot"
    assert "models rollback" not in Reader(page(facts(versions=known[:2], project=7))).text, "to nothing"
