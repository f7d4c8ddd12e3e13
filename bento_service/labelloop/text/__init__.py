"""Texts of tasks, their tokens and hashed features."""
