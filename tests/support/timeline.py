"""What happened in a namespace, and when: watches that note every change with the time it was seen."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from kubernetes import client, watch
from tests.support.kube import Kube

Json = dict[str, Any]

_RESTART_PAUSE = 0.2


@dataclass(frozen=True)
class Seen:
    """One change of one object; `at` is a wall-clock time."""

    at: float
    kind: str
    type: str
    object: Json

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])


class Timeline:
    """Notes every change of Jobs, Pods, Services, Deployments and backends of one namespace, also of deleted ones."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._stopped = threading.Event()
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for kind, lister, arguments in (
            ("Job", self._kube.batch.list_namespaced_job, (self._namespace,)),
            ("Pod", self._kube.core.list_namespaced_pod, (self._namespace,)),
            ("Service", self._kube.core.list_namespaced_service, (self._namespace,)),
            ("Deployment", self._kube.apps.list_namespaced_deployment, (self._namespace,)),
            (
                "LabelStudioBackend",
                self._kube.custom.list_namespaced_custom_object,
                ("labelloop.dev", "v1alpha1", self._namespace, "labelstudiobackends"),
            ),
        ):
            thread = threading.Thread(target=self._follow, args=(kind, lister, arguments), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()

    def _follow(self, kind: str, lister: Callable[..., Any], arguments: tuple[str, ...]) -> None:
        version = None
        while not self._stopped.is_set():
            stream = watch.Watch().stream(lister, *arguments, resource_version=version, timeout_seconds=600)
            try:
                for change in stream:
                    if self._stopped.is_set():
                        return
                    thing = change["raw_object"]
                    version = thing["metadata"]["resourceVersion"]
                    with self._lock:
                        self._seen.append(Seen(time.time(), kind, change["type"], thing))
            except client.ApiException:
                version = None
            except Exception:  # a cut connection: the API server of a test cluster may go away for a while
                pass
            self._stopped.wait(_RESTART_PAUSE)

    def changes(self, kind: str, since: float = 0.0) -> Iterator[Seen]:
        """The changes of one kind since a wall-clock time, oldest first."""
        with self._lock:
            noted = list(self._seen)
        return (seen for seen in noted if seen.kind == kind and seen.at >= since)

    def jobs(self, since: float = 0.0) -> list[str]:
        """Names of the trainings and rebases seen since then, each once, in order; deleted ones included.

        Prediction Jobs are left out: they follow a rollout by themselves.
        """
        names = dict.fromkeys(seen.name for seen in self.changes("Job", since))
        return [name for name in names if "-ml-pred-" not in name]

    def first(self, kind: str, since: float, matches: Callable[[Json], bool]) -> Seen | None:
        """The first change of that kind for which `matches` holds."""
        return next((seen for seen in self.changes(kind, since) if matches(seen.object)), None)
