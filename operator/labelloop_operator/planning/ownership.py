"""Whether an object is a child of a resource: only the controller owner reference counts, never a name or label."""

from labelloop_operator.planning.observed import Manifest


def is_ours(manifest: Manifest, uid: str) -> bool:
    """Whether the resource with that uid controls the object."""
    references = manifest.get("metadata", {}).get("ownerReferences", [])
    return any(item.get("controller") and item.get("uid") == uid for item in references)
