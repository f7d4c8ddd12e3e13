"""The API server is away, or frozen, for longer than the operator's Lease lasts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.story import Project, Story
from tests.support.kube import Kube
from tests.support.load import load
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

EVERY = 12
FROZEN = 90.0
"""Seconds: longer than any silence that a watch puts up with."""


@contextmanager
def nothing_lost(story: Story, project: Project) -> Iterator[None]:
    """The block takes the API server away while as many annotations are made as start a training, and gives it back:
    predictions go on all the while, and one training follows."""
    project.import_tickets(EVERY)
    backend = story.running(project, EVERY)
    cold = backend.version
    with Timeline(story.lab.kube, story.namespace) as timeline:
        with load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, interval=0.05) as report:
            yield
        assert not report.failures, report.failures[:5]
        assert report.versions == [cold]
        story.lab.ensure_operator()
        backend.wait_version_other_than(cold)
        backend.wait_pending(0)
        assert len(timeline.jobs()) == 1
    backend.wait_ready()
    story.lab.stop_operator()  # a fresh pod: the next stories judge a restart that nobody forced
    story.lab.start_operator()


@pytest.mark.chaos_case("5")
def test_predictions_go_on_and_the_operator_comes_back_by_itself(story: Story, project: Project) -> None:
    cluster = story.lab.cluster
    with nothing_lost(story, project):
        (operator,) = story.lab.operator_pods()
        cluster.kill("kube-apiserver")
        try:
            # A leader that cannot renew its Lease must end: another one may lead by now.
            leader = operator["status"]["containerStatuses"]
            eventually(lambda: not Kube.processes(leader), PATIENCE, "end of the operator that cannot renew")
            project.annotate(EVERY)
        finally:
            cluster.start("kube-apiserver")


@pytest.mark.chaos_case("5")
def test_a_frozen_api_server_stops_no_prediction_and_nothing_is_lost(story: Story, project: Project) -> None:
    cluster = story.lab.cluster
    with nothing_lost(story, project):
        cluster.stop("kube-apiserver")
        try:
            project.annotate(EVERY)
            time.sleep(FROZEN)  # the case itself
        finally:
            cluster.cont("kube-apiserver")
