"""What `/metrics` tells, in a registry of its own."""

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_TRAINING_DURATIONS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0)
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The operator's metrics. Gauges per resource are removed with it."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.reconciles = Counter(
            "labelloop_reconcile", "Reconciles by result: success, retry, invalid, bug", ["result"], registry=registry
        )
        self.reconcile_seconds = Histogram(
            "labelloop_reconcile_duration_seconds", "Time of one reconcile", buckets=_DURATIONS, registry=registry
        )
        self.queue_depth = Gauge("labelloop_workqueue_depth", "Resources that are due now", registry=registry)
        self.queue_oldest = Gauge(
            "labelloop_workqueue_oldest_seconds",
            "How long the oldest due resource waits or is worked on",
            registry=registry,
        )
        self.leading = Gauge("labelloop_leader", "1 while this replica holds the lease", registry=registry)
        self.updates_pending = Gauge(
            "labelloop_pending_updates",
            "Annotation updates not yet used by a training",
            ["namespace", "name"],
            registry=registry,
        )
        self.trainings = Counter(
            "labelloop_trainings", "Finished trainings by outcome and reason", ["outcome", "reason"], registry=registry
        )
        self.training_seconds = Histogram(
            "labelloop_training_duration_seconds",
            "From the creation of a training's Job until its outcome is on record",
            ["outcome"],
            buckets=_TRAINING_DURATIONS,
            registry=registry,
        )
        self.gate_decisions = Counter(
            "labelloop_gate_decisions",
            "New models by whether the gate let them pass, and why",
            ["accepted", "reason"],
            registry=registry,
        )
        self.rollouts = Counter(
            "labelloop_rollouts", "Roll-outs that ended, by reason: Promoted or why not", ["reason"], registry=registry
        )
        self.model_accuracy = Gauge(
            "labelloop_model_accuracy",
            "Accuracy on held-out texts of the active version and of those that can be gone back to",
            ["namespace", "name", "version"],
            registry=registry,
        )
        self._accuracies: dict[tuple[str, str], set[str]] = {}
        self.counts_overdue = Gauge(
            "labelloop_stale_counts",
            "Resources whose annotation updates have not been counted for over five minutes although they should be",
            registry=registry,
        )
        self.label_studio_calls = Counter(
            "labelloop_label_studio_operations", "Operations in Label Studio by result", ["result"], registry=registry
        )
        self.hints = Counter(
            "labelloop_relay_requests",
            "Requests relayed by backends, by kind and HTTP status",
            ["kind", "status"],
            registry=registry,
        )
        self.deregistrations_incomplete = Counter(
            "labelloop_deregistrations_incomplete",
            "Deleted resources that left something in Label Studio",
            registry=registry,
        )

    def forget(self, namespace: str, name: str) -> None:
        """Drop the gauges of a resource that is gone."""
        self.show_accuracies(namespace, name, {})
        try:
            self.updates_pending.remove(namespace, name)
        except KeyError:
            return

    def show_accuracies(self, namespace: str, name: str, accuracies: Mapping[str, float]) -> None:
        """Set the accuracy of these versions of a resource, and drop those of others."""
        for version in self._accuracies.pop((namespace, name), set()) - accuracies.keys():
            self.model_accuracy.remove(namespace, name, version)
        for version, accuracy in accuracies.items():
            self.model_accuracy.labels(namespace, name, version).set(accuracy)
        if accuracies:
            self._accuracies[namespace, name] = set(accuracies)

    def text(self) -> bytes:
        """The Prometheus text form."""
        return generate_latest(self.registry)
