"""What the cluster's registry holds, read as any registry client would."""

from typing import Any

import requests

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TIMEOUT = 30
_SESSION = requests.Session()
_SESSION.trust_env = False  # whatever proxies the environment names, the registry is next door


def image_labels(image: str) -> dict[str, str]:
    """The labels of an image given as `host:port/repository@digest` (plain HTTP)."""
    manifest = image_manifest(image)
    base = _base(image)
    answer = _SESSION.get(f"{base}/blobs/{manifest['config']['digest']}", timeout=_TIMEOUT)
    answer.raise_for_status()
    labels: dict[str, str] = answer.json()["config"].get("Labels") or {}
    return labels


def image_manifest(image: str) -> dict[str, Any]:
    """The manifest of an image given by digest or tag."""
    reference = image.partition("@")[2] or image.rpartition(":")[2]
    headers = {"Accept": ", ".join(_MANIFESTS)}
    answer = _SESSION.get(f"{_base(image)}/manifests/{reference}", headers=headers, timeout=_TIMEOUT)
    answer.raise_for_status()
    manifest: dict[str, Any] = answer.json()
    return manifest


def image_exists(image: str) -> bool:
    """Whether the registry has the manifest of an image given by digest."""
    headers = {"Accept": ", ".join(_MANIFESTS)}
    answer = _SESSION.head(f"{_base(image)}/manifests/{image.partition('@')[2]}", headers=headers, timeout=_TIMEOUT)
    assert answer.status_code in (200, 404), answer
    return answer.status_code == 200


def _base(image: str) -> str:
    host, _, rest = image.partition("/")
    repository = rest.partition("@")[0]
    if "@" not in image:
        repository = rest.rpartition(":")[0]
    return f"http://{host}/v2/{repository}"
