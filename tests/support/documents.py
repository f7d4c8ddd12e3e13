"""The code blocks of README and docs, and what keeps them true.

Every fenced block is one of these, and a test fails for one that is none:

- `bash`, `sh`, `console`, or without a language: a page's blocks run in their order, in one folder, by a shell whose
  programs stand in `programs()`. In `console` blocks with prompts, lines without one are output.
- `python`: runs in the same folder; a first line `# name.py` stores it there under that name instead.
- `yaml`, `json`: parsed; resources of ours are checked against CRD and operator. A first line `# name.yaml` stores it.
- `text`: drawings and output, which may not begin with a command.
"""

import re
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
SHELL_LANGUAGES = ("bash", "sh", "console", "")
NOT_RUN = {
    "docker": "needs an engine; a test reads examples/local/compose.yaml, and tests/e2e/test_docs.py runs the image",
    "pip": "Label Studio is in the tests' image; tests/unit/layout builds and looks into the wheel of this checkout",
}
"""Programs that stand in pages and that no test runs, each with the reason."""
IN_THE_CLUSTER = ("kubectl", "helm", "label-studio")
"""Programs that tests/e2e/test_docs.py runs; elsewhere they do nothing."""
_NAMED = re.compile(r"# ([\w./-]+\.(?:py|ya?ml|json|xml|csv|txt))")
_COMMAND = re.compile(
    r"^\s*(\$ |labelloop |(?:\.venv/bin/)?python |make |kubectl |helm |docker |pip |label-studio |curl )"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The name under which the block is stored, given in its first line as a comment."""
        found = _NAMED.fullmatch(self.text.partition("\n")[0].strip())
        return found.group(1) if found else None

    @property
    def commands(self) -> str:
        """What a shell runs: without prompts, and without output where there are prompts."""
        lines = self.text.splitlines()
        if any(line.startswith("$ ") for line in lines):
            kept, goes_on = [], False
            for line in lines:
                if goes_on or line.startswith("$ "):
                    kept.append(line if goes_on else line.removeprefix("$ "))
                    goes_on = line.endswith("\\")
            lines = kept
        return "\n".join(lines)

    def words(self) -> list[str]:
        """The first words of the commands, without assignments before them."""
        joined = self.commands.replace("\\\n", " ").splitlines()
        assigned = re.compile(r"^(?:\w+=(?:\$\([^)]*\)|\S)*\s+)*")
        return [found.split()[0] for line in joined if (found := assigned.sub("", line.strip())) and found[0] != "#"]

    def is_shell(self) -> bool:
        """Whether a shell runs it."""
        return self.language in SHELL_LANGUAGES

    def problem(self) -> str | None:
        """Why no test can look after this block; None: one does."""
        if self.is_shell() or self.language in ("python", "yaml", "json"):
            return None
        if self.language != "text":
            return f"language {self.language!r} is not known here"
        return "text begins with a command" if _COMMAND.match(self.text) else None


def pages() -> list[str]:
    """README, docs and the examples' pages, relative to the repository; no pages that benchmarks wrote."""
    found = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/README.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found if not _holds_figures(path))


def _holds_figures(page: Path) -> bool:
    """A page that a benchmark wrote."""
    return page.parent.name == "benchmarks" and page.name != "README.md"


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    tokens = MarkdownIt().parse((ROOT / page).read_text())
    return [
        Block(page, token.map[0] + 1, token.info.split()[0] if token.info.split() else "", token.content)
        for token in tokens
        if token.type == "fence" and token.map
    ]


def inline_code(page: str) -> list[str]:
    """What stands between backticks in a page's text."""
    tokens = MarkdownIt().enable("table").parse((ROOT / page).read_text())
    return [child.content for token in tokens for child in token.children or [] if child.type == "code_inline"]


def stored(block: Block, folder: Path, changed: Mapping[str, str]) -> Path | None:
    """Store a block that names a file; gives the file."""
    if block.file_name is None:
        return None
    path = folder / block.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(substituted(block.text, changed))
    return path


def substituted(text: str, changed: Mapping[str, str]) -> str:
    """The text with a test's addresses and names in place of the page's; a lone `...` as a value is a token."""
    for old, new in changed.items():
        text = text.replace(old, new)
    return text


def programs(folder: Path, **own: str) -> Path:
    """A folder for PATH: `labelloop`, `python` and `make` of this checkout, nothing for what is not run here.

    `own` are shell scripts by program name, with `_` for `-`, that come before.
    """
    folder.mkdir(parents=True)
    served = Path(__file__).with_name("served_program.py")
    python = f'exec "{sys.executable}"'
    scripts = {
        "python": f'[[ "${{*:1:2}}" == "-m pytest" ]] && cd "{ROOT}" && {python} "$@" --collect-only -q\n{python} "$@"',
        "labelloop": f'{python} "{served}" "$@"',
        # Every target a page names must exist; what it does is what the tests are for.
        "make": f'exec /usr/bin/env -u MAKEFLAGS "{make_program()}" --dry-run -C "{ROOT}" "$@" >/dev/null',
        **dict.fromkeys((*NOT_RUN, *IN_THE_CLUSTER), "exit 0"),
        **{name.replace("_", "-"): script for name, script in own.items()},
    }
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return folder


def make_program() -> str:
    """The real one, whatever is in `programs()`."""
    return shutil.which("make") or "make"
