"""The Kubernetes API: client, watches, cache, drift, leader election. kopf stays in here."""
