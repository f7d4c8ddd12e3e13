"""A stand-in for Label Studio under load: `/setup` then `/predict` on fresh connections at a fixed rate.

Runs inside the cluster's network, standard library only. Writes one JSON line a pair to standard output and ends on
SIGTERM. Pairs start by the clock, whether or not earlier ones are answered, so that a stall shows as many slow pairs.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from typing import Any

_SETUP_TIMEOUT = 3.0  # as Label Studio's
_PREDICT_TIMEOUT = 10.0
_MOST_OPEN = 500


class Client:
    """Sends pairs to one address."""

    def __init__(self, host: str, port: int, project: str, label_config: str, text: str) -> None:
        self.host, self.port = host, port
        setup = {"project": project, "schema": label_config, "hostname": "", "access_token": "", "extra_params": None}
        task = {"id": 1, "data": {"text": text}, "annotations": [], "predictions": []}
        predict = {"tasks": [task], "project": project, "label_config": label_config, "params": {"context": None}}
        self._setup = self._request("/setup", setup)
        self._predict = self._request("/predict", predict)

    def _request(self, path: str, body: object) -> bytes:
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    async def pair(self) -> dict[str, Any]:
        """One pair: versions reported by both answers, wall-clock times (`asked`: between the two), and what went
        wrong."""
        told: dict[str, Any] = {"start": time.time(), "asked": None, "setup": None, "predict": None, "error": None}
        step = "setup"
        try:
            told["setup"] = (await self._ask(self._setup, _SETUP_TIMEOUT))["model_version"]
            step, told["asked"] = "predict", time.time()
            told["predict"] = (await self._ask(self._predict, _PREDICT_TIMEOUT))["results"][0]["model_version"]
        except Exception as error:  # whatever went wrong is a failed request and gets reported
            told["error"] = f"{step}: {type(error).__name__}: {error}"
        told["end"] = time.time()
        return told

    async def _ask(self, request: bytes, seconds: float) -> Any:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(self.host, self.port)
            try:
                writer.write(request)
                answer = await reader.read()
            finally:
                writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode(errors="replace")
        if b"200" not in head[:13]:
            raise ValueError(f"{status!r} {body[:200]!r}")
        if b"transfer-encoding: chunked" in head.lower():
            raise ValueError("chunked answer")
        return json.loads(body)


async def run(client: Client, interval: float) -> None:
    """Start a pair every `interval` seconds until SIGTERM, then wait for the open ones."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    open_pairs: set[asyncio.Task[None]] = set()

    async def one() -> None:
        print(json.dumps(await client.pair()), flush=True)

    due = time.monotonic()
    while not stopped.is_set():
        if len(open_pairs) < _MOST_OPEN:
            task = asyncio.create_task(one())
            open_pairs.add(task)
            task.add_done_callback(open_pairs.discard)
        due = max(due + interval, time.monotonic() - interval)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.gather(*open_pairs)


def main() -> None:
    """Read what to send from the command line and the labelling configuration from standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--project", required=True)
    parser.add_argument("--text", default="my parcel is late")
    parser.add_argument("--interval", type=float, default=0.01)
    chosen = parser.parse_args()
    client = Client(chosen.host, chosen.port, chosen.project, sys.stdin.read(), chosen.text)
    asyncio.run(run(client, chosen.interval))


if __name__ == "__main__":
    main()
