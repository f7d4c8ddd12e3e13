"""Labelloop: Label Studio ML backends on BentoML that retrain and roll out by themselves."""

__version__ = "0.1.0"
