"""Pins requirements/*.txt with hashes from pyproject.toml; no file records where the index is."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path("requirements")
EXTRAS = {"dev": ["dev"], "backend": ["serving", "training"], "operator": ["operator"]}
ALONE = {
    "label-studio": "label-studio==1.23.2",
    "label-studio-oldest": "label-studio==1.13.1\nsetuptools<81",  # it needs pkg_resources
    "uv": "uv==0.13.9",
}
"""Installed each in an environment of its own. The oldest release is the one in `label_studio/release.py`."""
OPTIONS = [
    "--quiet", "--generate-hashes", "--python-version", "3.11", "--no-emit-index-url", "--no-annotate", "--no-header",
]  # fmt: skip
LINUX = ["--python-platform", "x86_64-unknown-linux-gnu"]


def compile_requirements(*arguments: str, given: str | None = None) -> None:
    """Runs uv's resolver next to this interpreter; `given` is read as its standard input."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "compile", *OPTIONS, *arguments], check=True, input=given, text=True)


def main() -> None:
    """`dev` is resolved first; the images' requirements are constrained to the same versions."""
    for name, extras in EXTRAS.items():
        constraint = [] if name == "dev" else ["--constraint", str(REQUIREMENTS / "dev.txt")]
        chosen = [word for extra in extras for word in ("--extra", extra)]
        output = str(REQUIREMENTS / f"{name}.txt")
        compile_requirements("pyproject.toml", *LINUX, *chosen, *constraint, "--output-file", output)
    for name, requirement in ALONE.items():
        compile_requirements("-", "--output-file", str(REQUIREMENTS / f"{name}.txt"), given=requirement)


if __name__ == "__main__":
    main()
