"""Words that pages, docstrings, comments and messages may not use: docs/glossary.md lists each with a replacement.

`python -m tools.vocabulary` prints each use as FILE:LINE and exits with 1 when there is one (part of `make lint`).
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")
SOURCES = ("bento_service/**/*.py", "operator/**/*.py")
_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_ROW = re.compile(r"^\| (.+?) \| .+ \|$", re.MULTILINE)


def avoided(glossary: str) -> list[str]:
    """The words in the first column of the glossary's last table."""
    section = glossary.partition("## Words to avoid")[2]
    rows = _ROW.findall(section)[1:]
    return [word.strip() for row in rows if not row.startswith("---") for word in row.split(",")]


def pattern(words: list[str]) -> re.Pattern[str]:
    """Whole words, in any case, across line breaks."""
    either = "|".join(r"\s+".join(map(re.escape, word.split())) for word in words)
    return re.compile(rf"(?<![\w`/-])(?:{either})(?![\w`-])", re.IGNORECASE)


def prose_of_page(text: str) -> str:
    """The page with its code blanked out; lines keep their numbers."""
    text = _CODE_BLOCK.sub(lambda found: "\n" * found.group().count("\n"), text)
    return _CODE.sub("``", text)


def prose_of_source(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string and comment of a Python file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, _CODE.sub("``", node.value)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _CODE.sub("``", token.string)


def uses(root: Path = ROOT) -> Iterator[str]:
    """Each use of an avoided word, as FILE:LINE: WORD."""
    found = pattern(avoided((root / "docs/glossary.md").read_text()))
    for path in sorted(path for glob in PAGES for path in root.glob(glob)):
        text = prose_of_page(path.read_text())
        if path.name == "glossary.md":
            text = text.partition("## Words to avoid")[0]
        for use in found.finditer(text):
            yield f"{path.relative_to(root)}:{text.count(chr(10), 0, use.start()) + 1}: {use.group()}"
    for path in sorted(path for glob in SOURCES for path in root.glob(glob)):
        for line, text in prose_of_source(path.read_text()):
            for use in found.finditer(text):
                yield f"{path.relative_to(root)}:{line + text.count(chr(10), 0, use.start())}: {use.group()}"


def main() -> int:
    """Print all uses; 1 when there is one."""
    found = list(uses())
    for use in found:
        sys.stdout.write(f"{use} (docs/glossary.md has a replacement)\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
