"""Where images come from and go to, for one resource."""

from dataclasses import dataclass

from labelloop_operator.api.spec import Spec
from labelloop_operator.planning.observed import OperatorFacts
from labelloop_operator.planning.plan_builder import Draft


@dataclass(frozen=True)
class Place:
    """Base image to train with and repository to push to."""

    base_image: str
    repository: str | None
    plain_http: bool


def place(draft: Draft, spec: Spec) -> Place:
    """For the resource of this reconcile."""
    return place_of(draft.observed.operator, draft.owner.namespace, draft.owner.name, spec)


def place_of(operator: OperatorFacts, namespace: str, name: str, spec: Spec) -> Place:
    """Spec first, then the operator's defaults."""
    default = f"{operator.registry_prefix.rstrip('/')}/{namespace}/{name}"
    plain = operator.registry_plain_http if spec.registry.plain_http is None else spec.registry.plain_http
    return Place(
        base_image=spec.image or operator.backend_image,
        repository=spec.registry.repository or (default if operator.registry_prefix else None),
        plain_http=plain,
    )
