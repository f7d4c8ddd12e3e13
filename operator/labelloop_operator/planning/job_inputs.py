"""What a training Job is made of, apart from the data: when that changes, what failed or could not start may work."""

import hashlib
import json

from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import Cut
from labelloop_operator.builders.training_job import Training, job
from labelloop_operator.planning.image_locations import resolve_images
from labelloop_operator.planning.plan_builder import PlanBuilder


def inputs_digest(builder: PlanBuilder, spec: Spec) -> str:
    """Of the pod template that resource and operator's settings give, and of the versions of the Secrets it uses."""
    where, observed = resolve_images(builder, spec), builder.observed
    without_data = Training(
        cut=Cut(),
        label_config_digest="",
        base_image=where.base_image,
        repository=where.repository or "",
        plain_http=where.plain_http,
        has_ca=observed.connection.has_ca,
        address_policy=observed.operator.address_policy,
    )
    template = job(builder.owner, spec, without_data)["spec"]["template"]
    text = json.dumps([template, observed.secret_versions], sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
