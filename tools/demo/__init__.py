"""`make demo`: the whole loop on this machine, before one's eyes."""
