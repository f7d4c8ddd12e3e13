"""What stories of a resource's life have in common: how a training ends, and no needless pauses."""

from collections.abc import Callable


def result(version: str, size: int, updated_at: str) -> dict[str, object]:
    """A training's termination message."""
    return {
        "format": 1,
        "outcome": "Trained",
        "reason": "Trained",
        "message": "trained",
        "version": version,
        "dataset_digest": "sha256:1",
        "cut": {"updated_at": updated_at, "size": size},
        "metrics": {"accuracy": 0.7},
        "image": f"registry.example/models/team-a/intents@sha256:{version[-1] * 64}",
        "snapshot": "registry.example/models/team-a/intents/snapshot@sha256:" + "2" * 64,
    }


def fast(set_attribute: Callable[[str, object], None]) -> None:
    """Without the pauses that spare a real Label Studio; takes monkeypatch.setattr."""
    set_attribute("labelloop_operator.policies.rollout_checks.DRAIN_SECONDS", 0)
    set_attribute("labelloop_operator.label_studio.project_monitor.GAP", 0.05)
    set_attribute("labelloop_operator.label_studio.project_monitor.SETTLE", 0.01)
    set_attribute("labelloop_operator.controller.reconciler.WAITING_PAUSE", 0.05)
