"""What becomes of published images: the tag of the one that serves, and the end of those that nobody can go back to."""

from collections.abc import Collection
from contextlib import suppress

from labelloop.publishing.append import LISTS
from labelloop.publishing.credentials import DockerConfig
from labelloop.publishing.reference import PROMOTED_TAG, Reference
from labelloop.publishing.registry import Manifest, Repository
from labelloop.publishing.registry_errors import NotInRegistryError


def tag_promoted(image: str, *, plain_http: bool = False, config: DockerConfig | None = None) -> None:
    """Let the tag `promoted` of its repository name this image (given by digest). Raises RegistryError."""
    reference = Reference.parse(image)
    with Repository(reference, plain_http=plain_http, config=config) as remote:
        remote.put_manifest(PROMOTED_TAG, remote.manifest(reference.version).content)


def remove_image(
    image: str, *, keep: Collection[str] = (), plain_http: bool = False, config: DockerConfig | None = None
) -> None:
    """Delete an image or snapshot, given by digest or tag, with all tags that name it; one that is gone is fine.

    `keep`: names by digest that stay, also when the given tag is one of theirs.
    Blobs that no other manifest uses go with the registry's garbage collection. Raises RegistryError; NotAllowedError
    when the registry deletes nothing.
    """
    reference = Reference.parse(image)
    with Repository(reference, plain_http=plain_http, config=config) as remote:
        try:
            top = remote.manifest(reference.version)
        except NotInRegistryError:
            return
        if str(reference.with_digest(top.digest)) in keep:
            return
        # The images of a list first, each made by us for it alone: a second attempt still finds them by the list.
        for digest in [*_listed(top), top.digest]:
            with suppress(NotInRegistryError):
                remote.delete_manifest(digest)


def _listed(top: Manifest) -> list[str]:
    """The images of a list; none of anything else."""
    entries = top.document().get("manifests") if top.media_type in LISTS else None
    return [str(entry.get("digest")) for entry in entries or [] if isinstance(entry, dict)]
