"""The reconcile loop: what was observed, what to do about it, and the engine that does it."""
