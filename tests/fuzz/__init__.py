"""Fuzzing: hostile input for everything that reads what others wrote (docs/internals/fuzzing.md)."""
