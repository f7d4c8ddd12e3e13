"""Asks registries and deletes images, outside the reconciles."""
