"""Another base image in one reconcile: a Job appends the active version's model layer to it, then that image serves.

The version stays, so its Deployment changes in place, with the old pods there until the new ones answer; at the
deadline the old image is applied again. As with trainings, a Job is deleted only when its outcome is on record.
"""

from dataclasses import replace
from datetime import timedelta

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.rebase_status import Rebase, RebaseOutcome
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import ModelVersion
from labelloop_operator.api.training_result import MESSAGE_MAX_LENGTH
from labelloop_operator.builders.rebase_job import RebaseTask, rebase_job
from labelloop_operator.planning.actions import Create, Delete
from labelloop_operator.planning.children import Child, attempt_of, job_trouble, our_jobs, our_rebase_jobs, result_of
from labelloop_operator.planning.image_gc import discard_pushed
from labelloop_operator.planning.image_locations import place
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.planning.running_jobs import set_right
from labelloop_operator.policies.job_trouble import STUCK
from labelloop_operator.policies.rebase_checks import RebaseInput, RebaseVerdict, decide
from labelloop_operator.policies.rollout_checks import may_roll_out
from labelloop_operator.policies.training_checks import backoff

_TYPE = ConditionType.REBASED


def record_rebase(draft: Draft, spec: Spec) -> None:
    """Adopt, finish and clean up Jobs of rebases; what is about another version or base by now is dropped."""
    model = draft.status.model
    target, active = place(draft, spec).base_image, model.active
    rebase = model.rebase
    if rebase is not None and (active is None or (rebase.version, rebase.base_image) != (active.version, target)):
        rebase = None
    on_its_way = model.candidate is not None and rebase is not None and model.candidate.version == rebase.version
    ended = rebase is not None and rebase.outcome in (RebaseOutcome.REBASED, RebaseOutcome.FAILED)
    if rebase is not None and draft.edited and ended and not on_its_way:
        # A person changed something: what did not start, or failed, gets another chance.
        draft.set_model(replace(model, refused=tuple(item for item in model.refused if item.version != rebase.version)))
        rebase = None
    for job in our_rebase_jobs(draft.observed.children, draft.owner.uid):
        wanted = active is not None and _about(job) == (active.version, target)
        if wanted and active is not None and not (rebase and rebase.outcome and rebase.job == job.name):
            rebase = _followed(draft, spec, rebase or Rebase(active.version, target), job, active)
        elif not job.going:
            draft.act(Delete("Job", draft.owner.namespace, job.name, job.uid))
    draft.set_model(replace(draft.status.model, rebase=rebase))


def rebase_if_due(draft: Draft, spec: Spec, training_starts: bool) -> tuple[Create, ...]:
    """The Job, when the policy says so, and the condition Rebased, once there is something to tell."""
    active = draft.status.model.active
    if active is None:
        return ()
    where = place(draft, spec)
    children, uid = draft.observed.children, draft.owner.uid
    jobs = our_rebase_jobs(children, uid)
    rebase = draft.status.model.rebase
    verdict = decide(
        RebaseInput(
            now=draft.now,
            active=active,
            target=where.base_image,
            suspended=spec.suspend,
            repository=where.repository,
            candidate=draft.status.model.candidate,
            job=jobs[0].name if jobs else None,
            training=training_starts or bool(our_jobs(children, uid)),
            rebase=rebase,
            others_in_namespace=draft.observed.other_trainings.in_namespace,
            per_namespace=draft.observed.operator.trainings_per_namespace,
        )
    )
    draft.look_again(verdict.look_again_at)
    if verdict.start and where.repository is not None:
        task = RebaseTask(
            version=active.version,
            image=active.image,
            base_image=where.base_image,
            repository=where.repository,
            plain_http=where.plain_http,
            attempt=rebase.failures if rebase else 0,
        )
        manifest = rebase_job(draft.owner, spec, task)
        name = manifest["metadata"]["name"]
        if draft.is_foreign("Job", name):
            return ()
        started = replace(rebase or Rebase(active.version, where.base_image), job=name, outcome=None, not_before=None)
        draft.set_model(replace(draft.status.model, rebase=started))
        _tell(draft, verdict)
        return (Create(manifest),)
    _tell(draft, verdict)
    return ()


def training_must_use_new_base(draft: Draft, spec: Spec) -> bool:
    """The active version cannot move, so even a training that would give it once more must make an image."""
    rebase = draft.status.model.rebase
    return (
        rebase is not None
        and rebase.outcome is RebaseOutcome.NEEDS_TRAINING
        and rebase.base_image == place(draft, spec).base_image
    )


def _about(job: Child) -> tuple[str | None, str | None]:
    """Version and base image of a rebase's Job."""
    return job.annotations.get(names.ANNOTATION_MODEL_VERSION), job.annotations.get(names.ANNOTATION_BASE_IMAGE)


def _followed(draft: Draft, spec: Spec, rebase: Rebase, job: Child, active: ModelVersion) -> Rebase:
    """What this Job adds to what is on record."""
    failures = attempt_of(job, otherwise=rebase.failures)
    followed = replace(rebase, job=job.name, outcome=None, failures=failures, not_before=None)
    found = result_of(draft.observed, job)
    if found is None:
        if not job.going:
            set_right(draft, spec, job, names.COMPONENT_REBASE)
            _tell_stuck(draft, job)
        return followed
    draft.look_again_after(0)
    message = str(found.get("message") or "no message")[:MESSAGE_MAX_LENGTH]
    outcome, image = found.get("outcome"), found.get("image")
    if outcome == RebaseOutcome.NEEDS_TRAINING:
        return replace(followed, outcome=RebaseOutcome.NEEDS_TRAINING, message=message)
    # A lost pod's result comes from the image's labels, which tell of the training.
    if outcome != RebaseOutcome.FAILED and isinstance(image, str) and found.get("version") == active.version:
        _propose(draft, replace(active, image=image, base_image=rebase.base_image, at=None))
        return replace(followed, outcome=RebaseOutcome.REBASED, message=message)
    discard_pushed(draft, spec, job.name, job.uid)
    failures = followed.failures + 1
    again = draft.now + timedelta(seconds=backoff(failures, spec.training.backoff))
    message = f"{Reason.of(found.get('reason'), Reason.UNKNOWN)}: {message}"
    return replace(followed, outcome=RebaseOutcome.FAILED, message=message, failures=failures, not_before=again)


def _propose(draft: Draft, rebased: ModelVersion) -> None:
    model = draft.status.model
    if model.active is not None and model.active.image == rebased.image:
        # The same bytes came of it: only what it stands on was not known, or had another name.
        return draft.set_model(replace(model, active=replace(model.active, base_image=rebased.base_image)))
    if may_roll_out(rebased, model.refused, requested=False) is None:
        draft.set_model(replace(model, candidate=rebased))
    return None


def _tell_stuck(draft: Draft, job: Child) -> None:
    stuck = job_trouble(draft.observed.children, job)
    if stuck is not None:
        draft.set(_TYPE, ConditionStatus.UNKNOWN, stuck.reason, stuck.message)
    if stuck is not None and draft.edited:
        # The edit may have removed the cause, and the pod's template cannot be changed: another Job, of the same name.
        draft.act(Delete("Job", draft.owner.namespace, job.name, job.uid))


def _tell(draft: Draft, verdict: RebaseVerdict) -> None:
    """Nothing is told before a base image changes for the first time; a Job that is stuck keeps what was told."""
    before = condition(draft.status.conditions, _TYPE)
    never = before is None and draft.status.model.rebase is None
    if verdict.reason is None or (never and verdict.reason is Reason.REBASED):
        return
    stuck = before is not None and before.reason in STUCK
    if stuck and verdict.reason is Reason.REBASING and draft.status.model.candidate is None:
        return
    draft.set(_TYPE, verdict.status, verdict.reason, verdict.message)
