"""The images as `make image` leaves them: what is in them, and what must not be."""

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tools.build_images import build_images
from tools.images.archive import ImageArchive
from tools.images.base_image import SUITE
from tools.images.cache import BuildError
from tools.images.debian import mirror
from tools.images.machine_settings import machine_settings
from tools.images.recipes import ROOT

SETTINGS_FILES = re.compile(
    r"(^|/)(pip\.conf|uv\.toml|\.netrc|\.pypirc|sources\.list|[^/]*\.sources|etc/resolv\.conf|etc/hostname)$"
)
INSTALLERS = re.compile(r"(^|/)(uv|uvx|pip|pip3|git|gcc)$")
TEXT_LIMIT = 200_000


@dataclass(frozen=True)
class Image:
    name: str
    archive: ImageArchive
    files: dict[str, tarfile.TarInfo]
    """Path -> entry of the uppermost layer that has it."""
    texts: dict[str, bytes]
    """Contents of small files."""


@pytest.fixture(scope="session", params=["backend", "operator"])
def image(request: pytest.FixtureRequest) -> Image:
    build_images([request.param])
    archive = ImageArchive.read(ROOT / "build" / "images" / f"{request.param}.tar")
    files: dict[str, tarfile.TarInfo] = {}
    texts: dict[str, bytes] = {}
    for member in archive.layer_members:
        with archive.layer(member) as stream, tarfile.open(fileobj=stream, mode="r|") as layer:
            for entry in layer:
                name = entry.name.removeprefix("./")
                files[name] = entry
                content = layer.extractfile(entry) if entry.isreg() and entry.size <= TEXT_LIMIT else None
                if content is not None:
                    texts[name] = content.read()
    return Image(request.param, archive, files, texts)


def addresses_of_this_machine() -> set[str]:
    """What the machine's settings name: indexes, proxies, hosts and the mirror, but for those that everybody has."""
    settings = machine_settings()
    found = {part for value in (*settings.uv.values(), *settings.proxies.values()) for part in value.split()}
    return {address for address in found if len(address) > 8}


def test_no_setting_of_the_machine_is_in_it(image: Image):
    assert [name for name in image.files if SETTINGS_FILES.search(name) and image.files[name].size] == []
    for address in addresses_of_this_machine():
        assert address not in image.archive.config.decode()
        assert [name for name, content in image.texts.items() if address.encode() in content] == []


def test_no_index_certificate_or_proxy_variable_is_set(image: Image):
    names = {entry.partition("=")[0] for entry in image.archive.settings["Env"]}
    assert not {name for name in names if re.match(r"(?i)UV_|PIP_|SSL_|REQUESTS_|CURL_|\w*PROXY", name)}
    history = json.dumps(json.loads(image.archive.config)["history"])
    assert not re.search(r"UV_DEFAULT_INDEX|SSL_CERT|labelloop-build/stage", history)


def test_the_machines_certificates_are_not_in_it(image: Image):
    bundle = machine_settings().certificates
    assert not [name for name in image.files if name.startswith("opt/labelloop-build")]
    if bundle is not None:
        size = bundle.stat().st_size
        same = [name for name, entry in image.files.items() if entry.size == size and name.endswith((".crt", ".pem"))]
        assert same == []


def test_the_mirrors_address_is_in_no_settings_file(image: Image):
    try:
        host = urlsplit(mirror(SUITE)).hostname or ""
    except BuildError:
        host = "mirror.invalid"
    settings = {
        name: text for name, text in image.texts.items() if name.startswith(("etc/apt", "var/lib/apt", "var/log"))
    }
    assert [name for name, text in settings.items() if host.encode() in text] == []


def test_no_installer_is_left(image: Image):
    assert [name for name in image.files if INSTALLERS.search(name) and not image.files[name].isdir()] == []


def test_it_runs_as_a_user_that_is_a_number(image: Image):
    """Kubernetes cannot tell whether a user with a name is root."""
    assert image.archive.settings["User"] == {"backend": "1034:1034", "operator": "65532:65532"}[image.name]


def test_nothing_below_the_program_folders_can_be_written_by_others(image: Image):
    owned = [
        name
        for name, entry in image.files.items()
        if name.startswith(("app/", "opt/", "home/bentoml/bento"))
        and (entry.uid or entry.mode & 0o022)
        and not entry.issym()
    ]
    assert owned == []


def test_every_module_is_compiled_in_a_way_that_times_do_not_matter(image: Image):
    """A read-only root file system cannot hold what Python would compile; times change on the way into a layer."""
    folder = {"backend": "home/bentoml/bento/src/bento_service/labelloop/", "operator": "opt/labelloop/src/"}[
        image.name
    ]
    sources = [name for name in image.files if name.startswith(folder) and name.endswith(".py")]
    assert sources
    for prefix in (folder, "usr/lib/python3.11/"):
        for name in image.texts:
            if name.startswith(prefix) and name.endswith(".py") and "lib2to3/tests" not in name:
                compiled = str(Path(name).parent / "__pycache__" / f"{Path(name).stem}.cpython-311.pyc")
                flags = image.texts[compiled][4:8] if compiled in image.texts else b""
                assert int.from_bytes(flags, "little") & 1, f"{compiled} is missing or depends on times"


def test_usage_is_not_reported(image: Image):
    if image.name == "backend":
        assert "BENTOML_DO_NOT_TRACK=True" in image.archive.settings["Env"]


def test_it_has_no_model_yet(image: Image):
    assert not [name for name in image.files if name.startswith("opt/labelloop/model")]


def test_the_model_page_is_in_the_backend(image: Image):
    if image.name == "backend":
        assert "home/bentoml/bento/src/bento_service/labelloop/serving/model_page/model_page.html" in image.files
