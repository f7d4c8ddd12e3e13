"""Pure planning: observed state and the current time in, actions and status out."""
