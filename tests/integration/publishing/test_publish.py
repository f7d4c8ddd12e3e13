"""The container `publish` against a real registry."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.publishing.jobs import VERSION, finished_training, snapshot
from tests.support.ports import closed_port
from tests.support.registry import image_labels, image_manifest

from labelloop.publishing import publish
from labelloop.publishing.image_labels import read_result
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.training.result import Result, ResultError

Message = Callable[[], dict[str, object]]


def test_image_and_snapshot_are_pushed_and_told_by_digest(environment: Message, repository: Reference, trained: Path):
    assert publish.main() == 0

    message = environment()
    image, snapshot_name = Reference.parse(str(message["image"])), Reference.parse(str(message["snapshot"]))
    assert message["outcome"] == "Trained"
    assert image.repository == str(repository)
    assert snapshot_name.repository == f"{repository}/snapshot"
    labels = image_labels(str(image))
    assert labels["labelloop.dev/model-version"] == VERSION
    assert labels["labelloop.dev/dataset-digest"] == snapshot().digest
    assert labels["labelloop.dev/snapshot"] == str(snapshot_name)
    assert Result.from_json(labels["labelloop.dev/result"]).metrics == {"accuracy": 0.71}
    assert labels["kept"] == "yes"
    with Repository(snapshot_name, plain_http=True) as remote:
        layer = remote.manifest(snapshot_name.version).document()["layers"][0]
        assert layer["mediaType"] == "application/vnd.labelloop.snapshot.v1.jsonl+gzip"
        assert remote.blob(layer["digest"]) == (trained / "out" / "snapshot.jsonl.gz").read_bytes()


def test_the_image_is_tagged_with_its_version_and_the_name_of_the_job(environment: Message, repository: Reference):
    publish.main()

    digest = Reference.parse(str(environment()["image"])).digest
    with Repository(repository, plain_http=True) as remote:
        assert {remote.manifest(tag).digest for tag in (VERSION, "intents-ml-train-0123456789")} == {digest}


def test_publishing_again_gives_the_same_digests_even_when_it_took_another_time(environment: Message, trained: Path):
    publish.main()
    first = environment()
    result = json.loads((trained / "out" / "result.json").read_text())
    (trained / "out" / "result.json").write_text(json.dumps({**result, "seconds": {"fit": 9.9}}))
    for file in (trained / "out" / "model").iterdir():
        file.touch()

    publish.main()

    assert (environment()["image"], environment()["snapshot"]) == (first["image"], first["snapshot"])


def test_a_lost_pods_result_is_read_from_the_image(environment: Message, repository: Reference, base_image: Reference):
    publish.main()
    message = environment()

    found = read_result(str(repository), "intents-ml-train-0123456789", plain_http=True)

    assert found is not None
    expected = {key: value for key, value in message.items() if key != "seconds"}
    assert json.loads(found.to_json()) == {**expected, "base_image": str(base_image)}


def test_a_job_that_pushed_nothing_has_no_result(repository: Reference, base_image: Reference):
    assert read_result(str(repository), "intents-ml-train-0123456789", plain_http=True) is None


def test_an_image_of_somebody_else_is_no_result(base_image: Reference):
    with pytest.raises(ResultError, match=r"no label labelloop\.dev/result"):
        read_result(base_image.repository, "1", plain_http=True)


def test_a_users_outcome_pushes_nothing_and_is_repeated(
    environment: Message, tmp_path: Path, repository: Reference, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LABELLOOP_WORK_DIR", str(finished_training(tmp_path / "few", outcome="NotEnoughData")))

    assert publish.main() == 0

    message = environment()
    assert (message["outcome"], message["reason"]) == ("NotEnoughData", "TooFewLabels")
    assert "image" not in message
    assert read_result(str(repository), "intents-ml-train-0123456789", plain_http=True) is None


def test_without_a_model_the_snapshot_is_pushed_so_that_deleted_texts_leave_it(
    environment: Message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LABELLOOP_WORK_DIR", str(finished_training(tmp_path / "few", outcome="NotEnoughData")))

    publish.main()

    name = Reference.parse(str(environment()["snapshot"]))
    with Repository(name, plain_http=True) as remote:
        assert remote.manifest("intents-ml-train-0123456789").digest == name.digest


def test_a_training_that_keeps_no_snapshot_publishes_the_image_alone(
    environment: Message, trained: Path, repository: Reference
):
    (trained / "out" / "snapshot.jsonl.gz").unlink()

    assert publish.main() == 0

    message = environment()
    assert "snapshot" not in message
    assert "labelloop.dev/snapshot" not in image_labels(str(message["image"]))
    found = read_result(str(repository), "intents-ml-train-0123456789", plain_http=True)
    assert found is not None
    assert (found.image, found.snapshot) == (message["image"], None)


def test_the_snapshot_comes_first(environment: Message, monkeypatch: pytest.MonkeyPatch, repository: Reference):
    """Without a base image there is no image, but the snapshot that one would have named is there."""
    monkeypatch.setenv("LABELLOOP_BASE_IMAGE", f"{repository}/base:none")

    assert publish.main() == 1

    with Repository(repository.below("snapshot"), plain_http=True) as remote:
        assert remote.manifest(VERSION).document()["artifactType"] == "application/vnd.labelloop.snapshot.v1.jsonl+gzip"


def test_an_unknown_base_image_is_named(environment: Message, monkeypatch: pytest.MonkeyPatch, repository: Reference):
    monkeypatch.setenv("LABELLOOP_BASE_IMAGE", f"{repository}/base:none")

    assert publish.main() == 1

    message = environment()
    assert (message["outcome"], message["reason"]) == ("Failed", "BaseImageNotFound")
    assert f"{repository}/base:none" in str(message["message"])
    assert "spec.image" in str(message["message"])


def test_a_snapshot_is_no_base_image(environment: Message, monkeypatch: pytest.MonkeyPatch, repository: Reference):
    publish.main()
    monkeypatch.setenv("LABELLOOP_BASE_IMAGE", f"{repository}/snapshot:{VERSION}")

    assert publish.main() == 1

    assert environment()["reason"] == "BaseImageNotFound"


def test_an_unreachable_registry_is_named(environment: Message, monkeypatch: pytest.MonkeyPatch):
    with closed_port() as port:
        address = f"127.0.0.1:{port}"
        monkeypatch.setenv("LABELLOOP_REPOSITORY", f"{address}/team/intents")

        assert publish.main() == 1

    message = environment()
    assert message["reason"] == "RegistryUnreachable"
    assert f"http://{address}" in str(message["message"])
    assert "Connection refused" in str(message["message"])


def test_tls_to_a_registry_without_it_tells_the_remedy(environment: Message, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LABELLOOP_REGISTRY_PLAIN_HTTP", "false")

    assert publish.main() == 1

    message = environment()
    assert message["reason"] == "RegistryUnreachable"
    assert "registry.plainHTTP: true" in str(message["message"])


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("LABELLOOP_REPOSITORY", "Registry/UPPER", "LABELLOOP_REPOSITORY"),
        ("LABELLOOP_REPOSITORY", "", "LABELLOOP_REPOSITORY is not set"),
        ("LABELLOOP_REPOSITORY", "host:5000/team:tag", "leave tag and digest out"),
        ("LABELLOOP_BASE_IMAGE", "host:5000/team@sha256:12", "LABELLOOP_BASE_IMAGE"),
        ("LABELLOOP_JOB", "no spaces", "LABELLOOP_JOB"),
        ("LABELLOOP_REGISTRY_PLAIN_HTTP", "maybe", "'maybe'"),
        ("LABELLOOP_REGISTRY_CONFIG", "/nowhere/config.json", "/nowhere/config.json"),
    ],
)
def test_a_wrong_setting_is_named(
    environment: Message, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
):
    monkeypatch.setenv(variable, value)

    assert publish.main() == 1

    message = environment()
    assert (message["outcome"], message["reason"]) == ("Failed", "Unknown")
    assert told in str(message["message"])


def test_a_training_that_left_no_model_is_told(environment: Message, trained: Path):
    shutil.rmtree(trained / "out" / "model")

    assert publish.main() == 1

    assert environment()["reason"] == "ModelFailed"
    assert "model.json" in str(environment()["message"])


def test_a_training_that_left_no_result_is_told(environment: Message, trained: Path):
    (trained / "out" / "result.json").unlink()

    assert publish.main() == 1

    assert "result.json" in str(environment()["message"])


def test_the_model_files_are_the_last_layer(environment: Message, base_image: Reference):
    publish.main()

    manifest = image_manifest(str(environment()["image"]))
    base = image_manifest(str(base_image))
    assert manifest["layers"][:-1] == base["layers"]
    assert len(manifest["layers"]) == len(base["layers"]) + 1
