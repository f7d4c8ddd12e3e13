"""Annotation updates that are pending since the last training."""
