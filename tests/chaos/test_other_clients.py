"""Other clients change what routes traffic or never stop, are webhooks, restart pods, or clear the owners of fields."""

from collections.abc import Callable

import pytest
from tests.chaos.plans import trained
from tests.fakes.kubernetes import Object
from tests.fakes.scene import NAME, NAMESPACE, Json, Scene, scene
from tests.fakes.virtual_network import virtually

from labelloop_operator.controller.repair_backoff import AT_ONCE, FIRST_PAUSE, WINDOW

CLIENT = "kubectl-patch"
SERVICE = ("services", NAMESPACE, f"{NAME}-ml")
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
Change = Callable[[Object], None]


def edited(made: Scene, place: tuple[str, str, str], change: Change) -> Json:
    """The object after the other client changed it and the operator had some seconds."""
    made.api.patch(*place, change, CLIENT)
    return made.api.find(*place) or {}


def deployment(made: Scene) -> tuple[str, str, str]:
    (item,) = made.api.all("deployments")
    return ("deployments", NAMESPACE, item["metadata"]["name"])


ROUTING: dict[str, Change] = {
    "extra selector key": lambda live: live["spec"]["selector"].update(zone="b"),
    "port number": lambda live: live["spec"]["ports"][0].update(port=9999),
    "targetPort": lambda live: live["spec"]["ports"][0].update(targetPort=1),
    "second port": lambda live: live["spec"]["ports"].append({"name": "other", "port": 1}),
    "node port": lambda live: live["spec"].update(type="NodePort"),
    "no traffic from elsewhere": lambda live: live["spec"].update(
        internalTrafficPolicy="Local", externalIPs=["1.2.3.4"]
    ),
    "no selector": lambda live: live["spec"].pop("selector"),
    "another proxy": lambda live: live["metadata"]["labels"].update({"service.kubernetes.io/service-proxy-name": "x"}),
    "another name": lambda live: live["spec"].update(type="ExternalName", externalName="example.org"),
}


async def rerouted(change: Change) -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        before, writes = made.children(), len(made.api.writes())
        edited(made, SERVICE, change)
        await made.settle()
        assert made.children() == before
        assert made.world.condition("Ready") == ("True", "Ready")
        assert [seen.method for seen in made.api.writes()[writes:] if seen.plural == "services"] == ["PATCH"]
        (told,) = [item["note"] for item in made.api.all("events") if item["reason"] == "ChildRestored"]
        assert told.startswith(f"Service {NAME}-ml: ")


@pytest.mark.chaos_case("9")
@pytest.mark.parametrize("change", ROUTING.values(), ids=list(ROUTING))
def test_what_routes_traffic_is_restored_in_one_write(change: Change) -> None:
    virtually(rerouted(change))


async def headless() -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        before = made.children()
        edited(made, SERVICE, lambda live: live["spec"].update(type="ExternalName", externalName="example.org"))
        edited(made, SERVICE, lambda live: live["spec"].update(type="ClusterIP", clusterIP="None", externalName=""))
        await made.until(lambda: made.world.condition("Ready") == ("False", "ImmutableField"))
        assert f"Service {NAME}-ml" in made.world.message("Ready")
        assert "spec.clusterIP" in made.world.message("Ready")
        made.api.remove(*SERVICE)
        await made.settle()
        assert made.children() == before
        assert made.world.condition("Ready") == ("True", "Ready")


@pytest.mark.chaos_case("9")
def test_a_headless_service_is_reported_with_its_remedy() -> None:
    virtually(headless())


async def disputed() -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        before, repairs = made.children(), 0
        for _ in range(int(WINDOW)):
            selector = made.api.find(*SERVICE)["spec"]["selector"]  # type: ignore[index]
            if "zone" not in selector:
                repairs += 1
                edited(made, SERVICE, ROUTING["extra selector key"])
            await made.pass_time(1.0)
        assert AT_ONCE < repairs <= AT_ONCE + 7, "the pauses double"
        assert made.world.condition("Ready") == ("False", "ChildDisputed")
        assert f"Service {NAME}-ml spec.selector.zone (manager {CLIENT})" in made.world.message("Ready")
        assert made.world.condition("Serving") == ("False", "ServiceUnreachable"), "the key selects no pod"
        await made.pass_time(2 * WINDOW)
        assert made.children() == before
        assert made.world.condition("Ready") == ("True", "Ready")


@pytest.mark.chaos_case("9")
def test_what_another_client_keeps_changing_is_restored_less_and_less_often_and_reported() -> None:
    virtually(disputed())


async def injected() -> None:
    async with scene() as made:

        def inject(plural: str, item: Object) -> None:
            if plural == "deployments":
                item["spec"]["template"]["metadata"].setdefault("annotations", {})["mesh"] = "injected"
                item["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/image"

        made.api.webhook = inject
        await made.start_operator()
        await trained(made)
        await made.pass_time(FIRST_PAUSE)
        generation = made.api.find(*deployment(made))["metadata"]["generation"]  # type: ignore[index]
        made.api.patch(*deployment(made), lambda live: live["spec"].update(minReadySeconds=5), CLIENT)
        await made.settle()
        live = made.api.find(*deployment(made)) or {}
        assert "minReadySeconds" not in live["spec"]
        assert live["metadata"]["generation"] == generation + 2
        assert live["spec"]["template"]["metadata"]["annotations"]["mesh"] == "injected"
        assert made.world.condition("Ready") == ("True", "Ready")


@pytest.mark.chaos_case("9")
def test_a_mutating_webhook_is_not_fought() -> None:
    virtually(injected())


async def restarted() -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        place = deployment(made)
        made.api.patch(
            *place,
            lambda live: live["spec"]["template"]["metadata"]["annotations"].update({RESTARTED_AT: "now"}),
            CLIENT,
        )
        generation = made.api.find(*place)["metadata"]["generation"]  # type: ignore[index]
        await made.settle()
        assert made.api.find(*place)["metadata"]["generation"] == generation, "the pods are replaced once"  # type: ignore[index]
        made.api.patch(*place, lambda live: live["spec"].update(paused=True), CLIENT)
        await made.settle()
        live = made.api.find(*place) or {}
        assert "paused" not in live["spec"]
        assert live["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT] == "now"


@pytest.mark.chaos_case("9")
def test_a_rollout_restart_replaces_pods_once() -> None:
    virtually(restarted())


async def owners_cleared() -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        before, place = made.children(), deployment(made)
        made.api.patch(
            *place, lambda live: (live["metadata"].update(managedFields=[{}]), live["spec"].update(paused=True)), CLIENT
        )
        await made.settle()
        assert made.children() == before


@pytest.mark.chaos_case("9")
def test_what_was_added_while_owners_were_cleared_is_removed() -> None:
    virtually(owners_cleared())
