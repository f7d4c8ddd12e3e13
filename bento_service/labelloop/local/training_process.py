"""`python -m labelloop.local.training_process`: one training of one project, in a process of its own that may be
killed.

The same code as the training Job's, in a folder of the project instead of a pod; then the promotion, which is one
rename of `state.json`.
"""

import fcntl
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labelloop.environment import Environment
from labelloop.local.child_process import begin
from labelloop.local.decision import backoff
from labelloop.local.local_settings import LocalSettings
from labelloop.local.project_state import Last, ProjectState, Promoted
from labelloop.local.version_store import ProjectStore, Store
from labelloop.training import train_command
from labelloop.training.result import Result, read_result
from labelloop.training.train import MODEL_DIRECTORY, RESULT_FILE, SNAPSHOT_FILE


def main(variables: Mapping[str, str] | None = None) -> int:
    """Train with settings from the environment; 0 unless the training failed for a technical reason."""
    environment = Environment(variables)
    settings = LocalSettings.from_environment(variables)
    store = Store(settings.directory).project(environment.integer("LABELLOOP_PROJECT", minimum=1))
    store.directory.mkdir(parents=True, exist_ok=True)
    with (store.directory / "training.lock").open("wb") as lock:
        # One that outlives a killed trainer ends with its standard input; until then the next one waits.
        fcntl.flock(lock, fcntl.LOCK_EX)
        store.clean_up()
        result = _train(store, dict(os.environ if variables is None else variables))
        _conclude(store, settings, environment, result)
    return result.exit_code


def _train(store: ProjectStore, variables: dict[str, str]) -> Result:
    work = store.work_directory
    restored = work / "restored"
    restored.mkdir(parents=True, exist_ok=True)
    snapshot = store.directory / SNAPSHOT_FILE
    if snapshot.exists():
        # A copy: nothing that goes wrong in the folder of the training may reach the original.
        (restored / SNAPSHOT_FILE).write_bytes(snapshot.read_bytes())
    current = store.read().current
    if current is not None and store.path_of(current).is_dir():
        (restored / MODEL_DIRECTORY).symlink_to(store.path_of(current))  # for the gate
    variables = {
        **variables,
        "LABELLOOP_WORK_DIR": str(work),
        "LABELLOOP_TERMINATION_LOG": str(work / "termination.json"),
        "LABELLOOP_ACTIVE_VERSION": current or "",
    }
    train_command.main(variables)
    return read_result(_output(work) / RESULT_FILE)


def _conclude(store: ProjectStore, settings: LocalSettings, environment: Environment, result: Result) -> None:
    output = _output(store.work_directory)
    trained = result.outcome == "Trained" and result.version is not None
    if trained:
        store.add(output / MODEL_DIRECTORY, result.version or "")
    if result.cut is not None and (output / SNAPSHOT_FILE).exists():
        (output / SNAPSHOT_FILE).replace(store.directory / SNAPSHOT_FILE)
    now = datetime.now(UTC)
    message = result.message
    if result.outcome == "Refused":
        message = f"{result.gate.get('message')} ({message})"
    last = Last(
        environment.optional("LABELLOOP_ATTEMPT") or "", result.outcome, result.reason, message, now.isoformat()
    )
    request = environment.optional("LABELLOOP_REQUEST")

    def change(state: ProjectState) -> ProjectState:
        state = replace(state, last=last, handled_request=request or state.handled_request)
        if result.outcome == "Failed" or result.cut is None:
            failures = state.failures + 1
            pause = timedelta(seconds=backoff(failures, settings.backoff_seconds))
            return replace(state, failures=failures, not_before=now + pause)
        state = state.consumed(result.cut)
        if not trained:
            return state
        promoted = Promoted(result.version or "", now.isoformat(), dict(result.metrics), result.dataset_digest)
        return state.promoted(promoted)

    store.change(change)
    store.prune(settings.keep_versions)
    store.clean_up()


def _output(work: Path) -> Path:
    return work / train_command.OUTPUT_DIRECTORY


if __name__ == "__main__":
    begin()
    sys.exit(main())
