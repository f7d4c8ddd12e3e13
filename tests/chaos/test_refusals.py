"""What lasts until a person mends it: refusals of the API server, and objects of somebody else with our names."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from tests.chaos.plans import OTHER_SECRET, trained
from tests.fakes.kubernetes import Seen
from tests.fakes.scene import NAME, NAMESPACE, Json, Scene, scene
from tests.fakes.virtual_network import virtually

HEALED = 330.0
"""Virtual seconds: what waits for a person is tried again every five minutes."""


def replicas(made: Scene) -> None:
    made.apply(serving={"replicas": 2})


def lost_service(made: Scene) -> None:
    made.api.remove("services", NAMESPACE, f"{NAME}-ml")


def other_secrets(made: Scene) -> None:
    """The pods' Secret is made again when it is gone, which a look at Label Studio's webhook brings up."""
    made.api.remove("secrets", NAMESPACE, f"{NAME}-ml-relay")
    made.apply(labelStudio={"register": False})


def rbac(verb: str, resource: str, group: str = "") -> str:
    return f'x is forbidden: User "u" cannot {verb} resource "{resource}" in API group "{group}"'


TOLD: list[tuple[Callable[[Scene], None], str, str, int, str, str, str]] = [
    (replicas, "PATCH", "deployments", 403, rbac("patch", "deployments", "apps"), "MissingPermission", "apps"),
    (replicas, "PATCH", "deployments", 403, "exceeded quota: small", "QuotaExceeded", "raise the quota"),
    (replicas, "PATCH", "deployments", 403, 'violates PodSecurity "restricted"', "AdmissionDenied", "restricted"),
    (replicas, "PATCH", "deployments", 400, 'admission webhook "w" denied it', "AdmissionDenied", "denied"),
    (replicas, "PATCH", "deployments", 422, "spec.selector: field is immutable", "ImmutableField", "delete it"),
    (replicas, "PATCH", "deployments", 422, "spec.x: Invalid value", "InvalidSpec", "Invalid value"),
    (replicas, "PATCH", "deployments", 500, "failed to create typed patch object", "InvalidSpec", "podTemplates"),
    (lost_service, "PATCH", "services", 403, rbac("patch", "services"), "MissingPermission", "patch services (core)"),
    (other_secrets, "PATCH", "secrets", 403, rbac("patch", "secrets"), "MissingPermission", "patch secrets (core)"),
    (Scene.annotate, "POST", "jobs", 403, rbac("create", "jobs", "batch"), "MissingPermission", "create jobs (batch)"),
    (Scene.annotate, "POST", "jobs", 422, "metadata.name: Invalid value", "InvalidSpec", "metadata.name"),
    (
        Scene.annotate,
        "DELETE",
        "jobs",
        403,
        rbac("delete", "jobs", "batch"),
        "MissingPermission",
        "delete jobs (batch)",
    ),
]


async def refused(deed: Callable[[Scene], None], method: str, plural: str, status: int, words: str) -> tuple[Any, str]:
    """The reason of Ready and its message, while it lasts; afterwards all is well again."""
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        served, selected = made.active, list(made.selected)
        refusal = made.api.refuse(method, plural, status, words)
        deed(made)
        await made.until(lambda: made.world.condition("Ready")[0] == "False")
        reason, message = made.world.condition("Ready")[1], made.world.message("Ready")
        tries = len([seen for seen in made.api.requests if (seen.method, seen.plural) == (method, plural)])
        await made.pass_time(60.0)
        again = len([seen for seen in made.api.requests if (seen.method, seen.plural) == (method, plural)])
        assert again - tries <= 12, "it must not hammer"
        assert made.active == served or method == "DELETE"
        assert made.selected[: len(selected)] == selected
        made.api.refusals.remove(refusal)
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), HEALED)
        return reason, message


@pytest.mark.chaos_case("8")
@pytest.mark.parametrize(("deed", "method", "plural", "status", "words", "reason", "told"), TOLD)
def test_a_refusal_that_lasts_is_told_with_its_remedy_and_passes(
    deed: Callable[[Scene], None], method: str, plural: str, status: int, words: str, reason: str, told: str
) -> None:
    found, message = virtually(refused(deed, method, plural, status, words))
    assert found == reason
    assert told in message


@pytest.mark.chaos_case("8")
@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_refusal_that_passes_by_itself_is_tried_less_and_less_often(status: int) -> None:
    async def story() -> tuple[int, int]:
        async with scene() as made:
            await made.start_operator()
            await trained(made)
            refusal = made.api.refuse("PATCH", "deployments", status, "busy")
            made.apply(serving={"replicas": 2})
            counts = []
            for _ in range(2):
                before = len(made.api.requests)
                await made.pass_time(120.0)
                tried = [seen for seen in made.api.requests[before:] if (seen.method, seen.plural) == PATCHED]
                counts.append(len(tried))
            assert made.world.condition("Serving") == ("True", "Available")
            made.api.refusals.remove(refusal)
            await made.until(lambda: {item["spec"]["replicas"] for item in made.api.all("deployments")} == {2}, 90.0)
            return counts[0], counts[1]

    first, second = virtually(story())
    assert 1 <= second < first <= 15


PATCHED = ("PATCH", "deployments")


class Squatter:
    """Takes the name of the first object of a kind that the operator is about to make."""

    def __init__(self, made: Scene, plural: str) -> None:
        self.made, self.plural, self.name = made, plural, ""

    async def answer(
        self, request: web.Request, seen: Seen, carry_out: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        name = seen.name
        if seen.plural == self.plural and request.method == "POST":
            name = json.loads(await request.read())["metadata"]["name"]
        ours = name.startswith(f"{NAME}-ml") and not self.made.api.find(self.plural, NAMESPACE, name)
        if not self.name and seen.plural == self.plural and ours:
            self.name = name
            self.made.api.put(self.plural, {"metadata": {"name": name}, **THEIRS}, NAMESPACE)
        return await carry_out()


CONTAINERS = [{"name": "theirs", "image": "theirs"}]
THEIRS: Json = {"spec": {"theirs": "kept", "template": {"spec": {"containers": CONTAINERS}}}}
KINDS = {"services": "Service", "deployments": "Deployment", "jobs": "Job", "secrets": "Secret"}


async def squatted(plural: str) -> tuple[str, str, Json]:
    async with scene() as made:
        squatter = Squatter(made, plural)
        made.api.put("secrets", OTHER_SECRET, NAMESPACE)
        made.api.interceptor = squatter.answer
        made.jobs_run = plural != "jobs"
        made.apply()
        made.annotate()
        await made.start_operator()
        await made.until(lambda: made.world.condition("Ready") == ("False", "Conflict"))
        told, name = made.world.message("Ready"), squatter.name
        await made.pass_time(120.0)
        theirs = made.api.find(plural, NAMESPACE, name) or {}
        made.api.remove(plural, NAMESPACE, name)
        made.jobs_run = True
        await made.until(lambda: made.active == made.version_to_come(), 180.0)
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), 180.0)
        return told, name, theirs


@pytest.mark.chaos_case("9")
@pytest.mark.parametrize("plural", KINDS)
def test_an_object_of_somebody_else_is_left_alone_told_and_waited_for(plural: str) -> None:
    told, name, theirs = virtually(squatted(plural))
    assert f"{KINDS[plural]} {name}" in told
    assert theirs["spec"].items() >= THEIRS["spec"].items()
    assert not theirs["metadata"].get("ownerReferences")
    assert not theirs["metadata"].get("labels")
