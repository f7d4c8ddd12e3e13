"""Relay to the operator: hints that something changed (best effort), training requests (answered)."""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

import orjson

from labelloop.serving.serving_settings import RelayTarget
from labelloop.serving.webhook_events import MAX_ANNOTATIONS, START_TRAINING, AnnotationTime, Event

if TYPE_CHECKING:
    import httpx

HINT_SECONDS = 1.0
TRAIN_SECONDS = 10.0

log = logging.getLogger(__name__)


class RelayError(Exception):
    """The operator did not take the request; the message says why and what to do."""


class _UnreachableError(Exception):
    """The operator did not answer."""


class RelayCounter(Protocol):
    """Counts requests to the operator."""

    def __call__(self, call: str, outcome: str) -> None:
        """`call` is `hints` or `train`, `outcome` `accepted`, `refused` or `unreachable`."""


class Relay:
    """One per process. Hints that come while one is under way are merged into the next."""

    def __init__(self, target: RelayTarget, count: RelayCounter) -> None:
        self._target = target
        self._count = count
        self._pending: dict[tuple[str, bool], dict[int, str | None]] = {}
        self._wake = asyncio.Event()
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        """Send hints from now on."""
        self._sender = asyncio.create_task(self._send_hints(), name="labelloop-relay")

    async def stop(self) -> None:
        """Send what is pending (at most one second) and close."""
        if self._sender is not None:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HINT_SECONDS):
                await self._flush()
        if self._client is not None:
            await self._client.aclose()

    def hint(self, event: Event, authenticated: bool) -> None:
        """Tell the operator soon; returns at once and never fails."""
        annotations = self._pending.setdefault((event.action, authenticated), {})
        for annotation in event.annotations:
            if annotation.id in annotations or len(annotations) < MAX_ANNOTATIONS:
                annotations[annotation.id] = _newer(annotations.get(annotation.id), annotation)
        self._wake.set()

    async def train(self, authenticated: bool) -> None:
        """Ask for a training; returns once the operator has accepted, else raises RelayError."""
        try:
            status, answer = await self._post("train", START_TRAINING, authenticated, {}, TRAIN_SECONDS)
        except _UnreachableError as error:
            self._count("train", "unreachable")
            raise RelayError(
                f"The operator does not answer at {self._target.url} ({error}): "
                "check that it runs, then start the training again."
            ) from None
        if 200 <= status < 300:
            self._count("train", "accepted")
            return
        self._count("train", "refused")
        raise RelayError(_refusal(status, answer))

    async def _send_hints(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
            except Exception:
                log.exception("A hint could not be sent")  # the sender must outlive any single hint

    async def _flush(self) -> None:
        while self._pending:
            (action, authenticated), annotations = self._pending.popitem()
            try:
                status, answer = await self._post("hints", action, authenticated, annotations, HINT_SECONDS)
                failure = None if 200 <= status < 300 else _refusal(status, answer)
                self._count("hints", "accepted" if failure is None else "refused")
            except _UnreachableError as error:
                failure = f"The operator does not answer at {self._target.url} ({error})"
                self._count("hints", "unreachable")
            self._log_change(failure)

    async def _post(
        self, call: str, action: str, authenticated: bool, annotations: dict[int, str | None], seconds: float
    ) -> tuple[int, bytes]:
        told = [{"id": number, "updated_at": time} for number, time in annotations.items()]
        body = orjson.dumps({"action": action, "authenticated": authenticated, "annotations": told})
        client = await self._opened_client()
        import httpx

        try:
            async with asyncio.timeout(seconds):
                answer = await client.post(f"{self._target.url}/{call}", content=body)
        except TimeoutError:
            raise _UnreachableError("time-out") from None
        except httpx.HTTPError as error:
            raise _UnreachableError(str(error) or type(error).__name__) from None
        return answer.status_code, answer.content

    async def _opened_client(self) -> "httpx.AsyncClient":
        """The connection pool, opened at the first request: importing httpx would be a tenth of the server's start."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_client, self._target)  # answers go on meanwhile
        return self._client

    def _log_change(self, failure: str | None) -> None:
        """One line when hints begin to fail and one when they pass again: a lost hint only delays the count."""
        if failure is not None and not self._failing:
            log.warning("Hints do not reach the operator, which counts later by itself. %s", failure)
        elif failure is None and self._failing:
            log.info("Hints reach the operator again")
        self._failing = failure is not None


def _client(target: RelayTarget) -> "httpx.AsyncClient":
    import httpx

    # Proxies from the environment are not used: the operator is a Service of the cluster.
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {target.secret}", "Content-Type": "application/json"},
        timeout=None,  # noqa: S113  (each request has a deadline of its own, for all of it)
        verify=target.url.startswith("https:"),  # reading the root certificates takes 30 ms
        trust_env=False,
    )


def _newer(known: str | None, annotation: AnnotationTime) -> str | None:
    """Label Studio writes all times in one form and zone, so they order as texts."""
    if known is None or annotation.updated_at is None:
        return annotation.updated_at or known
    return max(known, annotation.updated_at)


def _refusal(status: int, answer: bytes) -> str:
    try:
        said = orjson.loads(answer)
    except orjson.JSONDecodeError:
        said = None
    message = said.get("message") if isinstance(said, dict) else None
    if isinstance(message, str) and message:
        return f"The operator refused (HTTP {status}): {message[:500]}"
    reason = {
        401: "the relay secret is wrong; restart this pod so that it reads Secret NAME-ml-relay again",
        404: "it knows no such LabelStudioBackend; was it deleted?",
        409: "the resource cannot be trained now; see its conditions",
        429: "too many requests; try again in a minute",
        503: "it is starting or not leading; try again in a few seconds",
    }.get(status, "unexpected answer; see the operator's log")
    return f"The operator refused (HTTP {status}): {reason}"
