"""What `/metrics` tells, in a registry of its own."""

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

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The operator's metrics. Gauges per resource are removed with it."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.reconciles = Counter(
            "labelloop_reconciles", "Reconciles by result: success, retry, invalid, bug", ["result"], registry=registry
        )
        self.reconcile_seconds = Histogram(
            "labelloop_reconcile_duration_seconds", "Time of one reconcile", buckets=_DURATIONS, registry=registry
        )
        self.queue_depth = Gauge("labelloop_queue_depth", "Resources that are due now", registry=registry)
        self.queue_oldest = Gauge(
            "labelloop_queue_oldest_seconds",
            "How long the oldest due resource waits or is worked on",
            registry=registry,
        )
        self.leading = Gauge("labelloop_leading", "1 while this replica holds the lease", registry=registry)
        self.updates_pending = Gauge(
            "labelloop_updates_pending",
            "Annotation updates not yet used by a training",
            ["namespace", "name"],
            registry=registry,
        )
        self.trainings = Counter(
            "labelloop_trainings", "Finished trainings by outcome and reason", ["outcome", "reason"], registry=registry
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
        try:
            self.updates_pending.remove(namespace, name)
        except KeyError:
            return

    def text(self) -> bytes:
        """The Prometheus text form."""
        return generate_latest(self.registry)
