"""The API server is away, or frozen, for longer than the operator's Lease lasts."""

import time

import pytest
from tests.e2e.story import Project, Story
from tests.support.kube import Kube
from tests.support.load import load
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

EVERY = 12
FROZEN = 90.0
"""Seconds: longer than any silence that a watch puts up with."""


@pytest.mark.chaos_case("5")
def test_predictions_go_on_and_the_operator_comes_back_by_itself(story: Story, project: Project) -> None:
    project.import_tickets(EVERY)
    backend = story.running(project, EVERY)
    cold = backend.version
    cluster = story.lab.cluster
    (operator,) = story.lab.operator_pods()
    with Timeline(story.lab.kube, story.namespace) as timeline:
        with load(cluster, backend.address, f"{project.id}.1", project.label_config, interval=0.05) as report:
            cluster.kill("kube-apiserver")
            try:
                # A leader that cannot renew its Lease must end: another one may lead by now.
                leader = operator["status"]["containerStatuses"]
                eventually(lambda: not Kube.processes(leader), PATIENCE, "end of the operator that cannot renew")
                project.annotate(EVERY)
            finally:
                cluster.start("kube-apiserver")
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
def test_a_frozen_api_server_stops_no_prediction_and_nothing_is_lost(story: Story, project: Project) -> None:
    project.import_tickets(EVERY)
    backend = story.running(project, EVERY)
    cold, cluster = backend.version, story.lab.cluster
    with Timeline(story.lab.kube, story.namespace) as timeline:
        with load(cluster, backend.address, f"{project.id}.1", project.label_config, interval=0.1) as report:
            cluster.stop("kube-apiserver")
            try:
                project.annotate(EVERY)
                time.sleep(FROZEN)  # the case itself
            finally:
                cluster.cont("kube-apiserver")
        assert not report.failures, report.failures[:5]
        assert report.versions == [cold]
        backend.wait_version_other_than(cold)
        backend.wait_pending(0)
        assert len(timeline.jobs()) == 1
    backend.wait_ready()
    story.lab.stop_operator()  # a fresh pod: the next stories judge a restart that nobody forced
    story.lab.start_operator()
