"""`labelloop publish` as a user runs it, against real registries."""

import json
import shutil
import stat
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from tests.integration.publishing.images import push_image
from tests.support.command_line import Done, run
from tests.support.docker_registry import Registry
from tests.support.ports import closed_port
from tests.support.registry import image_labels, image_manifest
from tests.support.serving_models import TRAINED_VERSION, train
from tests.support.tables import TABLE

from labelloop.models import load_model
from labelloop.publishing.credentials import DockerConfig, parse_docker_config
from labelloop.publishing.model_image import pull_model
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "model"
    train(folder)
    return folder


def publish(home: Path, *arguments: object, **variables: str) -> Done:
    return run("publish", *arguments, "--json", variables={"HOME": str(home), **variables})


def told(done: Done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_model_folder_becomes_the_last_layer_of_an_image(
    model: Path, base_image: Reference, repository: Reference, tmp_path: Path
):
    done = publish(tmp_path, "--model", model, "--to", repository, "--base", base_image, "--plain-http")

    document = told(done)
    assert document["image"] == f"{repository}@{document['digest']}"
    assert document["version"] == TRAINED_VERSION
    assert document["tags"] == [TRAINED_VERSION]
    layers = image_manifest(document["image"])["layers"]
    assert layers[:-1] == image_manifest(str(base_image))["layers"]
    assert image_labels(document["image"])["labelloop.dev/model-version"] == TRAINED_VERSION
    image = Reference.parse(document["image"])
    with Repository(image, plain_http=True) as remote:
        pull_model(remote, image, tmp_path / "pulled")
    assert load_model(tmp_path / "pulled").version == TRAINED_VERSION


def test_a_tag_of_the_users_own_names_the_same_image(
    model: Path, base_image: Reference, repository: Reference, tmp_path: Path
):
    to = f"{repository}:best"
    document = told(publish(tmp_path, "--model", model, "--to", to, "--base", base_image, "--plain-http"))
    assert document["tags"] == [TRAINED_VERSION, "best"]
    assert image_manifest(to) == image_manifest(document["image"])


def test_what_train_wrote_beside_the_model_stands_in_the_labels_and_not_in_the_layer(
    base_image: Reference, repository: Reference, tmp_path: Path
):
    data = tmp_path / "data.csv"
    data.write_text(TABLE)
    images = []
    for attempt in ("one", "two"):  # each takes its own time
        out = tmp_path / attempt
        assert run("train", "--data", data, "--out", out).returncode == 0
        done = publish(tmp_path, "--model", out, "--to", repository, "--base", base_image, "--plain-http")
        images.append(told(done)["image"])
        assert json.loads(image_labels(images[-1])["labelloop.dev/result"])["counts"]["used"] == 24
    assert images[0] == images[1]
    with Repository(repository, plain_http=True) as remote:
        layer = remote.blob(image_manifest(images[0])["layers"][-1]["digest"])
    with tarfile.open(fileobj=BytesIO(layer)) as archive:
        names = archive.getnames()
    assert "opt/labelloop/model/model.json" in names
    assert not any(name.endswith("result.json") for name in names)


def test_docker_login_is_enough_and_the_password_is_never_told(secured_registry: Registry, model: Path, tmp_path: Path):
    base = Reference.parse(f"{secured_registry.host}/tests/login/base:1")
    credentials: DockerConfig = parse_docker_config(secured_registry.docker_config())
    with Repository(base, config=credentials, certificates=secured_registry.certificates) as remote:
        push_image(remote, "1")
    arguments = ("--model", model, "--to", base.repository, "--base", base, "--ca-file", secured_registry.certificates)
    refused = publish(tmp_path, *arguments)
    assert refused.returncode == 1
    assert "RegistryUnauthorized" in refused.stderr
    assert "--registry-config" in refused.stderr
    config = tmp_path / ".docker/config.json"
    config.parent.mkdir()
    config.write_bytes(secured_registry.docker_config())
    config.chmod(stat.S_IRUSR)
    done = publish(tmp_path, *arguments)
    assert told(done)["version"] == TRAINED_VERSION
    assert "secret" not in done.stdout + done.stderr


def test_settings_may_come_from_the_environment(
    model: Path, base_image: Reference, repository: Reference, tmp_path: Path
):
    variables = {"LABELLOOP_BASE_IMAGE": str(base_image), "LABELLOOP_REGISTRY_PLAIN_HTTP": "true"}
    assert told(publish(tmp_path, "--model", model, "--to", repository, **variables))["base"] == str(base_image)


@pytest.mark.parametrize(
    ("changed", "code", "expected"),
    [
        ({"--model": "{tmp}/none"}, 2, "--model cannot be used"),
        ({"--to": "UPPER/case"}, 2, "--to: "),
        ({"--to": "{repository}:no spaces"}, 2, "--to: "),
        ({"--to": "{repository}@sha256:" + 64 * "0"}, 2, "leave the digest out"),
        ({"--base": None}, 2, "publish needs"),
        ({"--base": "{repository}/none:1"}, 1, "set --base to one that exists"),
        ({"--registry-config": "/nowhere/config.json"}, 2, "--registry-config is '/nowhere/config.json'"),
        ({"--plain-http": None}, 1, "--plain-http"),
    ],
)
def test_what_cannot_be_done_is_one_line_in_the_words_of_the_command(
    model: Path, base_image: Reference, repository: Reference, tmp_path: Path, changed: dict, code: int, expected: str
):
    options: dict[str, object] = {"--model": model, "--to": repository, "--base": base_image, "--plain-http": ""}
    options.update(changed)
    arguments = [
        str(part).format(tmp=tmp_path, repository=repository)
        for name, value in options.items()
        if value is not None
        for part in (name, value)
        if part != ""
    ]
    done = publish(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert "spec." not in done.stderr


def test_nobody_at_the_registry(model: Path, tmp_path: Path):
    with closed_port() as port:
        to = f"127.0.0.1:{port}/team/intents"
        done = publish(tmp_path, "--model", model, "--to", to, "--base", f"{to}/base:1", "--plain-http")
    assert done.returncode == 1
    assert done.stderr.startswith("labelloop: RegistryUnreachable: ")


def test_a_folder_with_a_link_is_refused(model: Path, base_image: Reference, repository: Reference, tmp_path: Path):
    linked = tmp_path / "linked"
    shutil.copytree(model, linked)
    (linked / "extra").symlink_to("/etc/passwd")
    done = publish(tmp_path, "--model", linked, "--to", repository, "--base", base_image, "--plain-http")
    assert (done.returncode, "files and folders only" in done.stderr) == (2, True)


def test_without_arguments_it_is_the_role_of_the_training_pod(tmp_path: Path):
    log = tmp_path / "log"
    done = run("publish", variables={"LABELLOOP_WORK_DIR": str(tmp_path), "LABELLOOP_TERMINATION_LOG": str(log)})
    assert done.returncode == 1
    assert "LABELLOOP_REPOSITORY is not set" in json.loads(log.read_bytes())["message"]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "sorter.py").write_text("class Sorter: ...")
    return folder


def test_the_code_of_a_model_of_ones_own_becomes_a_base_image(
    code: Path, base_image: Reference, repository: Reference, tmp_path: Path
):
    arguments = ("--code", code, "--model-class", "sorter:Sorter", "--to", f"{repository}:dev", "--base", base_image)
    document = told(publish(tmp_path, *arguments, "--plain-http"))
    assert document["tags"] == [document["version"], "dev"]
    assert document["version"].startswith("code-")
    manifest = image_manifest(document["image"])
    with Repository(repository, plain_http=True) as remote:
        config = json.loads(remote.blob(manifest["config"]["digest"]))["config"]
        layer = remote.blob(manifest["layers"][-1]["digest"])
    assert config["Env"] == ["PATH=/usr/bin", "LABELLOOP_MODEL_CLASS=sorter:Sorter"]
    with tarfile.open(fileobj=BytesIO(layer)) as archive:
        assert "opt/labelloop/code/sorter.py" in archive.getnames()
    assert told(publish(tmp_path, *arguments, "--plain-http"))["digest"] == document["digest"]
    (code / "sorter.py").write_text("class Sorter: other = 1")
    assert told(publish(tmp_path, *arguments, "--plain-http"))["version"] != document["version"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, "needs --model-class"),
        ("text-classifier", "needs --model-class"),
        ("sorter", "LABELLOOP_MODEL_CLASS is 'sorter'"),
        ("other:Sorter", "has no other.py"),
    ],
)
def test_a_class_that_is_not_in_the_folder_is_told(
    code: Path, base_image: Reference, repository: Reference, tmp_path: Path, name: str | None, expected: str
):
    chosen = () if name is None else ("--model-class", name)
    done = publish(tmp_path, "--code", code, *chosen, "--to", repository, "--base", base_image, "--plain-http")
    assert done.returncode == 2
    assert expected in done.stderr


def test_model_and_code_are_two_images(model: Path, code: Path, repository: Reference, tmp_path: Path):
    done = publish(tmp_path, "--model", model, "--code", code, "--to", repository, "--base", repository)
    assert (done.returncode, "either --model FOLDER or --code FOLDER" in done.stderr) == (2, True)
