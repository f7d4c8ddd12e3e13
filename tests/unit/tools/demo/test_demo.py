"""What the demo promises is checked, what programs print becomes progress, and its end from elsewhere is no failure."""

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from tests.support.waiting import StepError
from tools.demo import demo
from tools.demo.progress import Show
from tools.demo.rounds import Results
from urllib3.exceptions import HTTPError

from labcluster import Cluster

GOOD = Results(["cold-a", "model-b", "model-c"], {"cold-a": 0.2, "model-b": 0.5, "model-c": 0.6}, 0, [7.0, 7.5], 90.0)


def shown() -> tuple[Show, io.StringIO]:
    out = io.StringIO()
    return Show(Console(file=out, width=200, color_system=None)), out


def test_results_as_promised_are_good() -> None:
    demo.check(GOOD)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"versions": ["cold-a", "model-b", "model-b"]}, "2 rounds should give 2 new versions"),
        ({"failed_requests": 3}, "3 requests failed during the roll-outs"),
        ({"accuracy": {**GOOD.accuracy, "model-c": 0.4}}, "accuracy went down"),
    ],
)
def test_results_that_break_a_promise_end_the_demo(changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(StepError, match=wrong):
        demo.check(replace(GOOD, **changes))


def test_progress_of_the_clusters_programs_is_shown_and_everything_is_kept() -> None:
    show, out = shown()
    kept = io.StringIO()
    with show.step("Kubernetes cluster") as step:
        written = demo.Progressed(show, step, kept)
        print("Building kubernetes from Go modules ...", file=written)
        print("--- end of kubelet.log\na hundred lines", file=written)
    assert "· Building kubernetes from Go modules ..." in out.getvalue()
    assert "kubelet.log" not in out.getvalue()
    assert kept.getvalue().endswith("--- end of kubelet.log\na hundred lines\n")


class Unreachable:
    """A resource on a cluster that is gone."""

    name = "intents"

    def read(self) -> dict[str, Any]:
        return {"spec": {"labelStudio": {"project": 1}}}

    @property
    def status(self) -> dict[str, Any]:
        raise HTTPError("connection refused")


def watch_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, clusters: list[list[str]]) -> list[str]:
    """`clusters` are those of the machine at each look, the last one from then on."""
    monkeypatch.setattr(Cluster, "names", staticmethod(lambda: clusters.pop(0) if len(clusters) > 1 else clusters[0]))
    studio = SimpleNamespace(url="http://10.231.0.2:30080", email="a@example.com", password="b")
    lab = SimpleNamespace(cluster=SimpleNamespace(name="demo", kubeconfig="/tmp/k"), label_studio=studio)
    show, out = shown()
    demo.stay(lab, Unreachable(), show)  # type: ignore[arg-type]
    return [line.partition("• ")[2] for line in out.getvalue().splitlines() if "•" in line]


def test_a_cluster_removed_from_elsewhere_ends_the_demo_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch_a_cluster_that_does_not_answer(monkeypatch, [["other"]]) == [demo.REMOVED]


def test_a_cluster_that_is_being_removed_still_counts_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    told = watch_a_cluster_that_does_not_answer(monkeypatch, [["demo"], []])
    assert told == ["the API server does not answer", demo.REMOVED]
