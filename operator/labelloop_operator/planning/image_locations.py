"""Where images come from and go to, for one resource."""

from dataclasses import dataclass

from labelloop_operator.api.spec import Spec
from labelloop_operator.planning.observed import OperatorFacts
from labelloop_operator.planning.plan_builder import PlanBuilder


@dataclass(frozen=True)
class ImageLocations:
    """Base image to train with and repository to push to."""

    base_image: str
    repository: str | None
    plain_http: bool


def resolve_images(builder: PlanBuilder, spec: Spec) -> ImageLocations:
    """For the resource of this reconcile."""
    return images_for(builder.observed.operator, builder.owner.namespace, builder.owner.name, spec)


def images_for(operator: OperatorFacts, namespace: str, name: str, spec: Spec) -> ImageLocations:
    """Spec first, then the operator's defaults."""
    default = f"{operator.registry_prefix.rstrip('/')}/{namespace}/{name}"
    plain = operator.registry_plain_http if spec.registry.plain_http is None else spec.registry.plain_http
    return ImageLocations(
        base_image=spec.image or operator.backend_image,
        repository=spec.registry.repository or (default if operator.registry_prefix else None),
        plain_http=plain,
    )
