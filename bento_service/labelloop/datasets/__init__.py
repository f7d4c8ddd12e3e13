"""From annotated tasks to examples: rows as they were read, the snapshot they are kept in, and the holdout split."""
