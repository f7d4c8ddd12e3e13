"""A real one-node Kubernetes cluster in Linux namespaces, for tests."""

from labcluster.cluster import Cluster
from labcluster.errors import ClusterError

__all__ = ["Cluster", "ClusterError"]
