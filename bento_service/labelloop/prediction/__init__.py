"""Predictions in Label Studio's form: predictors, checks of answers, custom models in a process."""
