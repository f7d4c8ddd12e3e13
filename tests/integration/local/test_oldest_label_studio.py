"""Local mode next to the oldest supported release of Label Studio; the newest one is that of tests/e2e."""

from pathlib import Path

from tests.integration.serving.conftest import serve
from tests.support.label_studio_process import OLDEST, TOKEN, label_studio
from tests.support.ports import free_port
from tests.support.user import LabelStudioUser, choices_config
from tests.support.waiting import PATIENCE, eventually

from labelloop.cli.diagnosis import diagnose
from labelloop.label_studio import Credentials
from labelloop.label_studio.release import NEWEST_TESTED, OLDEST_SUPPORTED

ROOT = Path(__file__).parents[3]
TEXTS = {"warm": "red sunset over red hills, number {}", "cold": "blue water under blue sky, number {}"}
LABELLED = 40


def shown(user: LabelStudioUser, project: int) -> tuple[str, str]:
    """Version and choice that the label stream gives an annotator."""
    predictions = user.call("GET", f"/api/projects/{project}/next")["predictions"]
    if not predictions:
        return "", ""
    newest = max(predictions, key=lambda item: int(item["id"]))
    return newest["model_version"], newest["result"][0]["value"]["choices"][0]


def test_the_pinned_releases_are_the_documented_ones() -> None:
    assert f"\nlabel-studio=={OLDEST_SUPPORTED} " in OLDEST.read_text()
    assert f"\nlabel-studio=={NEWEST_TESTED} " in (ROOT / "requirements/label-studio.txt").read_text()
    for page in ("docs/operations/operator.md", "docs/user/local.md"):
        assert f"{OLDEST_SUPPORTED} to {NEWEST_TESTED}" in (ROOT / page).read_text(), page


def test_the_whole_loop_on_the_oldest_release(tmp_path: Path) -> None:
    with label_studio(OLDEST, tmp_path) as user:
        project = user.create_project("oldest release", choices_config(tuple(TEXTS)))
        labels = [list(TEXTS)[number % 2] for number in range(LABELLED + 4)]
        tasks = user.import_tasks(project, [{"text": TEXTS[label].format(n)} for n, label in enumerate(labels)])
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        variables = {
            "LABEL_STUDIO_HOST": user.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "LABELLOOP_PROJECTS": str(project),
            "LABELLOOP_REGISTER_URL": url,
            "START_TRAINING_EACH_N_UPDATES": str(LABELLED),
            "PORT": str(port),
        }
        with serve(tmp_path, variables) as server:
            eventually(lambda: shown(user, project)[0].startswith("cold-"), PATIENCE, server.told)
            user.annotate_all(list(zip(tasks[:LABELLED], labels, strict=False)))
            eventually(lambda: shown(user, project)[0].startswith("model-"), PATIENCE, server.told)
            assert shown(user, project)[1] == labels[LABELLED]
            (backend,) = user.backends(project)
            eventually(lambda: _title(user, project) == shown(user, project)[0], PATIENCE, server.told)
            assert backend["url"] == url
            found = diagnose(Credentials(user.url, TOKEN), project, url)
            assert (found.troubles, found.facts["release"]) == ([], OLDEST_SUPPORTED)


def _title(user: LabelStudioUser, project: int) -> str:
    (backend,) = user.backends(project)
    assert user.project(project)["model_version"] == backend["title"]
    return str(backend["title"])
