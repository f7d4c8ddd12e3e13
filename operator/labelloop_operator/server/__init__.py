"""HTTP server: what backend pods relay, health and metrics."""
