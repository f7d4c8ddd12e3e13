"""Training: snapshot, fit, evaluation and the result every other part reads."""
