"""From a trained model to its image in a registry, next to what BentoML's own tools take for it in the same run.

Ours is `labelloop publish`: the base image's layers and one more. The peer is `bentoml build`, `bentoml containerize`
and `docker push` of the same service with the same model, with everything warm: packages in the engine's layer cache,
base image and unchanged layers in the registry. The registry is Debian's docker-registry on loopback; where no Docker
engine answers, a private one is started (as root, docs/operations/images.md).
    python -m bench.publish --data FILE.csv
"""

import argparse
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.docker_registry import docker_registry
from tools.build_images import build_images
from tools.images.bento import containerize
from tools.images.build_stage import prepare_stages
from tools.images.cache import cache_directory, locked
from tools.images.docker_engine import docker_engine
from tools.images.machine_settings import machine_settings
from tools.images.recipes import RECIPES
from tools.push_image import push_image

from bench import report, server
from bench.measuring import alternating, median, ratio
from labelloop.counting.updates import Cut
from labelloop.publishing.layer import MODEL_FOLDER, model_layer
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository, sha256
from labelloop.training.result import Result, write_result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, PEER = "ours", "peer"
Steps = Mapping[str, float]
"""Seconds by step."""
Side = Callable[[int], Steps]
"""Publishes the model as version N."""


def new_version(model: Path, target: Path, number: int) -> str:
    """A copy of the model that is another one to every tool: its version is; returns the version."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(model, target)
    version = f"model-{number:012d}"
    described = json.loads((model / "model.json").read_text())
    (target / "model.json").write_text(json.dumps({**described, "version": version}))
    return version


def publish_ours(model: Path, base: Reference, repository: Reference, folder: Path, number: int) -> Steps:
    """`labelloop publish` as the training pod runs it, Python's start included; the image is checked afterwards."""
    output = folder / "out"
    version = new_version(model, output / "model", number)
    (output / "snapshot.jsonl.gz").write_bytes(gzip.compress(f"snapshot of {version}".encode(), mtime=0))
    write_result(
        Result("Trained", "Trained", "", version=version, dataset_digest="sha256:" + "0" * 64, cut=Cut(None, 0)),
        output / "result.json",
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(report.ROOT / "bento_service"),
        "LABELLOOP_WORK_DIR": str(folder),
        "LABELLOOP_BASE_IMAGE": str(base),
        "LABELLOOP_REPOSITORY": str(repository),
        "LABELLOOP_JOB": f"job-{number}",
        "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
        "LABELLOOP_TERMINATION_LOG": str(folder / "termination-log"),
    }
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "labelloop", "publish"], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"labelloop publish failed:\n{done.stderr[-2000:]}")
    check_image(repository, version, output / "model")
    told = json.loads((folder / "termination-log").read_text())["seconds"]["publish"]
    return {"pushing": told, "start of Python": seconds - told}


def check_image(repository: Reference, tag: str, model: Path) -> None:
    """Raises RuntimeError unless the image is whole: every blob there, and the topmost layer this model."""
    with Repository(repository, plain_http=True) as remote:
        manifest = remote.manifest(tag).document()
        config = json.loads(remote.blob(manifest["config"]["digest"]))
        blobs = [layer["digest"] for layer in manifest["layers"]]
        missing = [digest for digest in blobs if not remote.has_blob(digest)]
        top = gzip.decompress(remote.blob(blobs[-1]))
    if missing or len(config["rootfs"]["diff_ids"]) != len(blobs) or config["rootfs"]["diff_ids"][-1] != sha256(top):
        raise RuntimeError(f"{repository}:{tag} is not whole: {missing or 'its layers are not those it lists'}")
    with tarfile.open(fileobj=io.BytesIO(top)) as layer:
        for path in model.iterdir():
            member = layer.extractfile(f"{MODEL_FOLDER}/{path.name}")
            if member is None or member.read() != path.read_bytes():
                raise RuntimeError(f"{repository}:{tag} has another {path.name} than the model")


@contextmanager
def peer_side(model: Path, repository: Reference) -> Iterator[Side]:
    """BentoML's way: the checkout's Bento with the model in it."""
    cache = cache_directory()
    with ExitStack() as stack:
        stack.enter_context(locked(cache / "images.lock"))
        engine = stack.enter_context(docker_engine(cache))
        stages = prepare_stages(engine, cache, machine_settings())
        # Not below a hidden folder: BentoML reads no files from one.
        context = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-publish-")))
        RECIPES["backend"].copy_inputs(context)
        bentofile = context / "bentofile.yaml"
        bentofile.write_text(bentofile.read_text().replace("include:\n", 'include:\n  - "model/*"\n'))

        def publish(number: int) -> Steps:
            version = new_version(model, context / "model", number)
            began = time.perf_counter()
            image = containerize(engine, context, stages.build, version, context / "log")
            built = time.perf_counter()
            name = str(repository.with_tag(version))
            engine.run("tag", image, name)
            engine.run("push", name)
            pushed = time.perf_counter()
            engine.run("image", "rm", name)
            return {"bentoml build and containerize": built - began, "docker push": pushed - built}

        yield publish


@contextmanager
def sides(model: Path, archive: Path | None, *, with_peer: bool) -> Iterator[dict[str, Side]]:
    """Ours with its base image in a registry and, if wanted, the peer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-publish-registry-")))
        registry = stack.enter_context(docker_registry(folder))
        if archive is None:
            build_images(["backend"])
            archive = report.ROOT / "build/images/backend.tar"
        base = Reference(registry.host, "bench/base").with_tag("dev")
        with Repository(base, plain_http=True) as remote:
            push_image(archive, base, remote, cache_directory())
        work = folder / "work"
        (work / "out").mkdir(parents=True)
        found: dict[str, Side] = {
            OURS: partial(publish_ours, model, base, Reference(registry.host, "bench/ours"), work)
        }
        if with_peer:
            found[PEER] = stack.enter_context(peer_side(model, Reference(registry.host, "bench/peer")))
        yield found


def measure(found: Mapping[str, Side], rounds: int) -> dict[str, list[Steps]]:
    """Publications of each side in turns, every one of another version; the first of each is not counted."""
    numbers = iter(range(1, 1_000_000))

    def publish(name: str) -> Steps:
        steps = found[name](next(numbers))
        print(
            f"{name}: {sum(steps.values()):.2f} s", {step: round(value, 2) for step, value in steps.items()}, flush=True
        )
        return steps

    for name in found:
        publish(name)
    return alternating(rounds, {name: partial(publish, name) for name in found})


def write(seconds: Mapping[str, list[Steps]], model: Path, rounds: int, out: Path) -> Path:
    """Page, JSON and plot."""
    totals = {name: [sum(steps.values()) for steps in done] for name, done in seconds.items()}
    layer = len(model_layer(model).compressed)
    rows: list[list[object]] = []
    for name, done in seconds.items():
        rows.append([f"**{name}**", f"{median(totals[name]):.2f}", f"{max(totals[name]):.2f}"])
        for step in done[0]:
            taken = [steps[step] for steps in done]
            rows.append([step, f"{median(taken):.2f}", f"{max(taken):.2f}"])
    lines = [*METHOD.format(rounds=rounds, kilobytes=layer / 1000).strip().splitlines(), ""]
    lines += report.table(["", "median s", "worst s"], rows)
    ratios: dict[str, float] = {}
    if PEER in totals:
        ratios["model to image"] = ratio(totals[PEER], totals[OURS])
        pushing = [steps["pushing"] for steps in seconds[OURS]]
        ratios["model to image, without Python's start"] = ratio(totals[PEER], pushing)
        lines += [f"{value:.1f} x faster: {name}." for name, value in ratios.items()]
    data: dict[str, object] = {"rounds": rounds, "layer_bytes": layer, "seconds": dict(seconds), "ratios": ratios}
    title = "From a model to its image in the registry"
    return report.write("publish", title, lines, data, lambda figure: _plot(figure, seconds), target=out)


METHOD = """
{rounds} interleaved rounds after one that is not counted, each with a new version of the model (layer of
{kilobytes:.0f} kB). `ours` is the command `labelloop publish`: snapshot, then the base image's layers and one more;
every image is checked for completeness. `peer` is `bentoml build`, `bentoml containerize` and `docker push` of the
same service with the model in the Bento, everything warm: only the last layer is new. Registry on loopback.
"""


def _plot(figure: "Figure", seconds: Mapping[str, list[Steps]]) -> None:
    axis = figure.subplots()
    for name, done in seconds.items():
        left = 0.0
        for number, step in enumerate(done[0]):
            width = median([steps[step] for steps in done])
            colour = report.OURS if name == OURS else report.PEER
            told = f"{name}: {step} {width:.2f} s"
            axis.barh(name, width, left=left, color=colour, alpha=1 - number * 0.5, label=told)
            left += width
    axis.invert_yaxis()
    axis.set_xlabel("seconds (median)")
    axis.legend(loc="upper right")


def main(argv: list[str] | None = None) -> int:
    """Measure and write the report."""
    parser = report.arguments(__doc__, rounds=5)
    parser.add_argument("--ours-only", action="store_true", help="without the peer, which needs a Docker engine")
    parser.add_argument("--base-archive", type=Path, metavar="TAR", help="base image (default: the backend's)")
    chosen: argparse.Namespace = parser.parse_args(argv)
    rows = next(iter(report.data_sets(chosen).values()))
    with tempfile.TemporaryDirectory(prefix="bench-publish-model-") as folder:
        model = Path(folder) / "model"
        server.train_ours(rows, model)
        with sides(model, chosen.base_archive, with_peer=not chosen.ours_only) as found:
            seconds = measure(found, chosen.rounds)
        print(write(seconds, model, chosen.rounds, chosen.out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
