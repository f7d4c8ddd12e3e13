"""A fake API server over loopback HTTP, and the client that talks to it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.operator import connect

from labelloop_operator.kubernetes.client import Kubernetes


@pytest_asyncio.fixture
async def api() -> AsyncIterator[FakeKubernetes]:
    """An empty cluster."""
    made = await FakeKubernetes().start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def kubernetes(api: FakeKubernetes) -> AsyncIterator[Kubernetes]:
    """The operator's client of it."""
    made = connect(api)
    yield made
    await made.close()
