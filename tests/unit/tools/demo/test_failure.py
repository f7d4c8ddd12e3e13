"""A demo that fails says in one paragraph what was awaited, what is not as expected, and where the logs are."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import StepError, eventually
from tools.demo.failure import DemoError, paragraph, report, unexpected_state, unmet_conditions, unready_pods

ROOT = Path(__file__).parents[4]


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def resource(*conditions: dict[str, str]) -> dict[str, object]:
    return {"metadata": {"namespace": "demo", "name": "intents"}, "status": {"conditions": list(conditions)}}


def pod(phase: str, **status: object) -> dict[str, object]:
    return {"metadata": {"namespace": "demo", "name": "intents-ml-1"}, "status": {"phase": phase, **status}}


def container(state: dict[str, object], ready: bool = False) -> dict[str, object]:
    return {"name": "backend", "ready": ready, "state": state}


def test_the_paragraph_names_step_awaited_state_and_logs() -> None:
    error = StepError("not within 300 s: condition Ready=True of demo/intents", "status {...}\n" * 100)
    unexpected = [
        "condition Ready=False/ImagePullFailed of demo/intents (no such image)",
        "pod demo/intents-ml-1 (Pending)",
    ]
    assert paragraph(error, "backend Ready", unexpected, Path("build/demo")) == (
        'The demo failed in the step "backend Ready": not within 300 s: condition Ready=True of demo/intents. '
        "Not in the expected state: condition Ready=False/ImagePullFailed of demo/intents (no such image); "
        "pod demo/intents-ml-1 (Pending). Logs and status: build/demo/ (start with error.txt)."
    )


def test_long_and_many_things_stay_one_short_paragraph() -> None:
    error = StepError("helm upgrade: " + "word " * 1000)
    pending = [f"pod demo/{number} (Pending)" for number in range(90)]
    told = paragraph(error, "operator", pending, Path("build/demo"))
    assert "pod demo/2 (Pending); and 87 more in status.json." in told
    assert len(told) < 600
    assert "\n" not in told


def test_without_a_cluster_nothing_is_said_of_its_state() -> None:
    told = paragraph(RuntimeError("no Go"), "", None, Path("build/demo"))
    assert told == "The demo failed: no Go. Logs and status: build/demo/ (start with error.txt)."


def test_a_cluster_in_the_expected_state_is_said_to_be() -> None:
    assert "All conditions and pods are in the expected state." in paragraph(OSError("x"), "", [], Path("b"))


def test_an_api_server_that_does_not_answer_is_not_in_the_expected_state() -> None:
    assert unexpected_state({"labelstudiobackends.labelloop.dev": None, "pods": None}) == [
        "the API server (it does not answer)"
    ]


def test_before_the_operators_installation_there_are_pods_only() -> None:
    found = {"labelstudiobackends.labelloop.dev": None, "pods": [pod("Pending")]}
    assert unexpected_state(found) == ["pod demo/intents-ml-1 (Pending)"]


def test_conditions_that_are_as_they_should_be_are_left_out() -> None:
    fine = resource(condition("Ready", "True", "Ready"), condition("Suspended", "False", "Running"))
    assert list(unmet_conditions([fine])) == []


def test_false_conditions_come_before_unknown_ones() -> None:
    found = resource(
        condition("Ready", "True", "Ready"),
        condition("TrainingSucceeded", "Unknown", "TrainingRunning", "Job a runs"),
        condition("Serving", "False", "ImagePullFailed", "no such image."),
        condition("Suspended", "True", "Suspended", "spec.suspend"),
    )
    assert list(unmet_conditions([found])) == [
        "condition Serving=False/ImagePullFailed of demo/intents (no such image)",
        "condition Suspended=True/Suspended of demo/intents (spec.suspend)",
        "condition TrainingSucceeded=Unknown/TrainingRunning of demo/intents (Job a runs)",
    ]


def test_what_ready_repeats_of_another_condition_is_said_once() -> None:
    pulling = ("False", "ImagePullFailed", "no such image")
    found = resource(
        condition("Ready", *pulling), condition("Serving", *pulling), condition("Registered", "False", "No")
    )
    assert [told.split()[1] for told in unmet_conditions([found])] == [
        "Ready=False/ImagePullFailed",
        "Registered=False/No",
    ]


def test_pods_are_named_after_the_first_two_conditions() -> None:
    conditions = [condition(f"C{number}", "False", f"R{number}") for number in range(4)]
    found = {"labelstudiobackends.labelloop.dev": [resource(*conditions)], "pods": [pod("Pending")]}
    told = [text.split()[1].partition("=")[0] for text in unexpected_state(found) or ()]
    assert told == ["C0", "C1", "demo/intents-ml-1", "C2", "C3"]


def test_a_resource_without_status_is_named() -> None:
    assert list(unmet_conditions([resource()])) == [
        "LabelStudioBackend demo/intents has no status: the operator has not acted on it"
    ]


@pytest.mark.parametrize(
    "healthy",
    [
        pod("Succeeded", containerStatuses=[container({"terminated": {"reason": "Completed"}})]),
        pod("Running", containerStatuses=[container({"running": {}}, ready=True)]),
    ],
)
def test_pods_that_run_or_have_succeeded_are_left_out(healthy: dict[str, object]) -> None:
    assert list(unready_pods([healthy])) == []


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {
                "containerStatuses": [
                    container({"waiting": {"reason": "ImagePullBackOff", "message": "no such image."}})
                ]
            },
            "container backend is waiting: ImagePullBackOff, no such image",
        ),
        (
            {
                "initContainerStatuses": [container({"terminated": {"reason": "OOMKilled"}})],
                "containerStatuses": [container({"waiting": {"reason": "PodInitializing"}})],
            },
            "container backend is terminated: OOMKilled",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]},
            "0/1 nodes are available",
        ),
        ({}, "Pending"),
    ],
)
def test_pods_that_do_not_run_say_why(status: dict[str, object], why: str) -> None:
    assert list(unready_pods([pod("Pending", **status)])) == [f"pod demo/intents-ml-1 ({why})"]


def test_a_pod_that_runs_and_is_not_ready_is_named() -> None:
    unready = pod("Running", containerStatuses=[container({"running": {}})])
    assert list(unready_pods([unready])) == ["pod demo/intents-ml-1 (container backend is not ready)"]


def test_the_file_holds_what_the_paragraph_leaves_out(tmp_path: Path) -> None:
    with pytest.raises(StepError) as raised:
        eventually(lambda: None, 0, "pod a", interval=0, details=lambda: "every status\n" * 50)
    told = report(raised.value, "operator", None, tmp_path)
    assert told.startswith('The demo failed in the step "operator": not within 0 s: pod a. Logs')
    assert "every status\n" * 50 in (tmp_path / "error.txt").read_text()


@pytest.mark.parametrize("name", ["No_Name", "-"])
def test_the_command_ends_with_one_paragraph_and_no_traceback(name: str) -> None:
    command = [sys.executable, "-m", "tools.demo", f"--cluster={name}", "up", "--once"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "bento_service:operator:tests/cluster:."}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("The demo cannot start: ")
    assert done.stdout.count("\n") == 1


def test_the_error_is_no_assertion_of_a_test() -> None:
    assert not issubclass(DemoError, AssertionError)
