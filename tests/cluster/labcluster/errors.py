"""What can go wrong with a cluster, reported so that a reader can act on it."""


class ClusterError(Exception):
    """A cluster could not do what was asked; the message says why."""
