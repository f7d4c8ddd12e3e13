"""Polls Label Studio, counts annotation updates, registers webhook and ML backend."""
