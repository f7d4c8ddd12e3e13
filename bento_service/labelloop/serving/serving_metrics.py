"""Prometheus metrics of our own; requests are counted by BentoML. Every label has a bounded set of values.

Imported only in the process that serves: prometheus_client decides at import whether several workers share files.
"""

from collections.abc import Collection

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from labelloop.prediction.model_loading import Serving

PREDICT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100)
PREDICT_TASKS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 50000)


class ServingMetrics:
    """Registered once in a registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.predictions = Counter(
            "labelloop_predictions",
            "Entries answered to /predict, with or without a result",
            ["result"],
            registry=registry,
        )
        self.seconds = Histogram(
            "labelloop_predict_seconds", "Time to answer /predict", buckets=PREDICT_SECONDS, registry=registry
        )
        self.tasks = Histogram(
            "labelloop_predict_tasks", "Tasks in one /predict request", buckets=PREDICT_TASKS, registry=registry
        )
        self.events = Counter("labelloop_webhook_events", "Webhook calls by action", ["action"], registry=registry)
        self.relayed = Counter(
            "labelloop_relay_requests", "Requests to the operator", ["call", "outcome"], registry=registry
        )
        self.faults = Counter("labelloop_model_faults", "Tasks that a custom model has failed on", registry=registry)
        self._ready = Gauge(
            "labelloop_ready", "1 when /readyz answers 200", multiprocess_mode="livemin", registry=registry
        )
        self._model = Gauge(
            "labelloop_model_info",
            "1 for the model served",
            ["model_version", "model_class"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._models: set[tuple[str, str]] = set()
        # Series that exist before the first request make rates right from the start.
        self._with_result = self.predictions.labels("yes")
        self._without_result = self.predictions.labels("no")

    def show_model(self, serving: Serving) -> None:
        """Tell which model is served."""
        self._ready.set(serving.problem is None)
        self.show_models({(serving.version or "none", serving.model_class)})

    def show_models(self, models: Collection[tuple[str, str]]) -> None:
        """Tell version and class of all models that answer, one for each project in local mode."""
        for gone in self._models.difference(models):
            self._model.labels(*gone).set(0)  # several workers keep a series that is removed, with its last value
            self._model.remove(*gone)
        for model in models:
            self._model.labels(*model).set(1)
        self._models = set(models)

    def count_predictions(self, tasks: int, with_result: int, seconds: float) -> None:
        """One answered /predict."""
        self.tasks.observe(tasks)
        self.seconds.observe(seconds)
        self._with_result.inc(with_result)
        self._without_result.inc(tasks - with_result)
