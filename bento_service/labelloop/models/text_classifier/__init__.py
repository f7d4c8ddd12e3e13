"""The text classifier: vocabulary, solver, calibration, cold start."""
