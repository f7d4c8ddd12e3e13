"""Local mode: a complete backend on one machine. Counts, trains in a process of its own, and swaps the model."""
