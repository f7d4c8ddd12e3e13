"""Names: lengths, stability, and the forms other parts rely on."""

from labelloop_operator.api import names

LONGEST = "a" * names.NAME_MAX_LENGTH


def test_the_longest_name_still_fits_every_object_and_label() -> None:
    for found in (
        names.job_name(LONGEST, {}),
        names.deployment_name(LONGEST, "model-1"),
        names.relay_secret_name(LONGEST),
        names.service_name(LONGEST),
    ):
        assert len(found) <= 63
    assert len(names.job_name(LONGEST, {})) == 63


def test_names_are_the_agreed_ones() -> None:
    assert names.service_name("intents") == "intents-ml"
    assert names.relay_secret_name("intents") == "intents-ml-relay"
    assert names.deployment_name("intents", "model-0f3a") == "intents-ml-" + names.revision("model-0f3a")
    assert names.service_url("intents", "team-a", "cluster.local") == "http://intents-ml.team-a.svc.cluster.local:9090"


def test_hashes_are_those_of_the_interfaces() -> None:
    assert names.cold_version("labelloop/backend:dev") == "cold-a9e61103a359"
    assert names.revision("model-1") == "4f93e5df"
    assert names.is_cold(names.cold_version("x"))
    assert not names.is_cold("model-1")


def test_a_jobs_name_depends_on_every_input_but_not_on_their_order() -> None:
    one = names.job_name("intents", {"a": 1, "b": 2})
    assert one == names.job_name("intents", {"b": 2, "a": 1})
    assert one != names.job_name("intents", {"a": 1, "b": 3})
