"""Secrets that a pod template names: only those whose keeper has labelled them for it may be mounted.

Whoever may make a LabelStudioBackend may not be allowed to read Secrets; through a pod of ours they could.
"""

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.pod_template import LABEL_USE
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.kubernetes.api_error_messages import explain_api_error
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.connection_secrets import Secrets


async def unusable_secrets(secrets: Secrets, namespace: str, spec: Spec) -> tuple[Problem, ...]:
    """What is wrong with the templates' Secrets. ApiError when the API server gives no usable answer."""
    uses = (*spec.serving.pod_template.secrets, *spec.training.pod_template.secrets)
    found: list[Problem] = []
    for use in uses:
        try:
            labelled = await secrets.is_labelled(namespace, use.name)
        except ApiError as error:
            trouble = explain_api_error(error, f"Secret {use.name}")
            if trouble is None:
                raise
            found.append(trouble)
            continue
        if not labelled:
            message = (
                f"is not there, or has no label {LABEL_USE} with the value true, by which its keeper lets Labelloop's "
                f"pods use it: kubectl label secret {use.name} {LABEL_USE}=true"
            )
            found.append(Problem(use.field, use.name, message, Reason.SECRET_NOT_LABELLED))
    return tuple(found)
