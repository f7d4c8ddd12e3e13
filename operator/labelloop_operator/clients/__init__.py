"""Every byte on the wire: Kubernetes, Label Studio."""
