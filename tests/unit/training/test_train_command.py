import json
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from examples.tickets.generator import LABELS, tickets
from tests.fakes.annotated_project import AnnotatedProject, choices_config, serve
from tests.unit.training.annotated import TOKEN, annotation, config, label_studio, moment, task, ticket_tasks

from labelloop.datasets.shards import shards_of
from labelloop.datasets.snapshot import WHY_FILE, Snapshot
from labelloop.models import load_model
from labelloop.training import train_command
from labelloop.training.reading import NO_SNAPSHOT
from labelloop.training.result import Result, read_result


def run(directory, url, **variables):
    environment = {
        "LABELLOOP_WORK_DIR": str(directory),
        "LABELLOOP_TERMINATION_LOG": str(directory / "termination-log"),
        "LABEL_STUDIO_URL": url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "LABELLOOP_PROJECT": "7",
        **variables,
    }
    code = train_command.main({name: value for name, value in environment.items() if value is not None})
    result = read_result(directory / "out" / "result.json")
    told = Result.from_json((directory / "termination-log").read_bytes())
    assert (told.outcome, told.reason, told.version, told.cut) == (
        result.outcome,
        result.reason,
        result.version,
        result.cut,
    )
    return code, result


def test_annotations_become_a_model(tmp_path, capsys):
    entries = [
        *ticket_tasks(80),
        task(500, "text of a skipped task", annotation(500, ["login"], skipped=True, seconds=900)),
    ]
    with label_studio(entries, config(LABELS)) as url:
        code, result = run(tmp_path, url, LABELLOOP_PARAMETERS='{"C": 5}')
    assert (code, result.outcome) == (0, "Trained")
    assert result.cut.size == 81
    assert json.loads(result.to_json())["cut"]["updated_at"] == moment(900)
    assert result.counts["skipped"] == 1
    assert set(result.seconds) == {"fetch", "fit", "evaluate"}
    assert load_model(tmp_path / "out" / "model").version == result.version
    assert len(Snapshot.read(tmp_path / "out" / "snapshot.jsonl.gz").rows) == 81
    log = capsys.readouterr().err
    assert "project 7: full read of 81 tasks" in log
    assert TOKEN not in log
    assert not any(entry["data"]["text"] in log for entry in entries)


def restored(directory):
    """What `restore` would leave of the last training."""
    folder = directory / "restored"
    folder.mkdir(exist_ok=True)
    return (directory / "out" / "snapshot.jsonl.gz").rename(folder / "snapshot.jsonl.gz")


@pytest.fixture
def changing():
    """A project of 60 tickets that can change, and its address."""
    project = AnnotatedProject(choices_config(LABELS))
    for ticket in tickets(60, 7):
        project.add_task({"text": ticket.text}, ticket.label)
    with serve(project) as url:
        yield project, url


def test_the_next_training_reads_what_changed(tmp_path, changing):
    project, url = changing
    _, first = run(tmp_path, url)
    restored(tmp_path)
    project.now += timedelta(hours=1)
    project.edit(3, 0, "login")
    project.annotate(5, "refund")
    project.delete_task(9)
    project.tasks_given.clear()
    _, second = run(tmp_path, url)
    assert first.read == {"mode": "full", "why": NO_SNAPSHOT, "tasks": 60}
    assert second.read == {"mode": "incremental", "why": "2 of 59 tasks read", "tasks": 2}
    assert project.tasks_given["full"] == 2
    assert "(2 of 59 tasks read)" in second.message
    assert "read" not in first.message
    (tmp_path / "again").mkdir()
    _, full = run(tmp_path / "again", url)
    assert (full.version, full.dataset_digest, full.cut) == (second.version, second.dataset_digest, second.cut)
    for file in ("model.json", "arrays.npz"):
        paths = (tmp_path / "out" / "model" / file, tmp_path / "again" / "out" / "model" / file)
        assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: content[:-10], "is truncated"),
        (lambda content: b"rubbish", "no gzip file"),
        (lambda content: content[:-30] + bytes([content[-30] ^ 1]) + content[-29:], "is damaged in the rows"),
    ],
)
def test_a_snapshot_that_cannot_be_used_means_a_full_read_that_is_told(tmp_path, changing, damage, told):
    _, url = changing
    run(tmp_path, url)
    path = restored(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    _, result = run(tmp_path, url)
    assert (result.outcome, result.read["mode"], result.read["tasks"]) == ("Trained", "full", 60)
    assert told in result.read["why"]
    assert "read in full" in result.message


def test_rows_that_prove_damaged_only_when_used_mean_a_full_read(tmp_path, changing):
    """The header tells the right digests of a row that makes no sense."""
    _, url = changing
    run(tmp_path, url)
    path = restored(tmp_path)
    earlier = Snapshot.read(path)
    lines = list(earlier.lines())
    lines[5] = (lines[5][0], lines[5][1].replace(b'"origin":"manual"', b'"origin":"nobody"'))
    replace(earlier, shards=shards_of(lines)).write(path)
    _, result = run(tmp_path, url)
    assert (result.outcome, result.read["mode"], result.read["tasks"]) == ("Trained", "full", 60)
    assert "origin is unknown" in result.read["why"]


def test_why_nothing_could_be_restored_is_told(tmp_path, changing):
    _, url = changing
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / WHY_FILE).write_text("the registry has no such snapshot\n")
    _, result = run(tmp_path, url)
    assert result.read == {"mode": "full", "why": "the registry has no such snapshot", "tasks": 60}
    assert "read in full: the registry has no such snapshot" in result.message


def test_without_snapshots_nothing_is_kept_or_used(tmp_path, changing):
    _, url = changing
    _, first = run(tmp_path, url)
    path = restored(tmp_path)
    _, second = run(tmp_path, url, LABELLOOP_STORE_SNAPSHOT="false")
    assert (second.read["mode"], second.read["tasks"]) == ("full", 60)
    assert "snapshotPolicy: None" in second.read["why"]
    assert path.exists()
    assert not (tmp_path / "out" / "snapshot.jsonl.gz").exists()
    assert second.version == first.version


def test_the_same_again_is_unchanged(tmp_path):
    with label_studio(ticket_tasks(40), config(LABELS)) as url:
        _, first = run(tmp_path, url)
        code, second = run(tmp_path, url, LABELLOOP_ACTIVE_VERSION=first.version)
    assert (code, second.outcome, second.version) == (0, "Unchanged", first.version)


def test_upstreams_name_for_c_works(tmp_path):
    with label_studio(ticket_tasks(40), config(LABELS)) as url:
        versions = [
            run(tmp_path, url, **variables)[1].version
            for variables in (
                {"LOGISTIC_REGRESSION_C": "3"},
                {"LABELLOOP_PARAMETERS": '{"C": 3.0}'},
                {"LABELLOOP_PARAMETERS": '{"C": 3.0}', "LOGISTIC_REGRESSION_C": "8"},
                {},
            )
        ]
    assert versions[0] == versions[1] == versions[2] != versions[3]


def test_nothing_annotated_is_a_result(tmp_path):
    with label_studio([task(1, "text")], config(LABELS)) as url:
        code, result = run(tmp_path, url)
    assert (code, result.outcome, result.reason) == (0, "NotEnoughData", "NoUsableAnnotations")
    assert (result.cut.updated_at, result.cut.size) == (None, 0)


@pytest.mark.parametrize(
    ("variables", "reason", "told"),
    [
        ({"LABEL_STUDIO_API_KEY": "0" * 40}, "LabelStudioUnauthorized", "401"),
        ({"LABEL_STUDIO_API_KEY": None}, "LabelStudioUnauthorized", "LABEL_STUDIO_API_KEY is not set"),
        ({"LABEL_STUDIO_URL": "http://127.0.0.1:1"}, "LabelStudioUnreachable", "127.0.0.1:1"),
        ({"LABEL_STUDIO_URL": "nonsense"}, "LabelStudioUnreachable", "'nonsense'"),
        ({"LABEL_STUDIO_CA_FILE": "/none/ca.crt"}, "LabelStudioUnreachable", "/none/ca.crt"),
        ({"LABELLOOP_ADDRESS_POLICY": "{}"}, "ConnectionAddressForbidden", "127.0.0.1 is loopback"),
        ({"LABELLOOP_ADDRESS_POLICY": "["}, "LabelStudioUnreachable", "LABELLOOP_ADDRESS_POLICY"),
        ({"LABELLOOP_PROJECT": "8"}, "ProjectNotFound", "8"),
        ({"LABELLOOP_PROJECT": "0"}, "ProjectNotFound", "at least 1"),
        ({"LABELLOOP_PROJECT": "x"}, "ProjectNotFound", "'x'"),
        ({"LABELLOOP_PARAMETERS": "{"}, "ModelFailed", "LABELLOOP_PARAMETERS"),
        ({"LABELLOOP_PARAMETERS": '{"C": 0}'}, "ModelFailed", "C is 0"),
        ({"LABELLOOP_PARAMETERS": '{"depth": 3}'}, "ModelFailed", "'depth' is unknown"),
        ({"LABELLOOP_HOLDOUT": "1"}, "ModelFailed", "at most 0.9"),
    ],
)
def test_mistakes_and_faults_are_results_with_a_reason(tmp_path, capsys, variables, reason, told):
    with label_studio(ticket_tasks(30), config(LABELS)) as url:
        code, result = run(tmp_path, url, **variables)
    assert (code, result.outcome, result.reason) == (1, "Failed", reason)
    assert told in result.message
    assert "Traceback" not in capsys.readouterr().err


def test_a_web_page_at_the_address_has_the_reason_that_registered_has(tmp_path):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>log in</html>")

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        code, result = run(tmp_path, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert (code, result.outcome, result.reason) == (1, "Failed", "NotLabelStudio")


def test_an_unusable_labelling_configuration_is_told(tmp_path):
    with label_studio(ticket_tasks(3), "<View><Image name='image' value='$image'/></View>") as url:
        code, result = run(tmp_path, url)
    assert (code, result.reason) == (1, "LabelConfigUnsupported")


def test_a_bug_in_fitting_tells_the_place_and_no_text(tmp_path, capsys, monkeypatch):
    def broken(*_arguments, **_options):
        raise ValueError("secret text of a task")

    monkeypatch.setattr(train_command, "train", broken)
    with label_studio(ticket_tasks(3), config(LABELS)) as url:
        code, result = run(tmp_path, url)
    assert (code, result.reason) == (1, "ModelFailed")
    assert "ValueError (test_train_command.py:" in result.message
    assert "secret" not in result.message + capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with label_studio(ticket_tasks(30), config(LABELS)) as url:
        code = train_command.main(
            {
                "LABELLOOP_WORK_DIR": str(blocked),
                "LABELLOOP_TERMINATION_LOG": str(tmp_path / "log"),
                "LABEL_STUDIO_URL": url,
                "LABEL_STUDIO_API_KEY": TOKEN,
                "LABELLOOP_PROJECT": "7",
            }
        )
    assert code == 1
    assert "cannot be written" in Result.from_json((tmp_path / "log").read_bytes()).message
    assert "Traceback" not in capsys.readouterr().err
