"""What every story has: a namespace, projects in Label Studio, resources; and the way to clean them up."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.tickets.generator import Ticket, tickets
from kubernetes import client
from tests.support.backend import Backend
from tests.support.lab import CONNECTION_SECRET, Lab
from tests.support.user import LabelStudioUser, choices_config
from tests.support.waiting import PATIENCE, eventually


@dataclass
class Project:
    """A project in Label Studio and the tickets imported into it so far."""

    user: LabelStudioUser
    id: int
    label_config: str
    tasks: list[tuple[int, Ticket]] = field(default_factory=list)
    annotated: int = 0

    def import_tickets(self, count: int) -> None:
        """Import the next `count` tickets as tasks without annotations."""
        made = tickets(len(self.tasks) + count)[len(self.tasks) :]
        ids = self.user.import_tasks(self.id, [{"text": ticket.text} for ticket in made])
        self.tasks += zip(ids, made, strict=True)

    def annotate(self, count: int) -> list[int]:
        """Annotate the next `count` tasks as their tickets say; gives the annotations' ids in order."""
        todo = self.tasks[self.annotated : self.annotated + count]
        assert len(todo) == count, "not enough tasks were imported"
        self.annotated += count
        return self.user.annotate_all([(task, ticket.label) for task, ticket in todo])

    def import_annotated(self, count: int) -> None:
        """Import the next `count` tickets with an annotation each, in one request."""
        assert self.annotated == len(self.tasks), "some imported tasks still wait for an annotation"
        made = tickets(len(self.tasks) + count)[len(self.tasks) :]
        ids = self.user.import_annotated(self.id, [(ticket.text, ticket.label) for ticket in made])
        self.tasks += zip(ids, made, strict=True)
        self.annotated += count


@dataclass
class Story:
    """One test's part of the lab."""

    lab: Lab
    namespace: str
    projects: list[Project] = field(default_factory=list)
    backends: list[Backend] = field(default_factory=list)

    def new_project(self, labels: Iterable[str]) -> Project:
        """A project whose texts get one of `labels`."""
        return self.new_project_with(choices_config(labels))

    def new_project_with(self, label_config: str) -> Project:
        """A project with this labelling configuration."""
        number = self.lab.user.create_project(self.namespace, label_config)
        project = Project(self.lab.user, number, label_config)
        self.projects.append(project)
        return project

    def backend(self, name: str = "intents") -> Backend:
        """A resource of this namespace, not applied yet."""
        made = self.lab.backend(self.namespace, name)
        self.backends.append(made)
        return made

    def spec(self, project: Project, updates_per_training: int, **more: Any) -> dict[str, Any]:
        """The smallest useful spec, and what a story needs on top."""
        training = {"updatesPerTraining": updates_per_training, "backoff": "5s"} | more.pop("training", {})
        connection = {"connectionSecretRef": {"name": CONNECTION_SECRET}, "project": project.id}
        return {"labelStudio": connection, "training": training, **more}

    def running(self, project: Project, updates_per_training: int, name: str = "intents", **more: Any) -> Backend:
        """A resource that is applied and Ready."""
        backend = self.backend(name)
        backend.apply(self.spec(project, updates_per_training, **more))
        backend.wait_ready()
        return backend

    def trained(self, project: Project, updates_per_training: int, **more: Any) -> Backend:
        """A Ready resource that has trained once, on `updates_per_training` annotations imported at once."""
        project.import_annotated(updates_per_training)
        backend = self.running(project, updates_per_training, **more)
        backend.wait_version_other_than(None)
        backend.wait_pending(0)
        eventually(lambda: len(backend.serving_pods) == 1, PATIENCE, backend.told)
        return backend

    def children(self) -> list[str]:
        """What our label still finds in the namespace."""
        kinds = "services,deployments,replicasets,pods,jobs,secrets"
        command = ["-n", self.namespace, "get", kinds, "-l", "app.kubernetes.io/managed-by=labelloop", "-o", "name"]
        return self.lab.cluster.kubectl(*command).split()

    def namespace_is_gone(self) -> bool:
        """Whether a deleted namespace has come to its end."""
        return self.namespace not in {item.metadata.name for item in self.lab.kube.core.list_namespace().items}

    def everything(self) -> str:
        """What the resources, pods and Events of the namespace say."""
        return "\n".join([*(f"{backend.name}: {backend.status}" for backend in self.backends), self._pods()])

    def _pods(self) -> str:
        return self.lab.kube.story(self.namespace)

    def clean_up(self) -> None:
        """Delete resources, namespace and projects."""
        gone: Sequence[Backend] = [backend for backend in self.backends if backend.read() is not None]
        for backend in gone:
            with contextlib.suppress(client.ApiException):
                backend.delete()
        for backend in gone:
            eventually(lambda backend=backend: backend.read() is None, PATIENCE, backend.told)  # type: ignore[misc]
        with contextlib.suppress(client.ApiException):  # a story may have deleted it
            self.lab.kube.core.delete_namespace(self.namespace)
        for project in self.projects:
            self.lab.user.delete_project(project.id)
