"""Everything one reconcile looks at, put together: caches first, the API server only for what no cache holds."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.label_studio_status import LabelStudioStatus
from labelloop_operator.api.spec import Spec, parse
from labelloop_operator.api.status import Cut, Status, TrainingStatus
from labelloop_operator.api.times import parse_time
from labelloop_operator.builders.job_parts import environment, pushed_tag
from labelloop_operator.controller.derived_secrets import relay_secret, webhook_secret
from labelloop_operator.controller.service_probes import ServiceProbes
from labelloop_operator.kubernetes import pods as pod_facts
from labelloop_operator.kubernetes.cache import Cache, Key
from labelloop_operator.kubernetes.connection_secrets import Connection, Secrets, connection, kept_credentials
from labelloop_operator.kubernetes.kinds import SERVICE
from labelloop_operator.kubernetes.mounted_secrets import unusable_secrets
from labelloop_operator.label_studio.project_ref import ProjectRef
from labelloop_operator.label_studio.registration_operations import Owner
from labelloop_operator.label_studio.watch import LabelStudioWatch
from labelloop_operator.planning.image_locations import images_for
from labelloop_operator.planning.observed import (
    Children,
    Conflict,
    ConnectionFacts,
    JobOutcome,
    LabelStudioFacts,
    Manifest,
    Observed,
    OperatorFacts,
    PodProblem,
    Resource,
)
from labelloop_operator.planning.ownership import is_ours
from labelloop_operator.planning.recovery import recovered
from labelloop_operator.policies.training_checks import recheck_pause
from labelloop_operator.registry.worker import RegistryWork


class Gatherer:
    """Makes `Observed` values."""

    def __init__(
        self,
        cache: Cache,
        secrets: Secrets,
        pods: pod_facts.Pods,
        watch: LabelStudioWatch,
        operator: OperatorFacts,
        key: bytes,
        registry: RegistryWork,
        probes: ServiceProbes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cache = cache
        self._secrets = secrets
        self._pods = pods
        self._watch = watch
        self._operator = operator
        self._key = key
        self._registry = registry
        self._clock = clock
        self._probes = probes
        self._generations: dict[Key, tuple[int, float]] = {}
        self._outcomes: dict[Key, dict[str, JobOutcome]] = {}

    async def gather(self, key: Key, item: Manifest, conflicts: frozenset[Conflict]) -> Observed:
        """What is known of the resource now. ApiError when the API server is needed and does not answer."""
        resource = parse_resource(item)
        if resource.spec is not None and resource.deletion_requested_at is None:
            problems = await unusable_secrets(self._secrets, resource.namespace, resource.spec)
            resource = replace(resource, spec=None, problems=problems) if problems else resource
        children = self._children(key)
        facts = ConnectionFacts()
        label_studio: LabelStudioFacts | None = None
        versions: tuple[str, ...] = ()
        if resource.spec is not None:
            children = await self._with_lost_jobs(resource, children)
            facts, label_studio = await self._label_studio(key, resource, resource.spec, recovered(resource, children))
            children = replace(children, pod_problems=await self._pod_problems(key, children, resource.uid))
            versions = await self._secret_versions(key, resource, resource.spec)
        return Observed(
            resource=resource,
            operator=self._facts_for(resource),
            connection=facts,
            children=children,
            outcomes=await self._finished(key, resource, children),
            label_studio=label_studio,
            former=self._watch.former.facts(key),
            registry=self._registry.facts(key),
            secret_versions=versions,
            probe=self._probes.facts(key),
            promoted=await self._promoted(key, resource, children),
            conflicts=tuple(sorted(conflicts, key=lambda conflict: (conflict.kind, conflict.name))),
        )

    async def invalidate(self, key: Key) -> None:
        """Read Secrets and Label Studio again, whatever is known of them."""
        self._generations[key] = (-1, 0.0)
        await self._watch.forget(key)

    async def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._generations.pop(key, None)
        self._outcomes.pop(key, None)
        self._pods.forget(*key)
        await self._watch.forget(key)
        await self._watch.former.forget(key)
        await self._registry.forget(key)
        self._probes.forget(key)

    async def _promoted(self, key: Key, resource: Resource, children: Children) -> Mapping[str, Any] | None:
        """For a resource without any version: one that was promoted before, perhaps in another cluster."""
        spec = resource.spec
        if spec is None or resource.deletion_requested_at or recovered(resource, children).model.active:
            return None
        where = images_for(self._operator, resource.namespace, resource.name, spec)
        if where.repository is None:
            return None
        return await self._registry.promoted(key, where, spec.registry.push_secret)

    def _facts_for(self, resource: Resource) -> OperatorFacts:
        return replace(
            self._operator,
            relay_secret=relay_secret(self._key, resource.uid),
            webhook_secret=webhook_secret(self._key, resource.uid),
        )

    def _children(self, key: Key) -> Children:
        namespace, name = key
        seen = self._cache.children(key)
        service = self._cache.child(SERVICE, namespace, names.service_name(name))
        return Children(service, seen.deployments, seen.jobs, seen.succeeded_pods)

    async def _with_lost_jobs(self, resource: Resource, children: Children) -> Children:
        """A Job on record that no watch shows is gone, or has lost the label by which it is watched."""
        missing = _running(resource.status) - {job["metadata"]["name"] for job in children.jobs}
        found = [await self._pods.job(resource.namespace, name) for name in sorted(missing)]
        return replace(children, jobs=(*children.jobs, *(job for job in found if job is not None)))

    async def _label_studio(
        self, key: Key, resource: Resource, spec: Spec, status: Status
    ) -> tuple[ConnectionFacts, LabelStudioFacts | None]:
        found = await connection(self._secrets, resource.namespace, spec, self._not_before(key, resource))
        if found.credentials is None:
            if resource.deletion_requested_at is None:
                await self._watch.forget(key)
                return found.facts, None
            # The Secret may go before the resource does: what was known last is used to deregister.
            address = self._watch.address(key)
            if address:
                return replace(found.facts, problem=None, address=address), self._watch.facts(key)
            kept = await kept_credentials(self._secrets, resource.namespace, names.relay_secret_name(resource.name))
            if kept is None:
                return found.facts, None
            found = Connection(replace(found.facts, problem=None, address=kept.url), kept)
        owner = Owner(
            uid=resource.uid,
            project=spec.label_studio.project,
            url=names.service_url(resource.name, resource.namespace, self._operator.cluster_domain),
            cluster=self._operator.cluster_id,
            resource=f"{resource.namespace}/{resource.name}",
        )
        secret = webhook_secret(self._key, resource.uid)
        assert found.credentials is not None  # noqa: S101 - returned above
        target = ProjectRef(found.credentials, owner, secret, status.training.cut or Cut())
        former = await self._former(key, resource, status.label_studio, target)
        return replace(found.facts, former_address=former), await self._watch.observe(key, target)

    async def _former(self, key: Key, resource: Resource, known: LabelStudioStatus, target: ProjectRef) -> str:
        """Where the Label Studio is to which the resource belonged before, while its credentials are kept."""
        moved = known.registered and known.address not in (None, target.credentials.url)
        if not moved and known.former is None:
            await self._watch.former.forget(key)
            return ""
        now = asyncio.get_running_loop().time()
        name = names.relay_secret_name(resource.name)
        kept = await kept_credentials(self._secrets, resource.namespace, name, not_before=now)
        if kept is None:
            return ""
        await self._watch.former.know(key, kept, target.owner, self._watch.addresses)
        return kept.url

    def _not_before(self, key: Key, resource: Resource) -> float:
        """Secrets read before this loop time are read again: the resource changed, Label Studio refused, or a training
        failed, perhaps for what a Secret holds."""
        generation = resource.generation
        known, changed_at = self._generations.get(key, (None, 0.0))
        if known != generation:
            changed_at = 0.0 if known is None else asyncio.get_running_loop().time()
            self._generations[key] = (generation, changed_at)
        return max(changed_at, self._watch.failed_at(key) or 0.0, _looked_at(resource.status.training, self._clock()))

    async def _pod_problems(self, key: Key, children: Children, uid: str) -> tuple[PodProblem, ...]:
        jobs = [item for item in children.jobs if is_ours(item, uid)]
        deployments = [item for item in children.deployments if is_ours(item, uid)]
        if not any(needs_pods(item) for item in (*deployments, *jobs)):
            return ()
        return await self._pods.problems(*key, jobs)

    async def _secret_versions(self, key: Key, resource: Resource, spec: Spec) -> tuple[str, ...]:
        secrets = (spec.label_studio.connection_secret, spec.registry.push_secret)
        not_before = self._not_before(key, resource)
        return tuple([await self._secrets.version(key[0], name, not_before) for name in secrets if name])

    async def _finished(self, key: Key, resource: Resource, children: Children) -> tuple[JobOutcome, ...]:
        """Outcomes of finished Jobs that are not on record; each is read once."""
        known, recorded = self._outcomes.pop(key, {}), _recorded(resource.status)
        found: dict[str, JobOutcome] = {}
        for job in children.jobs:
            name, uid = job["metadata"]["name"], job["metadata"]["uid"]
            if name in recorded or not is_ours(job, resource.uid):
                continue
            if pod_facts.finished(job):
                found[uid] = known.get(uid) or await self._outcome(resource, job)
            elif (result := pod_facts.success(job, children.succeeded_pods)) is not None:
                found[uid] = JobOutcome(name, result)
        if found:
            self._outcomes[key] = found
        return tuple(found.values())

    async def _outcome(self, resource: Resource, job: Manifest) -> JobOutcome:
        name = job["metadata"]["name"]
        pods = await self._pods.of_job(resource.namespace, name)
        if not pods and pod_facts.never_had_a_pod(job) and (refusal := await self._pods.refusal(job)) is not None:
            return JobOutcome(name, pod_facts.never_started(job, refusal))
        result = pod_facts.outcome(job, pods)
        repository = environment(job, "LABELLOOP_REPOSITORY")
        if result is None and resource.spec is not None and repository:
            plain_http = environment(job, "LABELLOOP_REGISTRY_PLAIN_HTTP") == "true"
            secret = resource.spec.registry.push_secret
            key = (resource.namespace, resource.name)
            result = await self._registry.job_result(key, repository, pushed_tag(job), plain_http, secret)
        return JobOutcome(name, result or pod_facts.lost(job, pods))


def _recorded(status: Status) -> set[str]:
    """Names of the Jobs whose outcome the status records."""
    return {job for job, outcome in _newest_jobs(status) if job is not None and outcome is not None}


def _running(status: Status) -> set[str]:
    """Names of the Jobs whose outcome the status does not record yet."""
    return {job for job, outcome in _newest_jobs(status) if job is not None and outcome is None}


def _newest_jobs(status: Status) -> Iterator[tuple[str | None, str | None]]:
    yield status.training.job, status.training.last_outcome
    for found in (status.model.rebase, status.predictions):
        if found is not None:
            yield found.job, found.outcome


def needs_pods(item: Manifest) -> bool:
    """Whether only its pods can tell how this Deployment or Job is doing."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    if "completions" in spec or "backoffLimit" in spec:
        return not pod_facts.finished(item)
    # While a Deployment changes in place its old pods are available, and a new one that is not is counted here.
    missing = int(status.get("availableReplicas") or 0) < int(spec.get("replicas", 1))
    return missing or int(status.get("unavailableReplicas") or 0) > 0


def parse_resource(item: Manifest) -> Resource:
    """The resource as the cache holds it, typed. Of one that goes only the way to Label Studio matters: webhook and ML
    backend are removed, whatever else of its spec cannot be used."""
    metadata, said = item["metadata"], item.get("spec") or {}
    parsed = parse(said)
    if metadata.get("deletionTimestamp") and not isinstance(parsed, Spec):
        parsed = parse({"labelStudio": said.get("labelStudio")})
    return Resource(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        resource_version=metadata["resourceVersion"],
        annotations=metadata.get("annotations") or {},
        finalizers=tuple(metadata.get("finalizers") or ()),
        deletion_requested_at=parse_time(metadata.get("deletionTimestamp")),
        spec=parsed if isinstance(parsed, Spec) else None,
        problems=() if isinstance(parsed, Spec) else parsed,
        status=Status.from_dict(item.get("status")),
    )


def _looked_at(training: TrainingStatus, now: datetime) -> float:
    """While a retry waits: loop time of the look before this one; what was read earlier may be out of date."""
    finished, until = training.finished_at, training.next_not_before
    if finished is None or until is None or now >= until:
        return 0.0
    since = max(0.0, (now - finished).total_seconds())
    return asyncio.get_running_loop().time() - min(since, recheck_pause(finished, until))
