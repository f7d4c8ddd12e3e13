"""Start-up and wiring: who is made of what, what starts in which order, and what stops in which."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from kubernetes.aio.config import ConfigException

from labelloop.environment import SettingsError
from labelloop_operator.controller.backend_client import Backends
from labelloop_operator.controller.executor import Executor
from labelloop_operator.controller.gatherer import Gatherer
from labelloop_operator.controller.reconciler import Reconciler
from labelloop_operator.controller.service_probes import ServiceProbes
from labelloop_operator.controller.training_slots import TrainingSlots
from labelloop_operator.controller.workqueue import WorkQueue
from labelloop_operator.kubernetes.cache import Cache, Key
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.cluster_watch import ClusterWatch, MissingDefinition, api_servers, cluster_id
from labelloop_operator.kubernetes.connection_secrets import Secrets
from labelloop_operator.kubernetes.event_recorder import Events
from labelloop_operator.kubernetes.kopf_watch import ResourceWatch
from labelloop_operator.kubernetes.leader_election import Leader
from labelloop_operator.kubernetes.pods import Pods
from labelloop_operator.label_studio.project_ref import PollIntervals
from labelloop_operator.label_studio.watch import LabelStudioWatch
from labelloop_operator.ops.health import Health
from labelloop_operator.ops.logging import configure
from labelloop_operator.ops.metrics import Metrics
from labelloop_operator.planning.observed import OperatorFacts
from labelloop_operator.registry.client import Registry
from labelloop_operator.registry.worker import RegistryWork
from labelloop_operator.server.app import Receiver
from labelloop_operator.server.forwarding import Peer
from labelloop_operator.settings import Settings

_LOG = logging.getLogger(__name__)

LEASE_NAME = "labelloop-operator"
_LIST_AGE = 900.0
"""Seconds a complete list may be old at least, whatever the resync interval is."""
_STOP_SECONDS = 10.0
FIRST_ROUND = 15.0
"""Seconds within which every resource is looked at once after a start; Label Studio is asked after that."""
_CLOSE_SECONDS = 1.0
"""How long requests under way, in Label Studio and at our port, may hold up the end."""


# The API server takes documents of 10,000 levels (Go's encoding/json). One resource of that depth, which anybody may
# make, must not keep the operator from reading the list of all; the C stack of 8 MiB holds this with room to spare.
RECURSION_LIMIT = 12_000


def main() -> int:
    """Run until asked to stop. 0: stopped by a signal; 1: ended by itself, a restart may help; 2: a setting is
    wrong."""
    sys.setrecursionlimit(RECURSION_LIMIT)
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"labelloop-operator: {error}\n")
        return 2
    configure(settings.log_level)
    try:
        return asyncio.run(_run(settings))
    except (ConfigException, MissingDefinition) as error:
        sys.stderr.write(f"labelloop-operator: {error}\n")
        return 2


@dataclass
class Parts:
    """Everything that lives as long as the process."""

    kubernetes: Kubernetes
    leader: Leader
    queue: WorkQueue[Key]
    cache: Cache
    watch: LabelStudioWatch
    cluster: ClusterWatch
    resources: ResourceWatch
    health: Health
    metrics: Metrics
    peer: Peer
    backends: Backends
    probes: ServiceProbes


async def _run(settings: Settings) -> int:
    kubernetes = await Kubernetes.connect()
    stop = asyncio.Event()
    _handle_signals(stop)
    parts = _make(settings, kubernetes)
    server = await _serve(settings, parts)
    tasks = [asyncio.create_task(parts.health.measure_lag(), name="event loop lag")]
    try:
        if not await _unless(stop, parts.leader.acquire()):
            return 0
        tasks.append(asyncio.create_task(_hold(parts.leader), name="lease"))
        if not await _unless(stop, parts.cluster.fill()):
            return 0
        parts.health.prefilled = True
        return await _lead(settings, parts, stop, server, tasks)
    finally:
        await _cancel(tasks)
        await _step_down(parts)
        await server.cleanup()
        await parts.peer.close()
        await parts.backends.close()
        await kubernetes.close()


async def _hold(leader: Leader) -> None:
    """Hold the lease. When it is lost another replica may lead by now: nothing that is under way here may go on, not
    even to end it nicely, so the process ends on the spot."""
    try:
        await leader.renew_until_lost()
    except Exception:
        _LOG.exception("lease")
    logging.shutdown()
    os._exit(1)


async def _step_down(parts: Parts) -> None:
    """Stop writing, then let the next one lead: it must not wait for what is slow to end here."""
    closing = [asyncio.create_task(part.close()) for part in (parts.watch, parts.probes)]
    await asyncio.wait(closing, timeout=_CLOSE_SECONDS)
    await parts.leader.release()


def _make(settings: Settings, kubernetes: Kubernetes) -> Parts:
    queue: WorkQueue[Key] = WorkQueue()
    metrics = Metrics()

    def leading() -> bool:
        return leader.is_leader()

    health = Health(max(_LIST_AGE, 3 * settings.resync_interval), lambda: queue.oldest, leading)
    leader = Leader(
        kubernetes,
        settings.pod_namespace,
        LEASE_NAME,
        settings.pod_name,
        address=settings.address,
        asked=health.asked,
    )
    cache = Cache(queue.add)
    metrics.queue_depth.set_function(lambda: queue.depth)
    metrics.queue_oldest.set_function(lambda: queue.oldest)
    metrics.leading.set_function(lambda: float(leader.is_leader()))
    watch = LabelStudioWatch(
        PollIntervals(settings.poll_interval, settings.scan_interval),
        queue.add,
        leader.is_leader,
        lambda result: metrics.label_studio_calls.labels(result).inc(),
    )
    metrics.counts_overdue.set_function(watch.overdue)
    backends = Backends()
    ask = backends.version if settings.probe_enabled else None
    return Parts(
        kubernetes=kubernetes.require_leadership(leader.is_leader),
        leader=leader,
        queue=queue,
        cache=cache,
        watch=watch,
        cluster=ClusterWatch(kubernetes, cache, settings.watch_namespaces, settings.resync_interval, health.listed),
        resources=ResourceWatch(cache, settings.watch_namespaces),
        health=health,
        metrics=metrics,
        peer=Peer(leader.leader_address),
        backends=backends,
        probes=ServiceProbes(ask, settings.probe_interval, queue.add, lambda: datetime.now(UTC)),
    )


async def _serve(settings: Settings, parts: Parts) -> web.AppRunner:
    receiver = Receiver(
        parts.cache,
        parts.watch,
        # A request to train is written by whichever replica got it, but never by one that lost its lease.
        parts.kubernetes.require_leadership(lambda: not parts.leader.lost()),
        settings.key,
        parts.health,
        parts.metrics,
        parts.leader.is_leader,
        peer=parts.peer,
    )
    runner = receiver.runner()
    await runner.setup()
    await web.TCPSite(runner, port=settings.port).start()
    return runner


async def _engine(settings: Settings, parts: Parts) -> Reconciler:
    secrets = Secrets(parts.kubernetes)
    whole_cluster = not settings.watch_namespaces  # a Role in some namespaces shows nothing of the cluster
    servers = await api_servers(parts.kubernetes) if whole_cluster else ()
    parts.watch.addresses = settings.addresses.refusing(servers)

    facts = OperatorFacts(
        backend_image=settings.backend_image,
        registry_prefix=settings.registry_prefix,
        registry_plain_http=settings.registry_plain_http,
        cluster_domain=settings.cluster_domain,
        relay_url=settings.relay_url,
        cluster_id=await cluster_id(parts.kubernetes, settings.key, whole_cluster),
        deregister_timeout=settings.deregister_timeout,
        trainings_per_namespace=settings.trainings_per_namespace,
        trainings_per_label_studio=settings.trainings_per_label_studio,
        relay_secret="",
        webhook_secret="",
        address_policy=parts.watch.addresses.to_json(),
    )
    registry = RegistryWork(Registry(), secrets, parts.queue.add, parts.leader.is_leader)
    pods = Pods(parts.kubernetes)
    gatherer = Gatherer(parts.cache, secrets, pods, parts.watch, facts, settings.key, registry, parts.probes)
    return Reconciler(
        parts.queue,
        parts.cache,
        gatherer,
        Executor(parts.kubernetes, parts.cache),
        parts.watch,
        Events(parts.kubernetes),
        parts.metrics,
        TrainingSlots(parts.cache, parts.watch.address),
        registry,
        parts.probes,
    )


async def _lead(
    settings: Settings, parts: Parts, stop: asyncio.Event, server: web.AppRunner, holding: list[asyncio.Task[None]]
) -> int:
    """Work until asked to stop, or until any part ends by itself: then a restart is the remedy."""
    engine = await _engine(settings, parts)
    parts.watch.hold()
    # kopf cancels, when it ends, every task made after it started: ours are made before and stopped before.
    background = [
        *holding,
        *(asyncio.create_task(watch, name="watch") for watch in parts.cluster.tasks()),
        *(asyncio.create_task(engine.work(), name=f"worker {number}") for number in range(settings.workers)),
    ]
    first_round = asyncio.create_task(_first_round(parts), name="first round")
    kopf = asyncio.create_task(parts.resources.run(), name="kopf")
    stopped = asyncio.create_task(stop.wait(), name="signal")
    ready = asyncio.create_task(parts.resources.ready.wait(), name="kopf ready")
    await asyncio.wait({kopf, ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
    _handle_signals(stop)  # kopf has put its own handlers in place of ours
    _LOG.info("started: %d resources", len(parts.cache.resources()))
    await asyncio.wait({*background, kopf, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*background, kopf):
        if task.done() and not stop.is_set():
            _LOG.error("%s ended", task.get_name(), exc_info=task.exception())
    await _cancel([*background, first_round, ready, stopped])
    await _step_down(parts)
    await server.cleanup()
    parts.resources.stop()
    await asyncio.wait({kopf}, timeout=_STOP_SECONDS)
    return 0 if stop.is_set() else 1


async def _first_round(parts: Parts) -> None:
    """What the cluster holds is restored before a thousand projects are asked what is new in them."""
    try:
        async with asyncio.timeout(FIRST_ROUND):
            await parts.queue.calm()
    except TimeoutError:
        _LOG.info("%d resources still wait to be looked at", parts.queue.depth)
    finally:
        parts.watch.begin()


async def _unless(stop: asyncio.Event, step: Coroutine[Any, Any, None]) -> bool:
    """Do a step of the start; False when asked to stop meanwhile."""
    task, stopped = asyncio.create_task(step), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        stopped.cancel()
        task.result()
        return True
    await _cancel([task])
    return False


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _handle_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
