"""Asks registries and deletes images, beside the reconciles."""
