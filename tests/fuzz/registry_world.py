"""A registry's documents and answers: good ones, odd ones that fit their digests, and answers gone wrong."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from random import Random
from urllib.parse import urlsplit

from tests.fuzz.odd_json import encoded, generated, mutated, odd_text
from tests.fuzz.wire import Answer

from labelloop.publishing.append import LAYER_TYPES, LISTS
from labelloop.publishing.snapshot_artifact import SNAPSHOT_TYPE

HOST, PATH = "registry.example:5000", "team/intents"
CANARY = "words-of-the-body-91f3"
RESULT = {
    "format": 1,
    "outcome": "Trained",
    "reason": "Trained",
    "message": "312 tasks",
    "version": "model-0f3a0f3a0f3a",
    "dataset_digest": "sha256:" + "1" * 64,
    "labels": ["billing", "delivery"],
    "cut": {"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312},
    "metrics": {"accuracy": 0.71},
    "counts": {"tasks": 312},
}


def _digest(content: bytes) -> str:
    return "sha256:" + sha256(content).hexdigest()


class World:
    """What the registry holds; some documents are odd and yet fit their digests."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self.blobs: dict[str, bytes] = {}
        result = json.dumps(self._odd(RESULT, random, 0.3), default=str)
        labels = {
            "labelloop.dev/result": result,
            "labelloop.dev/snapshot": f"{HOST}/{PATH}/snapshot@sha256:" + "2" * 64,
        }
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": labels, "Env": ["A=b"], "x": CANARY},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "3" * 64]},
            "history": [{"created_by": CANARY}],
        }
        docker = random.random() < 0.5
        image_type = list(LAYER_TYPES)[docker]
        layer = {"mediaType": LAYER_TYPES[image_type], "size": 5, "digest": self._put(b"layer0")}
        image = {
            "schemaVersion": 2,
            "mediaType": image_type,
            "config": {"mediaType": "x", "size": 9, "digest": self._put(self._document(config, random, 0.3))},
            "layers": [layer],
            "annotations": {"x": CANARY},
        }
        self.tags: dict[str, tuple[bytes, str]] = {}
        content = self._document(image, random, 0.3)
        if random.random() < 0.5:
            entry = {"mediaType": image_type, "digest": self._put(content), "size": 1, "platform": {"os": "linux"}}
            index = {"schemaVersion": 2, "mediaType": LISTS[docker], "manifests": [entry]}
            content, image_type = self._document(index, random, 0.3), LISTS[docker]
        self.tags["job-1"] = content, image_type
        snapshot = {"layers": [{"mediaType": SNAPSHOT_TYPE, "digest": self._put(b"snapshot"), "size": 8}], "x": CANARY}
        self.tags["snapshot"] = self._document(snapshot, random, 0.5), "application/vnd.oci.image.manifest.v1+json"

    def _put(self, content: bytes) -> str:
        self.blobs[_digest(content)] = content
        return _digest(content)

    def _odd(self, document: object, random: Random, share: float) -> object:
        return mutated(document, random) if random.random() < share else document

    def _document(self, document: object, random: Random, share: float) -> bytes:
        odd = self._odd(document, random, share)
        return encoded(odd, random) if random.random() < share else json.dumps(odd).encode()

    def answer(self, method: str, url: str) -> Answer:
        """As a good registry does."""
        path = urlsplit(url).path
        name = path.rpartition("/")[2]
        if method in ("POST", "PUT", "PATCH"):
            headers = {"Location": f"/v2/{PATH}/blobs/uploads/1?state=x", "Docker-Content-Digest": "sha256:" + "0" * 64}
            return Answer(202 if method == "POST" else 201, headers, b"")
        if "/manifests/" in path and name in self.tags:
            content, kind = self.tags[name]
            return Answer(200, {"Content-Type": kind, "Docker-Content-Digest": _digest(content)}, content)
        if name in self.blobs:
            content = self.blobs[name]
            return Answer(
                200, {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}, content
            )
        return Answer(404, {"Content-Type": "application/json"}, b'{"errors": [{"code": "BLOB_UNKNOWN"}]}')


STATUSES = (
    100,
    200,
    200,
    201,
    204,
    206,
    301,
    302,
    303,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    413,
    416,
    429,
    500,
    502,
    503,
    599,
)
CHALLENGES = (
    'Bearer realm="https://tokens.example/token",service="x",scope="repository:a:pull"',
    "Bearer", "Basic", "", "x",
    'Bearer realm="file:///etc/passwd"',
    'Bearer realm="', 'Basic realm="x"', "Digest a=b", 'Bearer realm=""', "Bearer ,,,=",
    'Bearer realm="https://[::1/token"', "é",
)  # fmt: skip
LOCATIONS = (
    "https://other.example/x", "http://other.example/x",
    "/v2/", "", "http://[::1", "file:///etc/passwd", "//other.example/a",
    "https://registry.example:5000/v2/x", "\u00e9", "javascript:1", "https://other.example:99999/",
)  # fmt: skip


ERRORS: tuple[Callable[[Random], object], ...] = (
    lambda random: [{"code": "X", "message": "no space left on device", "detail": {"x": CANARY}}],
    lambda random: [{"message": odd_text(random)} for _ in range(random.choice((1, 1000)))],
    lambda random: generated(random),
    lambda random: CANARY,
    lambda random: [CANARY],
)


def twisted(answer: Answer, seed: int) -> Answer:
    """The answer made wrong in one or several ways."""
    random = Random(seed)
    status = random.choice(STATUSES) if random.random() < 0.5 else answer.status
    endless = random.choice((2**25, 2**34)) if random.random() < 0.01 else 0
    return Answer(status, _twisted_headers(answer.headers, status, random), _twisted_body(answer.body, random), endless)


def _twisted_body(body: bytes, random: Random) -> bytes:
    kind = random.randrange(8)
    if kind == 0:
        return f"<html><p>{CANARY}</p></html>".encode() * random.choice((1, 100))
    if kind == 1:
        return encoded(generated(random), random)
    if kind == 2:
        return encoded({"errors": random.choice(ERRORS)(random), "token": odd_text(random)}, random)
    if kind == 3:
        return body[: random.randrange(len(body) + 1)] + random.choice((b"", CANARY.encode()))
    if kind == 4:
        return random.choice((b"[", b'{"a":')) * 200_000
    return body


def _twisted_headers(headers: Mapping[str, str], status: int, random: Random) -> dict[str, str]:
    kinds = ("text/html", "", "application/json; charset=utf-7", *LISTS, *LAYER_TYPES)
    offered = {
        "WWW-Authenticate": (CHALLENGES, 1.0 if status == 401 else 0.1),
        "Location": (LOCATIONS, 1.0 if 300 <= status < 400 else 0.1),
        "Content-Type": (kinds, 0.2),
        "Content-Encoding": (("gzip", "br", "deflate", "x"), 0.1),
        "Content-Length": (("0", "-1", "x", str(2**70), "1, 2"), 0.2),
        "Docker-Content-Digest": (("", "sha256:", "x" * 9000), 0.1),
        "Link": (('<https://other.example/>; rel="next"',), 0.1),
    }
    chosen = {name: random.choice(values) for name, (values, share) in offered.items() if random.random() < share}
    return {**headers, **chosen}
