"""The whole process, kopf included, against the fakes: `python -m labelloop_operator` as a pod runs it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.fakes.operator import NAME, NAMESPACE, World, world
from tests.fakes.waiting import DEADLINE, until

ROOT = Path(__file__).parents[3]


@pytest_asyncio.fixture
async def made() -> AsyncIterator[World]:
    async with world() as it:
        yield it


HASTE = (
    "from labelloop_operator.kubernetes import leader_election as leader; from labelloop_operator.kubernetes import "
    "lease; lease.LEASE_DURATION, lease.RENEW_DEADLINE = 3.0, 2.0; leader.RETRY_PERIOD = leader.CANDIDATE_PERIOD = "
    "0.2; from labelloop_operator.main import main; main()"
)
"""The operator with a Lease that runs out sooner."""


class Process:
    def __init__(self, made: World, folder: Path, *arguments: str) -> None:
        self.arguments = arguments or ("-m", "labelloop_operator")
        folder.mkdir(exist_ok=True)
        key = folder / "key"
        key.write_bytes(b"k" * 64)
        self.log = folder / "log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'bento_service'}:{ROOT / 'operator'}",
            "KUBECONFIG": str(made.api.kubeconfig(folder)),
            "LABELLOOP_KEY_FILE": str(key),
            "LABELLOOP_BACKEND_IMAGE": "registry.example/backend:1",
            "LABELLOOP_REGISTRY": "registry.example/models",
            "LABELLOOP_RELAY_URL": "http://labelloop-operator.labelloop.svc:8080",
            "LABELLOOP_POLL_INTERVAL": "300ms",
            "LABELLOOP_PORT": "0",
            "LABELLOOP_PROBE_ENABLED": "false",
            "LABELLOOP_ALLOWED_ADDRESSES": "127.0.0.0/8",
            "POD_NAMESPACE": "labelloop",
        }

    async def __aenter__(self) -> "Process":
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self.arguments, env=self.environment, stdout=self.log.open("wb"),
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def tells(self, word: str) -> bool:
        return any(word in line for line in self.lines())

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 10)


async def test_from_start_to_sigterm(made: World, tmp_path: Path) -> None:
    made.resource()
    async with Process(made, tmp_path) as process:
        await until(lambda: made.api.all("deployments"), "a Deployment")
        await made.ready()
        made.resource("second")
        await until(lambda: made.api.find("services", NAMESPACE, "second-ml"), "what kopf's watch reported")
        made.api.delete("labelstudiobackends", NAMESPACE, NAME, at="2999-01-01T00:00:00Z")
        await until(lambda: not made.found(), "the deletion")
        assert (made.api.find("leases", "labelloop", "labelloop-operator") or {})["spec"]["holderIdentity"]
        assert await process.stop() == 0
        assert (made.api.find("leases", "labelloop", "labelloop-operator") or {})["spec"]["holderIdentity"] == ""
        assert all(json.loads(line)["level"] in ("INFO", "WARNING") for line in process.lines())
    assert {seen.manager for seen in made.api.writes() if seen.method == "PATCH"} == {"labelloop"}


async def test_a_foreign_finalizer_stays(made: World, tmp_path: Path) -> None:
    """With its default settings kopf removes another kopf operator's finalizer from what it only watches."""
    made.resource()
    theirs = "kopf.zalando.org/KopfFinalizerMarker"
    made.api.patch("labelstudiobackends", NAMESPACE, NAME, lambda item: item["metadata"].update(finalizers=[theirs]))
    async with Process(made, tmp_path):
        await made.ready()
        assert sorted(made.found()["metadata"]["finalizers"]) == [theirs, "labelloop.dev/cleanup"]


async def test_without_the_definition_it_ends_and_says_what_to_do(made: World, tmp_path: Path) -> None:
    made.api.missing.add("labelstudiobackends")
    async with Process(made, tmp_path) as process:
        assert await asyncio.wait_for(process.process.wait(), 10) == 2
        assert "kubectl apply -f crds/" in process.lines()[-1]


async def test_a_second_replica_waits_for_the_first(made: World, tmp_path: Path) -> None:
    async with Process(made, tmp_path / "one") as first:
        await until(lambda: any("started" in line for line in first.lines()), "the first's start")
        async with Process(made, tmp_path / "two") as second:
            second_reads = len([seen for seen in made.api.requests if seen.plural == "leases"])
            await until(lambda: len([s for s in made.api.requests if s.plural == "leases"]) > second_reads + 2)
            assert not any("leading" in line for line in second.lines())
            assert await first.stop() == 0
            await until(lambda: any("started" in line for line in second.lines()), "the second's start")


async def test_after_a_kill_the_other_one_takes_over(made: World, tmp_path: Path) -> None:
    async with Process(made, tmp_path / "one", "-c", HASTE) as first:
        await until(lambda: first.tells("started"), "the first's start")
        async with Process(made, tmp_path / "two", "-c", HASTE) as second:
            first.process.kill()
            made.resource()
            await made.ready()
            assert second.tells("leading")


async def test_a_frozen_leader_writes_nothing_when_it_thaws_and_ends(made: World, tmp_path: Path) -> None:
    made.resource()
    async with Process(made, tmp_path / "one", "-c", HASTE) as first:
        await made.ready()
        async with Process(made, tmp_path / "two", "-c", HASTE) as second:
            first.process.send_signal(signal.SIGSTOP)
            await until(lambda: second.tells("started"), "the second's start")
            (deployment,) = made.api.all("deployments")
            made.api.remove("deployments", NAMESPACE, deployment["metadata"]["name"])
            await made.ready()  # the second has fixed it; the first would, from what its watches tell it now
            await second.stop()
            written = len(made.api.writes())
            first.process.send_signal(signal.SIGCONT)
            assert await asyncio.wait_for(first.process.wait(), DEADLINE) == 1
            assert first.tells("is lost")
            assert len(made.api.writes()) == written


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes(made: World, tmp_path: Path, path: str, unused_tcp_port: int) -> None:
    process = Process(made, tmp_path)
    process.environment["LABELLOOP_PORT"] = str(unused_tcp_port)
    async with process, aiohttp.ClientSession() as session:
        await until(lambda: any("started" in line for line in process.lines()), "the start")
        async with session.get(f"http://127.0.0.1:{unused_tcp_port}{path}") as answer:
            assert answer.status == 200


def test_the_deepest_resource_that_the_api_server_takes_can_be_read() -> None:
    script = (
        "import json, sys; from labelloop_operator.main import RECURSION_LIMIT as limit; sys.setrecursionlimit(limit); "
        "text = '{\"a\":' * 10_000 + '1' + '}' * 10_000; value = json.loads(text); "
        "print(json.dumps(value) == text.replace(':', ': '), value == json.loads(text))"
    )
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=variables)
    assert ended.stdout == "True True\n"
