"""Batch prediction: stored predictions of a new version for the tasks of a project (docs/user/predictions.md)."""
