"""The check of the vocabulary finds avoided words in prose, and only there."""

from pathlib import Path

import pytest
from tools.vocabulary import avoided, pattern, prose_of_page, prose_of_source, uses

GLOSSARY = """# Glossary

| term | meaning |
|---|---|
| **cut** | told elsewhere |

## Words to avoid

| instead of | write |
|---|---|
| told, tells of | reported |
| set right | restored |
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/glossary.md").write_text(GLOSSARY)
    (tmp_path / "bento_service").mkdir()
    return tmp_path


def test_the_words_are_those_of_the_glossarys_last_table() -> None:
    assert avoided(GLOSSARY) == ["told", "tells of", "set right"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is told.", 1),
        ("It is set\nright.", 1),
        ("Told twice, told", 2),
        ("untold", 0),
        ("told_by", 0),
        ("a/told", 0),
    ],
)
def test_whole_words_are_found_in_any_case_and_across_lines(text: str, found: int) -> None:
    assert len(pattern(["told", "set right"]).findall(text)) == found


def test_code_in_pages_is_no_prose() -> None:
    page = "a `told`\n```text\ntold\n```\ntold\n"
    assert prose_of_page(page).count("told") == 1
    assert prose_of_page(page).count("\n") == page.count("\n")


def test_strings_and_comments_are_prose_and_names_are_not() -> None:
    found = list(prose_of_source('told = 1\nshown = "as told"  # by whom\n'))
    assert found == [(2, "as told"), (2, "# by whom")]


def test_each_use_is_named_with_file_and_line(root: Path) -> None:
    (root / "README.md").write_text("Fine.\n\nIt is told.\n")
    (root / "bento_service/a.py").write_text('"""Fine."""\n\n\ndef f() -> str:\n    """What tells of it."""\n')
    assert list(uses(root)) == ["README.md:3: told", "docs/glossary.md:5: told", "bento_service/a.py:5: tells of"]
