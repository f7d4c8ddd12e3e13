"""`labelloop init`: a folder with a custom backend that runs at once."""

import importlib.util
import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from labelloop.cli.output import JSON_OPTION, CommandError, print_result

TEMPLATES = Path(__file__).parents[1] / "scaffold"
SUFFIX = ".template"
PLACEHOLDER = "my-backend"
CLASS = "Classifier"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_TAKEN = frozenset({"service"})  # a file of the scaffold


def init(
    name: Annotated[Path, typer.Argument(help="Folder to make; its name becomes that of model and Bento.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Make a folder with a backend of your own: model, test, bentofile, Makefile, README. It runs at once."""
    module = _module(name.name)
    if name.exists() and (not name.is_dir() or any(name.iterdir())):
        raise CommandError(f"{name} exists already: name another folder, or an empty one")
    files = sorted(TEMPLATES.glob(f"*{SUFFIX}"))
    try:
        name.mkdir(parents=True, exist_ok=True)
        written = [_write(template, name, module) for template in files]
    except OSError as error:
        raise CommandError(f"{name} cannot be written ({error.strerror}): use another folder") from None
    document = {"folder": str(name), "model_class": f"{module}:{CLASS}", "files": written}
    lines = [f"{name}/{file}" for file in written]
    print_result(as_json, document, [*lines, "", f"next: cd {name}; make test; make serve"])


def _write(template: Path, folder: Path, module: str) -> str:
    """Write one file of the scaffold; gives its name."""

    def own(text: str) -> str:
        return text.replace(PLACEHOLDER, folder.name.lower()).replace(PLACEHOLDER.replace("-", "_"), module)

    target = folder / own(template.name.removesuffix(SUFFIX))
    target.write_text(own(template.read_text("utf-8")), "utf-8")
    return target.name


def _module(name: str) -> str:
    """The name of the Python module. Raises CommandError for one that cannot be imported next to all others."""
    module = name.lower().replace("-", "_")
    if not _NAME.fullmatch(name):
        raise CommandError(f"NAME is {name!r}: use letters, digits, '-' and '_', and begin with a letter")
    if keyword.iskeyword(module) or module in _TAKEN or importlib.util.find_spec(module) is not None:
        raise CommandError(f"NAME is {name!r}: Python knows a module {module!r} already, choose another name")
    return module
