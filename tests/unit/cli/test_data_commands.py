"""`train`, `evaluate` and `predict` on files, as programs use them: exit code and the last line."""

import json
from pathlib import Path

import pytest
from tests.support.command_line import run

WORDS = {"billing": "invoice charge refund card", "login": "password reset account locked"}


def answer(*arguments: object, text: str = "") -> dict:
    done = run(*arguments, "--json", text=text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def pairs(copies: int = 12) -> list[tuple[str, str]]:
    return [
        (f"{one} {two} number {number}", label)
        for number in range(copies)
        for label, words in WORDS.items()
        for one in words.split()[:2]
        for two in words.split()[2:]
    ]


def table(path: Path, header: str = "text,label", copies: int = 12) -> Path:
    path.write_text("\n".join([header, *(f'"{text}",{label}' for text, label in pairs(copies))]) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data") / "tickets.csv")


@pytest.fixture(scope="module")
def model(data: Path) -> tuple[Path, dict]:
    out = data.parent / "model"
    return out, answer("train", "--data", data, "--out", out)


def test_train_tells_version_time_and_metrics(model: tuple[Path, dict]):
    out, told = model
    assert told["version"].startswith("model-")
    assert told["fit_seconds"] > 0
    assert told["accuracy"] == 1.0
    assert told["metrics"]["examples"] < told["counts"]["used"] == 96
    assert told["labels"] == ["billing", "login"]
    assert json.loads((out / "model.json").read_text())["version"] == told["version"]
    assert sorted(path.name for path in out.iterdir()) == ["arrays.npz", "golden.json", "model.json", "result.json"]


def test_evaluate_tells_the_four_figures(model: tuple[Path, dict], data: Path):
    told = answer("evaluate", "--model", model[0], "--data", data)
    assert (told["accuracy"], told["macro_f1"], told["version"]) == (1.0, 1.0, model[1]["version"])
    assert 0 <= told["log_loss"] < 0.2
    assert 0 <= told["ece"] <= 1
    assert "accuracy   1.0000" in run("evaluate", "--model", model[0], "--data", data).stdout


def test_predict_from_options_table_and_standard_input(model: tuple[Path, dict], data: Path):
    told = answer("predict", "--model", model[0], "--text", "the invoice", "--text", "my password")
    assert [entry["label"]["choices"] for entry in told["predictions"]] == [["billing"], ["login"]]
    assert len(answer("predict", "--model", model[0], "--data", data)["predictions"]) == 96
    lines = run("predict", "--model", model[0], text="refund\naccount\n").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["billing", "login"]


def test_label_studios_export_is_read_as_it_is(tmp_path: Path):
    def task(number: int, text: str, label: str) -> dict:
        result = {"from_name": "topic", "to_name": "body", "type": "choices", "value": {"choices": [label]}}
        annotation = {"id": number, "result": [result], "was_cancelled": False, "updated_at": "2026-11-22T06:00:00Z"}
        return {"id": number, "data": {"body": text, "number": 3}, "annotations": [annotation]}

    export = tmp_path / "export.json"
    export.write_text(json.dumps([task(number, *pair) for number, pair in enumerate(pairs(), start=1)]))
    told = answer("train", "--data", export, "--out", tmp_path / "model")
    assert told["labels"] == ["billing", "login"]
    assert answer("evaluate", "--model", tmp_path / "model", "--data", export)["accuracy"] == 1.0
    (entry,) = answer("predict", "--model", tmp_path / "model", "--text", "the invoice")["predictions"]
    assert entry["topic"]["choices"] == ["billing"]


def test_other_columns_and_the_same_data_give_the_same_version(tmp_path: Path, model: tuple[Path, dict]):
    data = table(tmp_path / "other.csv", "utterance,intent")
    columns = ("--text-column", "utterance", "--label-column", "intent")
    assert answer("train", "--data", data, "--out", tmp_path / "m", *columns)["version"] == model[1]["version"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("train", "--data", "{tmp}/none.csv", "--out", "{tmp}/m"), 2, "none.csv cannot be read"),
        (("train", "--data", "{tmp}/odd.csv", "--out", "{tmp}/m"), 2, "has no column 'text' (columns: a, b)"),
        (("train", "--data", "{tmp}/odd.txt", "--out", "{tmp}/m"), 2, "neither .csv, .tsv nor .json"),
        (("train", "--data", "{tmp}/odd.json", "--out", "{tmp}/m"), 2, "is no list of tasks"),
        (("train", "--data", "{tmp}/binary.csv", "--out", "{tmp}/m"), 2, "is no UTF-8 table"),
        (("train", "--data", "{tmp}/one.csv", "--out", "{tmp}/m"), 3, "TooFewLabels"),
        (("train", "--data", "{tmp}/odd.csv"), 2, "train needs --out"),
        (("train", "--project", "7", "--out", "{tmp}/m"), 2, "LABEL_STUDIO_API_KEY is not set"),
        (("evaluate", "--model", "{tmp}", "--data", "{tmp}/odd.csv"), 2, "--model cannot be used"),
        (("predict", "--model", "{tmp}/none", "--text", "a"), 2, "--model cannot be used"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_documented_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
):
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    (tmp_path / "odd.txt").write_text("")
    (tmp_path / "odd.json").write_text('{"a": 1}')
    (tmp_path / "binary.csv").write_bytes(b"text,label\n\xff\xfe,\x00\n")
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n")
    done = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert told in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    [("serve",), ("train",), ("evaluate",), ("predict",), ("check",), ("restore",), ("publish",)]
    + [("models", name) for name in ("list", "show", "rollback", "prune")],
)
def test_the_help_of_every_command_has_an_example(command: tuple[str, ...]):
    told = run(*command, "--help").stdout
    assert "Example: " in told
    assert "labelloop" in told
