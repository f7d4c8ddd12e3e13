"""The Labelloop operator: turns LabelStudioBackend resources into running, retraining ML backends."""
