"""`labelloop publish`: a model folder, or the code of a model, becomes an image in a registry: a base and one layer."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.model_class import ModelClassOption, choose_model_class
from labelloop.cli.output import FAILED, JSON_OPTION, CommandError, print_result, working
from labelloop.environment import runs_in_a_pod

if TYPE_CHECKING:
    from labelloop.publishing.append import Addition
    from labelloop.publishing.reference import Reference
    from labelloop.publishing.registry_settings import RegistrySettings
    from labelloop.training.result import Result

DOCKER_CONFIG = "~/.docker/config.json"
CODE_CREATED = "1970-01-01T00:00:00.000000Z"
"""Another time would be another image."""
# Remedies of the registry's errors name fields of the resource; here they are options.
_OPTIONS = {
    "registry.plainHTTP: true": "--plain-http",
    "registry.plainHTTP": "--plain-http",
    "registry.repository": "the address",
    "spec.image": "--base",
    "the Secret of registry.pushSecretRef": "--registry-config (`docker login` writes one)",
}


def publish(
    model: Annotated[Path | None, typer.Option(help="Model folder, as `train` writes it.")] = None,
    code: Annotated[
        Path | None, typer.Option(help="Instead of --model: folder with the code of --model-class, for trainings.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Where the image goes: HOST/PATH, or HOST/PATH:TAG (else its version is the tag)."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(envvar="LABELLOOP_BASE_IMAGE", help="Image the layer is laid upon, in a registry.")
    ] = None,
    model_class: ModelClassOption = None,
    plain_http: Annotated[
        bool, typer.Option(envvar="LABELLOOP_REGISTRY_PLAIN_HTTP", help="The registry of --to speaks no TLS.")
    ] = False,
    registry_config: Annotated[
        Path | None,
        typer.Option(envvar="LABELLOOP_REGISTRY_CONFIG", help=f"Docker's config.json (else {DOCKER_CONFIG})."),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar="LABELLOOP_REGISTRY_CA_FILE", help="Certificates (PEM) the registry's rest on."),
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Push --model, or --code, as an image --to a registry. In a training pod: the pod's role.

    No Docker and no build: the layers of --base are mounted or copied within the registry and one is added. The same
    files on the same base give the same digest.
    """
    if model is None and code is None and to is None and runs_in_a_pod():
        from labelloop.publishing.publish import main as run

        raise typer.Exit(run())
    if (model is None) == (code is None) or to is None or base is None:
        raise CommandError(
            "publish needs --to HOST/PATH, --base IMAGE and either --model FOLDER or --code FOLDER; "
            "see labelloop publish --help."
        )
    target, source = _reference("--to", to), _reference("--base", base)
    if target.digest:
        raise CommandError(f"--to is {to!r}: leave the digest out, it follows from the content")
    settings = _registry(target, plain_http, registry_config, ca_file)
    version, addition = _of_model(model) if model is not None else _of_code(code or Path(), model_class)
    started = time.monotonic()
    with working(f"pushing {version} to {target.repository}"):
        tags = list(dict.fromkeys([version, target.tag or version]))
        image = _push(settings, source, target, addition, tags)
    document = {
        "image": str(image),
        "digest": image.digest,
        "version": version,
        "tags": tags,
        "base": str(source),
        "seconds": round(time.monotonic() - started, 3),
    }
    print_result(
        as_json, document, [str(image), f"also known as {', '.join(f'{target.repository}:{tag}' for tag in tags)}"]
    )


def _push(
    settings: "RegistrySettings", source: "Reference", target: "Reference", addition: "Addition", tags: Sequence[str]
) -> "Reference":
    from labelloop.publishing.reference import ImageNameError
    from labelloop.publishing.registry_errors import RegistryError

    try:
        for tag in tags:
            target.with_tag(tag)
        return settings.append(source, target, addition, tags)
    except RegistryError as error:
        raise CommandError(f"{error.reason}: {_as_options(error.message)}", FAILED) from None
    except ImageNameError as error:
        raise CommandError(str(error)) from None


def _of_model(folder: Path) -> "tuple[str, Addition]":
    from labelloop.publishing.append import Addition
    from labelloop.publishing.image_labels import created_at, image_labels
    from labelloop.publishing.layer import LayerError, model_layer
    from labelloop.training.train import RESULT_FILE

    result = _result(folder)
    try:
        # What the training said is in the labels; in the layer its durations would change the digest.
        layer = model_layer(folder, leave_out=(RESULT_FILE,))
    except LayerError as error:
        raise CommandError(str(error)) from None
    return result.version or "", Addition(layer, image_labels(result, None), created_at(result))


def _of_code(folder: Path, wanted: str | None) -> "tuple[str, Addition]":
    """Code and the variable that names its class; the version follows from both."""
    import hashlib

    from labelloop.custom_model_settings import CLASS_VARIABLE, class_name
    from labelloop.environment import Environment, SettingsError
    from labelloop.publishing.append import Addition
    from labelloop.publishing.layer import LayerError, code_layer

    choose_model_class(wanted)
    try:
        name = class_name(Environment())
        if name is None:
            raise CommandError("publish --code needs --model-class module:Class, a class in that folder")
        layer = code_layer(folder)
    except (LayerError, SettingsError) as error:
        raise CommandError(str(error)) from None
    module = name.partition(":")[0].replace(".", "/")
    if not any((folder / path).is_file() for path in (f"{module}.py", f"{module}/__init__.py")):
        raise CommandError(f"--model-class is {name!r}: {folder} has no {module}.py")
    digest = hashlib.sha256(json.dumps([layer.diff_id, name]).encode()).hexdigest()
    return f"code-{digest[:12]}", Addition(layer, {}, CODE_CREATED, {CLASS_VARIABLE: name})


def _result(folder: Path) -> "Result":
    """What the training of the model left next to it; without that, what the model says about itself."""
    from labelloop.models import ModelFileError, load_model, model_files
    from labelloop.models import custom as own
    from labelloop.training.result import Result, ResultError, read_result
    from labelloop.training.train import RESULT_FILE

    try:
        document = model_files.read_document(folder)
        if document.get("kind") == own.KIND:
            own.read_document(folder)  # its class may be in the base image only
        else:
            load_model(folder)
    except ModelFileError as error:
        raise CommandError(f"--model cannot be used: {error}") from None
    version = document.get("version")
    if not isinstance(version, str) or not version:
        raise CommandError(f"--model {folder} has no version: make it with `labelloop train`")
    try:
        told = read_result(folder / RESULT_FILE)
        if told.version == version:
            return told
    except ResultError:
        pass
    metrics = document.get("metrics")
    origin = metrics.get("origin") if isinstance(metrics, dict) else None
    digest = origin.get("dataset_digest") if isinstance(origin, dict) else None
    return Result("Trained", "Trained", "published by hand", version, digest if isinstance(digest, str) else None)


def _registry(
    target: "Reference", plain_http: bool, registry_config: Path | None, ca_file: Path | None
) -> "RegistrySettings":
    from labelloop.publishing.credentials import read_docker_config
    from labelloop.publishing.registry_settings import RegistrySettings

    own = Path(DOCKER_CONFIG).expanduser()
    config = registry_config or (own if own.is_file() else None)
    return RegistrySettings(plain_http, target.host, read_docker_config(config, "--registry-config"), ca_file)


def _reference(option: str, text: str) -> "Reference":
    from labelloop.publishing.reference import ImageNameError, Reference

    try:
        return Reference.parse(text)
    except ImageNameError as error:
        raise CommandError(f"{option}: {error}; use HOST/PATH, such as registry.tools:5000/team/intents") from None


def _as_options(message: str) -> str:
    for field, option in _OPTIONS.items():
        message = message.replace(field, option)
    return message
