"""Base images for tests: the lab's own with one file more, in the cluster's registry."""

import io
import tarfile
from dataclasses import dataclass, field
from functools import cached_property

from labelloop.publishing.append import Addition, append_layer
from labelloop.publishing.layer import Layer
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository

SERVER = "home/bentoml/bento/src/bento_service/labelloop/serving/server.py"
"""What `labelloop serve` runs; nothing else in the image does."""


@dataclass(frozen=True)
class _File:
    path: str
    content: bytes = field(repr=False)

    @cached_property
    def layer(self) -> Layer:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo(self.path)
            entry.size, entry.mode = len(self.content), 0o644
            archive.addfile(entry, io.BytesIO(self.content))
        return Layer(buffer.getvalue())


def with_file(image: str, tag: str, path: str, content: str) -> str:
    """Push `image` with one file replaced or added, under another tag of its repository; gives its name by digest."""
    base = Reference.parse(image)
    with Repository(base, plain_http=True) as source, Repository(base, plain_http=True) as target:
        addition = Addition(_File(path, content.encode()).layer, {}, "2026-11-22T06:00:00Z")
        digest = append_layer(source, base, target, addition, [tag])
    return str(base.with_digest(digest))
