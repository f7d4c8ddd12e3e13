"""Pushing of what a training made: the snapshot, and the base image with one layer more."""
