"""`labelloop publish`: a model folder becomes an image in a registry, the base image and one layer more."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.output import FAILED, JSON_OPTION, CommandError, tell, working

if TYPE_CHECKING:
    from labelloop.publishing.reference import Reference
    from labelloop.publishing.settings import RegistrySettings
    from labelloop.training.result import Result

DOCKER_CONFIG = "~/.docker/config.json"
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
    to: Annotated[
        str | None,
        typer.Option(help="Where the image goes: HOST/PATH, or HOST/PATH:TAG (else its version is the tag)."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(envvar="LABELLOOP_BASE_IMAGE", help="Image the model is laid upon, in a registry.")
    ] = None,
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
    """Push --model as an image --to a registry; without --model and --to it is the role of a training pod.

    No Docker and no build: the layers of --base are mounted or copied within the registry and one with the model is
    added. The same model on the same base gives the same digest.
    """
    if model is None and to is None:
        from labelloop.publishing.publish import main as run

        raise typer.Exit(run())
    if model is None or to is None or base is None:
        raise CommandError(
            "publish needs --model FOLDER, --to HOST/PATH and --base IMAGE; see labelloop publish --help"
        )
    target, source = _reference("--to", to), _reference("--base", base)
    if target.digest:
        raise CommandError(f"--to is {to!r}: leave the digest out, it follows from the content")
    settings = _registry(target, plain_http, registry_config, ca_file)
    result = _result(model)
    started = time.monotonic()
    with working(f"pushing {result.version} to {target.repository}"):
        image, tags = _push(settings, source, target, model, result)
    document = {
        "image": str(image),
        "digest": image.digest,
        "version": result.version,
        "tags": tags,
        "base": str(source),
        "seconds": round(time.monotonic() - started, 3),
    }
    tell(as_json, document, [str(image), f"also known as {', '.join(f'{target.repository}:{tag}' for tag in tags)}"])


def _push(
    settings: "RegistrySettings", source: "Reference", target: "Reference", model: Path, result: "Result"
) -> "tuple[Reference, list[str]]":
    from labelloop.publishing.append import Addition, append_layer
    from labelloop.publishing.errors import RegistryError
    from labelloop.publishing.layer import LayerError, model_layer
    from labelloop.publishing.published import created_at, image_labels
    from labelloop.publishing.reference import ImageNameError
    from labelloop.training.train import RESULT_FILE

    version = result.version or ""
    tags = list(dict.fromkeys([version, target.tag or version]))
    try:
        for tag in tags:
            target.with_tag(tag)
        # What the training said is in the labels; in the layer its durations would change the digest.
        addition = Addition(
            model_layer(model, leave_out=(RESULT_FILE,)), image_labels(result, None), created_at(result)
        )
        with settings.repository(source) as base, settings.repository(target) as remote:
            digest = append_layer(base, source, remote, addition, tags)
    except RegistryError as error:
        raise CommandError(f"{error.reason}: {_as_options(error.message)}", FAILED) from None
    except (LayerError, ImageNameError) as error:
        raise CommandError(str(error)) from None
    return target.with_digest(digest), tags


def _result(model: Path) -> "Result":
    """What the training of the model left beside it; without that, what the model says about itself."""
    from labelloop.models import ModelFileError, load_model
    from labelloop.training.result import Result, ResultError, read_result
    from labelloop.training.train import RESULT_FILE

    try:
        loaded = load_model(model)
    except ModelFileError as error:
        raise CommandError(f"--model cannot be used: {error}") from None
    if not loaded.version:
        raise CommandError(f"--model {model} has no version: make it with `labelloop train`")
    try:
        told = read_result(model / RESULT_FILE)
        if told.version == loaded.version:
            return told
    except ResultError:
        pass
    origin = loaded.metrics.get("origin")
    digest = origin.get("dataset_digest") if isinstance(origin, dict) else None
    labels = tuple(label for classes in loaded.labels.values() for label in classes)
    message = f"{len(labels)} labels, published by hand"
    return Result(
        "Trained", "Trained", message, loaded.version, digest if isinstance(digest, str) else None, labels=labels
    )


def _registry(
    target: "Reference", plain_http: bool, registry_config: Path | None, ca_file: Path | None
) -> "RegistrySettings":
    from labelloop.publishing.credentials import read_docker_config
    from labelloop.publishing.settings import RegistrySettings

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
