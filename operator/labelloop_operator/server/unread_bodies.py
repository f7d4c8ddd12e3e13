"""An answer that is given before the request's body has come is the last one of its connection.

Left open, the connection would be aiohttp's to clear: it reads the rest and continues. But an upgrade that the request
asked for then takes effect at the end of its body, with nobody there to decline it, and no later request is answered.
"""

from aiohttp import hdrs, web


async def close_unread(request: web.Request, response: web.StreamResponse) -> None:
    """To be called before an answer is sent, whoever made it: a handler, the router, or the check of `Expect`.

    aiohttp closes only after it has read on for a while, so that the client gets the answer and not a reset.
    """
    if not request.content.is_eof():
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"  # force_close alone comes too late: the headers are made by now
