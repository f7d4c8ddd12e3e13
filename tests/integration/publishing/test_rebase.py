"""The three containers of a rebase against a real registry: the same model layer on another base image."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.publishing.images import OCI, push_image
from tests.integration.publishing.jobs import VERSION, finished_training
from tests.support.registry import image_labels, image_manifest
from tests.support.serving_models import train

from labelloop.prediction.golden import GOLDEN_FILE, write_golden
from labelloop.prediction.predictor import Predictor
from labelloop.publishing import publish, rebase, restore, verify
from labelloop.publishing.image_labels import read_result
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository

JOB = "intents-ml-base-0123456789"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The working folder of a Job that trained a real model."""
    work = finished_training(tmp_path / "work")
    model = work / "out" / "model"
    shutil.rmtree(model)
    write_golden(model, Predictor(VERSION, train(model, version=VERSION)))
    return work


@pytest.fixture
def published(environment: Callable[[], dict[str, object]]) -> str:
    """The image that serves."""
    assert publish.main() == 0
    return str(environment()["image"])


@pytest.fixture
def new_base(repository: Reference) -> Reference:
    """Another base image, in the other format."""
    base = repository.below("base").with_tag("2")
    with Repository(base, plain_http=True) as remote:
        push_image(remote, "2", OCI, "arm64")
    return base


@pytest.fixture
def pod(published: str, new_base: Reference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a rebase pod, its model restored; the working folder."""
    work = tmp_path / "rebase"
    work.mkdir()
    variables = {
        "LABELLOOP_WORK_DIR": str(work),
        "LABELLOOP_BASE_IMAGE": str(new_base),
        "LABELLOOP_ACTIVE_IMAGE": published,
        "LABELLOOP_JOB": JOB,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert restore.main() == 0
    return work


def test_the_same_layer_stands_on_the_new_base(
    pod: Path, published: str, new_base: Reference, environment: Callable[[], dict[str, object]], repository: Reference
) -> None:
    assert verify.main() == 0
    assert rebase.main() == 0

    told = environment()
    assert (told["outcome"], told["version"]) == ("Rebased", VERSION)
    assert "golden predictions are the same" in str(told["message"])
    image = str(told["image"])
    assert image != published
    old, new = image_manifest(published), image_manifest(image)
    assert new["layers"][-1]["digest"] == old["layers"][-1]["digest"]
    assert [item["digest"] for item in new["layers"][:-1]] == [
        item["digest"] for item in image_manifest(str(new_base))["layers"]
    ]
    before, after = image_labels(published), image_labels(image)
    kept = {name: value for name, value in before.items() if name.startswith("labelloop.dev/")}
    assert kept == {name: value for name, value in after.items() if name.startswith("labelloop.dev/")}
    assert after["org.opencontainers.image.base.name"] == str(new_base)
    with Repository(repository, plain_http=True) as remote:
        assert {remote.manifest(tag).digest for tag in (VERSION, JOB)} == {Reference.parse(image).digest}


def test_it_gives_the_same_digest_again_and_back_on_the_old_base_the_first_one(
    pod: Path,
    published: str,
    base_image: Reference,
    environment: Callable[[], dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verify.main()
    rebase.main()
    image = str(environment()["image"])
    rebase.main()
    assert environment()["image"] == image

    monkeypatch.setenv("LABELLOOP_ACTIVE_IMAGE", image)
    monkeypatch.setenv("LABELLOOP_BASE_IMAGE", str(base_image))
    rebase.main()
    assert environment()["image"] == published


def test_a_lost_pods_image_tells_the_version(pod: Path, repository: Reference) -> None:
    verify.main()
    rebase.main()
    found = read_result(str(repository), JOB, plain_http=True)
    assert found is not None
    assert found.version == VERSION


def test_other_answers_need_a_training_and_push_nothing(
    pod: Path, environment: Callable[[], dict[str, object]], repository: Reference
) -> None:
    golden = pod / "restored" / "model" / GOLDEN_FILE
    document = json.loads(golden.read_text())
    document["answers"][0][0]["score"] += 0.001
    golden.write_text(json.dumps(document))

    assert verify.main() == 0
    assert rebase.main() == 0

    told = environment()
    assert (told["outcome"], told["reason"]) == ("NeedsTraining", "RebaseNeedsTraining")
    assert "golden prediction 1" in str(told["message"])
    assert read_result(str(repository), JOB, plain_http=True) is None


def test_a_model_that_does_not_load_there_needs_a_training(pod: Path) -> None:
    (pod / "restored" / "model" / "arrays.npz").write_bytes(b"damaged")
    assert verify.judge(pod / "restored" / "model").reason == "RebaseNeedsTraining"


def test_a_model_without_golden_predictions_is_put_there_when_it_answers(pod: Path) -> None:
    (pod / "restored" / "model" / GOLDEN_FILE).unlink()
    result = verify.judge(pod / "restored" / "model")
    assert (result.outcome, result.version) == ("Rebased", VERSION)
    assert "no golden predictions" in result.message


def test_an_image_that_is_gone_needs_a_training(
    pod: Path, published: str, monkeypatch: pytest.MonkeyPatch, environment: Callable[[], dict[str, object]]
) -> None:
    monkeypatch.setenv("LABELLOOP_ACTIVE_IMAGE", f"{published.partition('@')[0]}@sha256:{'0' * 64}")
    assert restore.main() == 0
    assert verify.main() == 0
    assert rebase.main() == 0
    assert environment()["reason"] == "RebaseNeedsTraining"
    assert "no longer in the registry" in str(environment()["message"])


def test_an_unknown_base_image_is_named(
    pod: Path, monkeypatch: pytest.MonkeyPatch, environment: Callable[[], dict[str, object]], repository: Reference
) -> None:
    verify.main()
    monkeypatch.setenv("LABELLOOP_BASE_IMAGE", f"{repository}/base:none")
    assert rebase.main() == 1
    assert environment()["reason"] == "BaseImageNotFound"
