from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web
from tests.fakes.kubernetes import FakeKubernetes
from tests.unit.operator.server.receiver_port import Port


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    api = await FakeKubernetes().start()
    made = Port(api)
    await made.client.start_server()
    yield made
    await made.client.close()
    await made.peer.close()
    await made.kubernetes.close()
    await api.stop()


@pytest_asyncio.fixture
async def api_port(port: Port) -> AsyncIterator[tuple[Port, int]]:
    """The receiver as the operator runs it, and the number of its port."""
    runner = port.receiver.runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield port, runner.addresses[0][1]
    await runner.cleanup()
