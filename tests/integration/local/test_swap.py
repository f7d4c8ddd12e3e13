"""Two worker processes under load change their version: no failed request, no pair that disagrees."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.fakes.waiting import until
from tests.integration.serving.conftest import BENTOML, ONE_PROCESS, serve
from tests.support.serving_models import LABEL_CONFIG, task, train

from labelloop.local.project_state import Promoted
from labelloop.local.version_handover import PAIR_SECONDS
from labelloop.local.version_store import ProjectStore, Store

ONE, TWO = "model-000000000001", "model-000000000002"
KEY = "7.1795325720"
CLIENTS = 6
PATIENCE = 120.0
SETUP = {"schema": LABEL_CONFIG, "project": KEY, "hostname": "", "access_token": "", "extra_params": None}
PREDICT = {"tasks": [task("where is my parcel")], "project": KEY, "label_config": LABEL_CONFIG}


@dataclass
class Seen:
    """What all clients together saw."""

    pairs: list[tuple[float, str, str]] = field(default_factory=list)
    """Seconds from the end of `/setup` to the end of `/predict`, and both versions."""
    failures: list[str] = field(default_factory=list)

    def newest(self) -> set[str]:
        return {version for _, *versions in self.pairs[-2 * CLIENTS :] for version in versions}

    def disagreeing(self) -> list[tuple[float, str, str]]:
        """A client that was itself held up for longer than Label Studio takes says nothing about the server."""
        return [pair for pair in self.pairs if pair[1] != pair[2] and pair[0] < PAIR_SECONDS]


@asynccontextmanager
async def load(url: str) -> AsyncIterator[Seen]:
    """Clients that ask as Label Studio does: `/setup`, then `/predict`, each on a connection of its own."""
    seen, stopping = Seen(), asyncio.Event()

    async def client() -> None:
        no_reuse = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=no_reuse, trust_env=False) as http:
            while not stopping.is_set():
                try:
                    setup = (await http.post("/setup", json=SETUP)).raise_for_status().json()
                    answered = time.monotonic()
                    results = (await http.post("/predict", json=PREDICT)).raise_for_status().json()["results"]
                    seconds = time.monotonic() - answered
                    seen.pairs.append((seconds, setup["model_version"], results[0]["model_version"]))
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    seen.failures.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.02)

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    try:
        yield seen
    finally:
        stopping.set()
        await asyncio.gather(*clients)


def promote(store: ProjectStore, version: str) -> None:
    made = store.directory / f"made-{version}"
    train(made, version=version)
    store.add(made, version)
    store.change(lambda state: state.promoted(Promoted(version, "now")))


@pytest.mark.parametrize("kind", [ONE_PROCESS, BENTOML])
async def test_no_request_fails_and_no_pair_disagrees(tmp_path: Path, kind: str):
    store = Store(tmp_path / "models").project(7)
    promote(store, ONE)
    variables = {"MODEL_DIR": str(tmp_path / "models"), "WORKERS": "2"}
    with serve(tmp_path, variables, kind) as server:
        async with load(server.url) as seen:
            await until(lambda: len(seen.pairs) > 50 and seen.newest() == {ONE}, "the first version", PATIENCE)
            promote(store, TWO)
            await until(lambda: seen.newest() == {TWO}, "the second version", PATIENCE)
            store.rollback()
            await until(lambda: seen.newest() == {ONE}, "the first version again", PATIENCE)
    assert not seen.failures, (len(seen.failures), seen.failures[:5])
    assert not seen.disagreeing(), seen.disagreeing()
    assert len(seen.pairs) > 100
