import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.serving_models import FixedModel

from labelloop.serving.model_page import page
from labelloop.serving.page_facts import Facts

METRICS = {
    "accuracy": 0.71,
    "macro_f1": 0.69,
    "log_loss": 0.9,
    "ece": 0.04,
    "examples": 60,
    "per_class": {"billing": {"precision": 0.8, "recall": 0.7, "f1": 0.747, "examples": 30}},
    "confusions": [["billing", "login", 4]],
    "calibration": [{"confidence": 0.3, "accuracy": 0.25, "examples": 20}, {"confidence": 0.9, "accuracy": 0.95}],
    "origin": {
        "dataset_digest": "sha256:00ff",
        "cut": {"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312},
        "counts": {"tasks": 312, "used": 300, "skipped": 12},
        "trained_on": 240,
        "held_out": 60,
        "labels": {"label": {"billing": 200, "login": 112}},
    },
    "history": [{"version": "model-0", "created_at": "2026-11-21", "accuracy": 0.6, "trained_on": 100}],
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
        "model-1", "ready", "2026-11-22 06:00 UTC", "71.0%", "69.0%", "0.900", "0.040", "billing", "200", "74.7%",
        "Most confused", "How far scores can be trusted", "model-0", "60.0%", "Accuracy by labelled texts", "240",
        "312", "sha256:00ff", "skipped",
    ):  # fmt: skip
        assert part in told, part


def test_plots_are_drawn_within_their_box():
    document = page(facts()).decode()
    points = [float(number) for line in re.findall(r'points="([^"]+)"', document) for number in re.split("[ ,]", line)]
    assert document.count("<svg") == 3
    assert points
    assert all(0 <= number <= 320 for number in points)


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
        "calibration": [{"confidence": 0.1, "accuracy": 0.1, "examples": HOSTILE}],
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


def test_since_when_it_serves_and_what_went_wrong_last():
    told = Reader(page(facts(since="2026-11-22T07:30:00Z", fault="it raised ValueError <3 times>"))).text
    assert "Serves since 2026-11-22 07:30 UTC; server started now" in told
    assert "it raised ValueError <3 times>" in told
    assert "Serves since now." in Reader(page(facts())).text


def test_one_of_several_projects_is_shown_and_the_others_are_a_link_away():
    read = Reader(page(facts(project=7, projects=(7, 8))))
    assert "Project 7: Fixed" in read.text
    assert [value for name, value in read.attributes if name == "href"] == ["data:,", "?project=8"]
    nothing = Reader(page(facts(project=None, projects=(7, 8), model=None, version="cold-0123456789ab"))).text
    assert "Several projects" in nothing
    assert "Not trained yet" not in nothing


def test_an_untrained_model_of_ones_own_has_no_versions_yet():
    told = Reader(page(facts({}, version="cold-0123456789ab"))).text
    assert "Not trained yet" in told
    assert "Versions" not in told
