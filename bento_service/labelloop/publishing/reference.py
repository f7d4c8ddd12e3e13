"""Names of images: `host[:port]/path[:tag][@digest]`, as Docker writes them."""

import re
from dataclasses import dataclass, replace

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"
PROMOTED_TAG = "promoted"
"""Names the image that came into service last: what a fresh cluster finds again."""

# The grammar of the distribution specification (and of Docker's reference package).
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageNameError(ValueError):
    """A text is not the name of an image; the message says which part is wrong."""


@dataclass(frozen=True)
class Reference:
    """The name of an image or artifact in a registry."""

    host: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises ImageNameError. A name without a host means Docker's own registry, as everywhere."""
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
        host, remainder = (first, rest) if is_host else (DEFAULT_HOST, name)
        path, _, tag = remainder.partition(":")
        _check(_HOST, host, text, "the registry's host")
        _check(_PATH, path, text, "the path (lower-case letters, digits, '.', '_', '-' and '/')")
        if ":" in remainder:
            _check(_TAG, tag, text, "the tag")
        if "@" in text:
            _check(_DIGEST, digest, text, "the digest (sha256: and 64 hexadecimal digits)")
        return cls(host, path, tag or None, digest or None)

    @property
    def repository(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}"

    @property
    def version(self) -> str:
        """What to ask the registry for: the digest, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def below(self, name: str) -> "Reference":
        """The repository `path/name` of the same registry."""
        return Reference(self.host, f"{self.path}/{name}")

    def with_tag(self, tag: str) -> "Reference":
        """The same repository, another tag. Raises ImageNameError for one that registries refuse."""
        _check(_TAG, tag, f"{self.repository}:{tag}", "the tag")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> "Reference":
        """The same repository, by digest."""
        _check(_DIGEST, digest, f"{self.repository}@{digest}", "the digest (sha256: and 64 hexadecimal digits)")
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _check(pattern: re.Pattern[str], part: str, text: str, what: str) -> None:
    if not pattern.fullmatch(part):
        raise ImageNameError(f"{text!r:.300} is not the name of an image: {what} is {part!r:.200}")
