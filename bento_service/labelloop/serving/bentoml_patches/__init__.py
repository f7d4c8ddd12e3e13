"""Patches of BentoML and uvicorn: everything that depends on private parts of a pinned release.

`middlewares`: BentoML's time-out and traffic middlewares leak or block in long-running backends.
`deferred_imports`: BentoML imports what builds and deploys; a server needs none of it, and starts in half the time.
`app_factory`: the service's ASGI application without tracing and without BentoML's client of itself.
`reason_phrases`: uvicorn sends our reason phrase, the only text that Label Studio shows of a refused `/setup`.
`single_write`: uvicorn sends head and body of a response in one write.

The measurements are in docs/operations/serving.md. Tests fail when the patched parts change their shape.
"""
