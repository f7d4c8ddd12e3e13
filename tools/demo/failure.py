"""Why the demo failed, in one paragraph; everything else that was seen goes into files."""

import json
import shutil
import subprocess
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import Any

from tests.support.waiting import StepError

from labcluster import Cluster

Json = Mapping[str, Any]
SHOWN = 3
"""Conditions and pods that the paragraph names."""
FIRST = 2
"""Conditions that come before the pods."""
LONGEST = 200
"""Characters of one message in the paragraph."""
_ASKED = ("labelstudiobackends.labelloop.dev", "pods")
_KUBECTL_TIMEOUT = 30.0


class DemoError(Exception):
    """The demo did not reach its end; the text is one paragraph for the person at the keyboard."""


def empty_folder(folder: Path) -> Path:
    """A folder for the logs of this run, without those of the one before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def report(error: Exception, step: str, cluster: Cluster | None, folder: Path) -> str:
    """Write logs and status into `folder`; gives the paragraph."""
    (folder / "error.txt").write_text("".join(traceback.format_exception(error)))
    found = {kind: _items(cluster, kind) for kind in _ASKED} if cluster else {}
    if cluster:
        (folder / "status.json").write_text(json.dumps(found, indent=2) + "\n")
        with suppress(OSError):  # files that come and go meanwhile; the others are copied
            cluster.export_logs(folder)
    return paragraph(error, step, unexpected_state(found), folder)


def unexpected_state(found: Mapping[str, Sequence[Json] | None]) -> list[str] | None:
    """The conditions and pods that are not as they should be; None when there was no cluster to ask."""
    if not found:
        return None
    resources, pods = (found[kind] for kind in _ASKED)
    if pods is None:
        return ["the API server (it does not answer)"]
    conditions = list(unmet_conditions(resources or ()))
    return [*conditions[:FIRST], *unready_pods(pods), *conditions[FIRST:]]


def paragraph(error: Exception, step: str, unexpected: Sequence[str] | None, folder: Path) -> str:
    """What was awaited, what is not in the expected state, where the logs are."""
    awaited = shorten(error.summary if isinstance(error, StepError) else str(error), LONGEST).rstrip(".")
    sentences = [f'The demo failed in the step "{step}": {awaited}.' if step else f"The demo failed: {awaited}."]
    if unexpected:
        more = f"; and {len(unexpected) - SHOWN} more in status.json" if len(unexpected) > SHOWN else ""
        sentences.append(f"Not in the expected state: {'; '.join(unexpected[:SHOWN])}{more}.")
    elif unexpected is not None:
        sentences.append("All conditions and pods are in the expected state.")
    sentences.append(f"Logs and status: {folder}/ (start with error.txt).")
    return " ".join(sentences)


def unmet_conditions(resources: Sequence[Json]) -> Iterator[str]:
    """The conditions of resources that are not as they are when everything works, worst first."""
    for resource in resources:
        name = f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"
        conditions = (resource.get("status") or {}).get("conditions") or []
        if not conditions:
            yield f"LabelStudioBackend {name} has no status: the operator has not acted on it"
        expected = {condition["type"]: "True" for condition in conditions} | {"Suspended": "False"}
        unmet = [condition for condition in conditions if condition["status"] != expected[condition["type"]]]
        distinct: dict[tuple[str, str], Json] = {}
        for condition in unmet:  # Ready comes first, and repeats what another condition says
            distinct.setdefault((condition["reason"], condition.get("message", "")), condition)
        for condition in sorted(distinct.values(), key=lambda condition: condition["status"] == "Unknown"):
            message = shorten(condition.get("message", ""), LONGEST).rstrip(".")
            yield f"condition {condition['type']}={condition['status']}/{condition['reason']} of {name} ({message})"


def unready_pods(pods: Sequence[Json]) -> Iterator[str]:
    """The pods that neither run and are ready nor have succeeded, each with its reason."""
    for pod in pods:
        status, metadata = pod.get("status") or {}, pod["metadata"]
        containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        if status.get("phase") == "Succeeded" or metadata.get("deletionTimestamp"):
            continue
        if status.get("phase") == "Running" and all(found["ready"] for found in status.get("containerStatuses", [])):
            continue
        why = next(filter(None, map(_trouble, containers)), None) or _unscheduled(status) or status.get("phase", "new")
        yield f"pod {metadata['namespace']}/{metadata['name']} ({why})"


def _trouble(container: Json) -> str | None:
    """What keeps a container from being ready."""
    state = container.get("state") or {}
    for kind in ("waiting", "terminated"):
        found = state.get(kind)
        if found and found.get("reason") not in ("Completed", "PodInitializing"):
            told = [str(found.get("reason")), shorten(found.get("message") or "", LONGEST).rstrip(".")]
            return f"container {container['name']} is {kind}: {', '.join(filter(None, told))}"
    return f"container {container['name']} is not ready" if "running" in state and not container["ready"] else None


def _unscheduled(status: Json) -> str | None:
    found = [condition for condition in status.get("conditions") or [] if condition["status"] == "False"]
    return next((shorten(condition["message"], LONGEST) for condition in found if condition.get("message")), None)


def _items(cluster: Cluster, kind: str) -> Sequence[Json] | None:
    """Everything of a kind; None when the API server does not know the kind, or does not answer."""
    try:
        told = cluster.kubectl("get", kind, "-A", "-o", "json", stderr=subprocess.DEVNULL, timeout=_KUBECTL_TIMEOUT)
    except subprocess.SubprocessError:
        return None
    found: Sequence[Json] = json.loads(told)["items"]
    return found
