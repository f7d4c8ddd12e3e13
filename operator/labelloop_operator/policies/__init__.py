"""Every decision, as chains of named checks; the clock is an argument."""
