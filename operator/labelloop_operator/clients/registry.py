"""The result that a training pushed with its image: what is asked when the Job's pod is gone."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

_LOG = logging.getLogger(__name__)

TIMEOUT = 30.0


async def read_result(
    repository: str, tag: str, plain_http: bool, docker_config: bytes | None
) -> Mapping[str, Any] | None:
    """result.json of the image, with `image` and `snapshot`; None when there is none, or no registry to tell.

    Whatever is wrong with the registry, the training then counts as failed, and is tried again.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.to_thread(_read, repository, tag, plain_http, docker_config)
    except Exception as error:
        _LOG.warning("no result of %s:%s in the registry: %s", repository, tag, error)
        return None


def _read(repository: str, tag: str, plain_http: bool, docker_config: bytes | None) -> Mapping[str, Any] | None:
    """Blocking, in a thread. The registry library is loaded here: it is rarely needed."""
    from labelloop.publishing.credentials import parse_docker_config
    from labelloop.publishing.published import read_result as read_published

    config = parse_docker_config(docker_config) if docker_config else None
    result = read_published(repository, tag, plain_http=plain_http, config=config)
    found: Mapping[str, Any] | None = None if result is None else json.loads(result.to_json())
    return found
