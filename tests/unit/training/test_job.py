import json

import pytest
from examples.tickets.generator import LABELS
from tests.unit.training.annotated import TOKEN, annotation, config, label_studio, moment, task, ticket_tasks

from labelloop.datasets.snapshot import Snapshot
from labelloop.models import load_model
from labelloop.training import job
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
    code = job.main({name: value for name, value in environment.items() if value is not None})
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
    assert "read 81 tasks of project 7" in log
    assert TOKEN not in log
    assert not any(entry["data"]["text"] in log for entry in entries)


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


def test_an_unusable_labelling_configuration_is_told(tmp_path):
    with label_studio(ticket_tasks(3), "<View><Image name='image' value='$image'/></View>") as url:
        code, result = run(tmp_path, url)
    assert (code, result.reason) == (1, "LabelConfigUnsupported")


def test_a_bug_in_fitting_tells_the_place_and_no_text(tmp_path, capsys, monkeypatch):
    def broken(*_arguments, **_options):
        raise ValueError("secret text of a task")

    monkeypatch.setattr(job, "train", broken)
    with label_studio(ticket_tasks(3), config(LABELS)) as url:
        code, result = run(tmp_path, url)
    assert (code, result.reason) == (1, "ModelFailed")
    assert "ValueError (test_job.py:" in result.message
    assert "secret" not in result.message + capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with label_studio(ticket_tasks(30), config(LABELS)) as url:
        code = job.main(
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
