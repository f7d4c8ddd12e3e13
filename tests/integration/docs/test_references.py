"""What the pages name is there: files, links, namespaces, the Python that has the project's packages, settings."""

import re
from collections.abc import Iterator

import pytest
import yaml
from markdown_it import MarkdownIt
from tests.support.documents import ROOT, blocks, inline_code, pages
from tests.support.lab import OPERATOR, OPERATOR_NAMESPACE

ALL = sorted({*pages(), "tests/cluster/README.md", *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*/*.md"))})
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
MADE = ("build", "dist")
"""Folders that commands make."""
_PATH = re.compile(rf"\b(?:{'|'.join(name for name in FOLDERS if name not in MADE)})/[\w*{{}},./-]*\w[/*]?")
_OWN_MODULES = r"(?:tools|tests|bench|examples)\b"
_BARE_PYTHON = re.compile(rf"(?<![\w/.-])python3? -m (?:{_OWN_MODULES}|pytest (?:-\w+ )*tests/)")


def named_files(text: str) -> Iterator[str]:
    """The paths of this repository that a piece of code names; a `*` stands for any characters."""
    for word in text.split():
        found = _PATH.match(word.strip("`'\"()"))
        if found and not {"{", "}"} & set(found.group()):
            yield found.group().rstrip("/")


def links(page: str) -> list[str]:
    """Where a page's links and pictures lead, those to other sites left out, without anchors."""
    tokens = MarkdownIt().enable("table").parse((ROOT / page).read_text())
    children = [child for token in tokens for child in token.children or []]
    found = [str(child.attrs.get("href") or child.attrs.get("src") or "") for child in children]
    return [link.partition("#")[0] for link in found if link.partition("#")[0] and "://" not in link]


@pytest.mark.parametrize("page", ALL)
def test_files_that_a_page_names_exist(page: str) -> None:
    code = [*inline_code(page), *(block.text for block in blocks(page))]
    named = {path for text in code for path in named_files(text)}
    assert sorted(path for path in named if not any(ROOT.glob(path))) == []


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    assert [link for link in links(page) if not (folder / link).exists()] == []


def test_a_path_that_does_not_exist_is_found() -> None:
    text = "predictions do not need either (tests/e2e/test_no_such_file.py), `docs/*.md`, https://example/docs/x"
    assert list(named_files(text)) == ["tests/e2e/test_no_such_file.py", "docs/*.md"]


@pytest.mark.parametrize("page", ALL)
def test_pages_agree_on_the_operators_namespace(page: str) -> None:
    text = (ROOT / page).read_text()
    commands = re.findall(rf"helm (?:install|upgrade)(?:.*\\\n)*.*|kubectl .*{OPERATOR}[^`\n]*", text)
    used = [found for command in commands for found in re.findall(r"(?:--namespace|-n)[ =](\S+)", command)]
    assert set(used) <= {OPERATOR_NAMESPACE}


@pytest.mark.parametrize("page", [page for page in ALL if "helm install labelloop" in (ROOT / page).read_text()])
def test_an_installation_says_what_a_registry_without_tls_needs(page: str) -> None:
    after = (ROOT / page).read_text().partition("helm install labelloop")[2]
    section = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    assert "registry.plainHTTP=true" in section


@pytest.mark.parametrize("page", pages())
def test_the_projects_own_programs_are_run_by_its_own_python(page: str) -> None:
    code = [*inline_code(page), *(block.text for block in blocks(page) if block.is_shell())]
    assert [text for text in code if _BARE_PYTHON.search(text)] == []


def test_the_label_studio_for_trials_lies_where_the_pages_look_for_it() -> None:
    manifests = list(yaml.safe_load_all((ROOT / "examples/label-studio/label-studio.yaml").read_text()))
    (service,) = [found for found in manifests if found["kind"] == "Service"]
    (secret,) = [found for found in manifests if found["kind"] == "Secret"]
    place, (port,) = service["metadata"], service["spec"]["ports"]
    address = f"http://{place['name']}.{place['namespace']}.svc.cluster.local:{port['port']}"
    for page in ("README.md", "examples/label-studio/README.md"):
        assert f"--from-literal=url={address}" in (ROOT / page).read_text()
    token = secret["stringData"]["LABEL_STUDIO_USER_TOKEN"]
    assert f"--from-literal=token={token}" in (ROOT / "examples/label-studio/README.md").read_text()


def test_every_namespace_that_the_readme_uses_is_made_there() -> None:
    text = (ROOT / "README.md").read_text()
    used = set(re.findall(r"kubectl -n (\S+)", text))
    assert used <= {*re.findall(r"kubectl create namespace (\S+)", text), OPERATOR_NAMESPACE}
