"""kopf and the cache behind it: events in, keys onto the queue."""
