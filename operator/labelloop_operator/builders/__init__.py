"""Pure builders: spec and names in, one Kubernetes manifest out."""
