from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fakes.play import answer, play, sample, script

from labelloop.label_studio import (
    AddressBlocked,
    Backend,
    NotFound,
    NotLabelStudio,
    Operation,
    Prelabeling,
    Selection,
    backend,
    backends,
    counters,
    create_backend,
    create_webhook,
    delete_backend,
    delete_webhook,
    import_predictions,
    prelabeling,
    project,
    release,
    remove_predictions,
    selection,
    stored_versions,
    too_old,
    update_backend,
    update_webhook,
    webhooks,
)

PROJECT = {
    **sample("api_project_create_response"),
    "total_annotations_number": 5,
    "skipped_annotations_number": 2,
    "task_number": 20,
}
HTML = b"<!doctype html><html><body>Page not found</body></html>"


def test_project() -> None:
    found, requests = play(project(1), script(answer(PROJECT)))
    assert [(r.method, r.path) for r in requests] == [("GET", "/api/projects/1")]
    assert (found.id, found.title, found.model_version, found.size, found.task_number) == (1, "Proj one", "", 7, 20)
    assert found.created_at == datetime(2026, 11, 22, 5, 35, 20, 938343, UTC)
    assert found.key == "1.1795325720"  # as recorded in /setup
    assert "<Choices" in found.label_config


@pytest.mark.parametrize("broken", [{"id": "1"}, {"label_config": None}, {"created_at": "soon"}, {"task_number": None}])
def test_a_project_without_its_fields_is_not_of_label_studio(broken: dict[str, Any]) -> None:
    with pytest.raises(NotLabelStudio, match=next(iter(broken))):
        play(project(1), script(answer({**PROJECT, **broken})))


def counters_of(id_: int) -> dict[str, Any]:
    return {
        "id": id_,
        "created_at": PROJECT["created_at"],
        "total_annotations_number": id_,
        "skipped_annotations_number": 1,
        "task_number": 9,
    }


def test_counters_of_many_projects_take_a_request_per_hundred() -> None:
    def respond(request: Any) -> Any:
        ids = [int(id_) for id_ in dict(request.query)["ids"].split(",")]
        assert len(ids) <= int(dict(request.query)["page_size"])
        return answer({"results": [counters_of(id_) for id_ in ids if id_ != 3]})

    found, requests = play(counters([*range(1, 151), 5]), respond)
    assert len(requests) == 2
    assert found.keys() == {*range(1, 151)} - {3}
    assert (found[7].total, found[7].skipped, found[7].size, found[7].tasks) == (7, 1, 8, 9)


RECORDED = "1.23.2"


@pytest.mark.parametrize(
    ("body", "said"), [({"release": RECORDED}, RECORDED), ({}, ""), ({"release": "<b>1</b>"}, ""), ([], "")]
)
def test_the_release_is_what_the_server_says_it_is(body: Any, said: str) -> None:
    assert play(release(), script(answer(body)))[0] == said


def test_releases_before_the_oldest_supported_one_are_too_old() -> None:
    assert [said for said in ("1.10.1", "1.13.0", "1.13.1", "1.13.1.post0", "1.9", "2.0.0", "") if too_old(said)] == [
        "1.10.1",
        "1.13.0",
        "1.9",
    ]


def selected_of(**fields: Any) -> Any:
    return play(selection(play(project(1), script(answer({**PROJECT, **fields})))[0]), script(answer({"v1": 2})))


def test_only_a_version_that_is_not_ours_is_looked_for_among_the_stored_predictions() -> None:
    for version in ("", "model-0123456789ab", "cold-0123456789ab"):
        assert selected_of(model_version=version) == (Selection(version), [])
    found, (request,) = selected_of(model_version="v1")
    assert (found, request.path) == (Selection("v1", stored=True), "/api/projects/1/model-versions")
    assert selected_of(model_version="gone")[0].stored is False


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (Selection("title"), Prelabeling.LIVE),
        (Selection(""), Prelabeling.UNSELECTED),
        (Selection("model-0123456789ab", stored=True), Prelabeling.UNSELECTED),
        (Selection("gone"), Prelabeling.UNSELECTED),
        (Selection("imported", stored=True), Prelabeling.OTHER),
        (Selection("other"), Prelabeling.OTHER),
        (Selection("title", enabled=False), Prelabeling.OFF),
    ],
)
def test_what_annotators_get(found: Selection, wanted: Prelabeling) -> None:
    assert prelabeling(found, "title", ["other"]) is wanted


def test_no_ids_no_request() -> None:
    assert play(counters([]), script()) == ({}, [])


def test_webhooks_keep_their_secret_out_of_representations() -> None:
    found, requests = play(webhooks(1), script(answer([sample("api_webhooks_create_response")])))
    assert requests[0].query == (("project", "1"),)
    assert found[0].actions == ("ANNOTATIONS_DELETED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED")
    assert found[0].headers["Authorization"] == "Bearer xyz"
    assert (found[0].is_active, found[0].send_payload, found[0].send_for_all_actions) == (True, False, False)
    assert "xyz" not in repr(found)


@pytest.mark.parametrize("actions", [True, 5, {"A": 1}, None, [1, None]])
def test_actions_of_a_webhook_that_are_none_are_none(actions: object) -> None:
    odd = {**sample("api_webhooks_create_response"), "actions": actions}
    assert play(webhooks(1), script(answer([odd])))[0][0].actions == ()


@pytest.mark.parametrize("update", [False, True])
def test_a_webhook_is_always_written_with_its_actions(update: bool) -> None:
    actions, headers = ["ANNOTATION_UPDATED", "ANNOTATION_CREATED"], {"Authorization": "Bearer s"}
    operation = (
        update_webhook(26, "http://u", actions, headers) if update else create_webhook(1, "http://u", actions, headers)
    )
    _, (request,) = play(operation, script(answer(sample("api_webhooks_create_response"), 201)))
    assert (request.method, request.path) == (("PATCH", "/api/webhooks/26/") if update else ("POST", "/api/webhooks/"))
    assert isinstance(request.json, dict)
    assert request.json["actions"] == ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"]
    assert request.json["headers"] == headers
    assert (request.json["send_payload"], request.json["send_for_all_actions"], request.json["is_active"]) == (
        True,
        False,
        True,
    )
    assert ("project" in request.json) is not update


BACKEND = sample("api_ml_create_response")


def test_backends() -> None:
    found, requests = play(backends(1), script(answer([{**BACKEND, "id": 9}, BACKEND])))
    assert requests[0].timeout >= 60  # Label Studio asks every backend before it answers
    assert [item.id for item in found] == [4, 9]
    assert (found[0].state, found[0].title, found[0].model_version, found[0].url) == (
        "CO",
        "rec",
        "v1",
        "http://127.0.0.1:9090",
    )


@pytest.mark.parametrize("basic_auth", [None, ("user", "secret")])
@pytest.mark.parametrize("update", [False, True])
def test_a_backend_is_always_written_with_url_project_and_credentials(
    update: bool, basic_auth: tuple[str, str] | None
) -> None:
    mark = {"labelloop": {"uid": "1"}}
    operation: Operation[Backend] = (
        update_backend(4, 1, "http://u", "v2", extra_params=mark, basic_auth=basic_auth)
        if update
        else create_backend(1, "http://u", "v2", extra_params=mark, basic_auth=basic_auth)
    )
    _, (request,) = play(operation, script(answer(BACKEND, 200 if update else 201)))
    assert (request.method, request.path) == (("PATCH", "/api/ml/4") if update else ("POST", "/api/ml"))
    expected = {"project": 1, "url": "http://u", "title": "v2", "extra_params": mark}
    if basic_auth:
        expected |= {"auth_method": "BASIC_AUTH", "basic_auth_user": "user", "basic_auth_pass": "secret"}
    else:  # an empty password would mean "the one stored", which Label Studio refuses when there is none
        expected |= {"auth_method": "NONE", "basic_auth_user": ""}
    assert request.json == expected


def test_the_mark_is_kept_when_none_is_given() -> None:
    _, (request,) = play(update_backend(4, 1, "http://u", "v2"), script(answer(BACKEND)))
    assert isinstance(request.json, dict)
    assert "extra_params" not in request.json


@pytest.mark.parametrize("operation", [create_backend(1, "http://u", "v"), create_webhook(1, "http://u", [], {})])
def test_the_ssrf_guard_is_told_with_its_remedy(operation: Operation[object]) -> None:
    blocked = answer({"detail": "URL resolves to a reserved network address (block: 10.0.0.0/8)"}, 403)
    with pytest.raises(AddressBlocked, match=r"http://u.*10\.0\.0\.0/8.*SSRF_PROTECTION_ENABLED=false"):
        play(operation, script(blocked))


def test_deleting_what_is_gone_is_no_error() -> None:
    not_found = answer({"detail": "Not found."}, 404)
    assert play(delete_webhook(1), script(answer(b"", 204)))[0] is True
    assert play(delete_webhook(1), script(not_found))[0] is False
    for delete in (delete_webhook, delete_backend):
        with pytest.raises(NotLabelStudio):  # a proxy's page to log in at: nothing was deleted
            play(delete(1), script(answer(b"<html>log in</html>", 200)))
    assert play(delete_backend(1), script(answer(b"", 204)))[0] is True
    assert play(delete_backend(1), script(not_found))[0] is False


def test_a_missing_backend_is_told_from_a_missing_label_studio() -> None:
    """Label Studio 1.23.2 answers /api/ml/<unknown> with its HTML page, as any web server would."""
    missing, alive = answer(HTML, 404), answer({"results": []})
    assert play(delete_backend(99), script(missing, alive))[0] is False
    with pytest.raises(NotFound, match="no ML backend 99"):
        play(backend(99), script(missing, alive))
    with pytest.raises(NotFound, match="no ML backend 99"):
        play(update_backend(99, 1, "http://u", "v"), script(missing, alive))
    with pytest.raises(NotLabelStudio):
        play(delete_backend(99), script(missing, missing))


def test_predictions_are_sent_in_parts_and_what_was_kept_is_counted() -> None:
    predictions = [{"task": number, "model_version": "v", "score": 0.5, "result": []} for number in range(4500)]
    parts: list[int] = []

    def respond(request: Any) -> Any:
        parts.append(len(request.json))
        return answer({"created": len(request.json) - 1}, 201)

    created, _ = play(import_predictions(7, predictions), respond)
    assert (sum(parts), created) == (4500, 4500 - len(parts))
    assert len(parts) > 1


def test_no_predictions_no_request() -> None:
    assert play(import_predictions(7, []), script()) == (0, [])


def project_showing(version: str) -> Any:
    return {**sample("api_project_create_response"), "model_version": version, **COUNTED}


COUNTED = {"total_annotations_number": 3, "skipped_annotations_number": 1, "task_number": 9}


def removal(before: str, after: str, *rest: Any) -> list[tuple[str, Any]]:
    """What `remove_predictions` asks of a project that shows `before`, and `after` once a version is removed."""
    answers = (answer(project_showing(before)), answer({"deleted_predictions": 4}), answer(project_showing(after)))
    removed, requests = play(remove_predictions(7, "model-0123456789ab"), script(*answers, *rest))
    assert removed == 4
    return [(request.method, request.json) for request in requests if request.method != "GET"]


def test_removing_a_version_selects_again_what_label_studio_cleared() -> None:
    gone = ("DELETE", {"model_version": "model-0123456789ab"})
    again = ("PATCH", {"model_version": "live"})
    assert removal("live", "live") == [gone]
    assert removal("live", "", answer(project_showing("live"))) == [gone, again]
    assert removal("", "") == [gone]
    assert removal("model-0123456789ab", "") == [gone]


def test_a_title_that_is_gone_meanwhile_is_left_to_registration() -> None:
    refusal = answer({"validation_errors": {"model_version": ["Model version doesn't exist"]}}, 400)
    assert removal("live", "", refusal)[-1] == ("PATCH", {"model_version": "live"})


def test_stored_versions_without_a_name_are_left_out() -> None:
    moment = "2026-11-22T06:00:00.000000Z"
    static = [{"model_version": name, "count": 2, "latest": moment} for name in ("v1", "", None)]
    found, _ = play(stored_versions(7), script(answer({"static": static, "live": None})))
    assert [(version.name, version.count) for version in found] == [("v1", 2)]
