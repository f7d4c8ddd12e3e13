"""The base of all images: a Debian minbase with Python, made by debootstrap and kept in the cache.

`BASE_IMAGE=` takes any other Debian-like image with Python 3.11 in its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tools.images.cache import BuildError, digest_of, written_whole
from tools.images.debian import ensure_programs, mirror

SUITE = "bookworm"
# debootstrap's minbase has neither Python nor certificate authorities; media-types is what `mimetypes` reads.
PACKAGES = ("ca-certificates", "media-types", "python3")
# Nothing at run time reads these; mirror and host names of the machine would be in some of them.
LEFT_OUT = (
    "dev/*", "etc/apt/sources.list", "etc/hostname", "etc/machine-id", "etc/resolv.conf", "proc/*", "run/*", "sys/*",
    "tmp/*", "usr/share/bash-completion", "usr/share/bug", "usr/share/doc/*", "usr/share/info/*", "usr/share/lintian",
    "usr/share/locale/*", "usr/share/man/*", "usr/share/python-wheels", "var/cache/apt/*", "var/cache/debconf/*",
    "var/cache/ldconfig/*", "var/lib/apt/lists/*", "var/lib/dpkg/*-old", "var/log/*",
)  # fmt: skip
RECIPE = 1  # raise it when `make_root_file_system` makes something else out of the same lists


def base_key() -> str:
    """Identify what the default base is made of; the day it was made on is not part of it."""
    return digest_of([SUITE, *PACKAGES, *LEFT_OUT, str(RECIPE)])


def base_identity() -> str:
    """Identify the base in the keys of images: the reference in `BASE_IMAGE`, or the recipe of the default base."""
    return os.environ.get("BASE_IMAGE") or f"debootstrap:{base_key()}"


def default_base_archive(cache: Path) -> Path:
    """Return the tar of the default base's root file system, made now if the cache has none (about a minute)."""
    archive = cache / "base" / f"{SUITE}-{base_key()}.tar"
    if archive.exists():
        return archive
    if os.geteuid() != 0:
        raise BuildError(
            "debootstrap needs root: run as root, or set BASE_IMAGE to a Debian-like image with Python 3.11."
        )
    ensure_programs({"debootstrap": "debootstrap"})
    started = time.monotonic()
    print("base: debootstrap", flush=True)
    archive.parent.mkdir(parents=True, exist_ok=True)
    for leftover in archive.parent.glob("rootfs-*"):  # of a killed run; the caller holds the cache's lock
        shutil.rmtree(leftover)
    root = Path(tempfile.mkdtemp(dir=archive.parent, prefix="rootfs-"))
    try:
        make_root_file_system(root)
        with written_whole(archive) as partial:
            pack(root, partial)
    finally:
        shutil.rmtree(root)
    print(f"base: {archive.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s", flush=True)
    return archive


def make_root_file_system(root: Path) -> None:
    """Fill `root` with Debian and compile Python's standard library.

    All times become 1970 in the archive, and by default Python takes a compiled file for current only if it records the
    time of its source: hence "unchecked-hash". Images have read-only root file systems and could not write new ones.
    """
    root.chmod(0o755)
    run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root), mirror(SUITE)])
    compile_all = "import compileall, py_compile; mode = py_compile.PycInvalidationMode.UNCHECKED_HASH; "
    folders = ("/usr/lib/python3.11", "/usr/lib/python3")
    compile_all += "".join(
        f"compileall.compile_dir({f!r}, quiet=1, force=True, invalidation_mode=mode); " for f in folders
    )
    run(["chroot", str(root), "/usr/bin/python3", "-c", compile_all])


def pack(root: Path, archive: Path) -> None:
    """Write `root` as a tar: sorted, times zero, owners by number."""
    options = ["--sort=name", "--mtime=@0", "--numeric-owner", "--anchored", "--wildcards"]
    run(
        [
            "tar",
            "--create",
            "--file",
            str(archive),
            *options,
            *(f"--exclude=./{path}" for path in LEFT_OUT),
            "-C",
            str(root),
            ".",
        ]
    )


def run(command: Sequence[str]) -> None:
    """Run a program; on failure raise with the end of what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{command[0]} failed ({done.returncode}):\n{(done.stdout + done.stderr)[-3000:]}")
