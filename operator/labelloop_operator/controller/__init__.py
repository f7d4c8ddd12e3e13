"""The reconcile loop: observes, plans, executes the actions, writes the status."""
