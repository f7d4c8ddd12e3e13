"""What the operator itself asks of registries: results that images carry, the tag of the promoted one, deletion.

The registry library blocks, so it runs in threads; it is loaded when it is needed first.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

_LOG = logging.getLogger(__name__)

TIMEOUT = 30.0
T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The registry does not do this, or not for this user; asking again changes nothing."""


class Registry:
    """All methods raise TimeoutError and the library's RegistryError, whose text names the address and the remedy."""

    async def result(
        self, repository: str, tag: str, plain_http: bool, docker_config: bytes | None
    ) -> Mapping[str, Any] | None:
        """result.json of `repository:tag`, with `image`, `snapshot` and `base_image`; None: there is no such image."""
        return await _in_thread(lambda: _result(repository, tag, plain_http, docker_config))

    async def tag_promoted(self, image: str, plain_http: bool, docker_config: bytes | None) -> None:
        """Let the tag `promoted` of its repository name this image."""
        await _in_thread(lambda: _tag_promoted(image, plain_http, docker_config))

    async def remove(self, image: str, keep: Collection[str], plain_http: bool, docker_config: bytes | None) -> None:
        """Delete an image or snapshot, unless `keep` names it. Raises Refused when the registry deletes nothing."""
        await _in_thread(lambda: _remove(image, keep, plain_http, docker_config))


async def read_result(
    registry: Registry, repository: str, tag: str, plain_http: bool, docker_config: bytes | None
) -> Mapping[str, Any] | None:
    """What is asked when a Job's pod is gone: None also when there is no registry to tell.

    Whatever is wrong with the registry, the training then counts as failed, and is tried again.
    """
    try:
        return await registry.result(repository, tag, plain_http, docker_config)
    except Exception as error:
        _LOG.warning("no result of %s:%s in the registry: %s", repository, tag, error)
        return None


async def _in_thread(work: Callable[[], T]) -> T:
    async with asyncio.timeout(TIMEOUT):
        return await asyncio.to_thread(work)


def _config(docker_config: bytes | None) -> Any:  # noqa: ANN401 - the library's own type, loaded late
    from labelloop.publishing.credentials import parse_docker_config

    return parse_docker_config(docker_config) if docker_config else None


def _result(repository: str, tag: str, plain_http: bool, docker_config: bytes | None) -> Mapping[str, Any] | None:
    from labelloop.publishing.image_labels import read_result as read_published

    result = read_published(repository, tag, plain_http=plain_http, config=_config(docker_config))
    found: Mapping[str, Any] | None = None if result is None else json.loads(result.to_json())
    return found


def _tag_promoted(image: str, plain_http: bool, docker_config: bytes | None) -> None:
    from labelloop.publishing.promotion import tag_promoted

    tag_promoted(image, plain_http=plain_http, config=_config(docker_config))


def _remove(image: str, keep: Collection[str], plain_http: bool, docker_config: bytes | None) -> None:
    from labelloop.publishing.promotion import remove_image
    from labelloop.publishing.registry_errors import NotAllowedError

    try:
        remove_image(image, keep=keep, plain_http=plain_http, config=_config(docker_config))
    except NotAllowedError as error:
        raise Refused(error.message) from None
