"""The Label Studio ML backend as a BentoML service: routes, model in memory, relay to the operator."""
