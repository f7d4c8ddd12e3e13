"""`train`, `evaluate` and `predict` on files, as programs use them: exit code and the last line."""

import csv
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
    assert [line.split("\t")[::2] for line in lines] == [["billing", "refund"], ["login", "account"]]


def test_predictions_are_written_beside_all_columns(model: tuple[Path, dict], tmp_path: Path):
    (tmp_path / "in.csv").write_text("id,Text,label\n7,the invoice,kept\n8,  ,kept\n")
    out = tmp_path / "out.csv"
    done = run("predict", "--model", model[0], "--data", tmp_path / "in.csv", "--out", out, "--top-k", 2)
    assert done.returncode == 0, done.stderr
    first, blank = csv.DictReader(out.open(newline=""))
    assert (first["id"], first["Text"], first["label"]) == ("7", "the invoice", "kept")
    assert (first["predicted_label"], first["predicted_label_2"]) == ("billing", "login")
    best, second, margin = (float(first[f"predicted_label{end}"]) for end in ("_score", "_2_score", "_margin"))
    assert margin == pytest.approx(best - second, abs=1e-5)
    assert blank["predicted_label"] == blank["predicted_label_score"] == ""


def test_a_blank_text_is_answered_with_nothing_as_by_the_server(model: tuple[Path, dict]):
    assert answer("predict", "--model", model[0], "--text", "", "--text", " \n")["predictions"] == [{}, {}]
    assert run("predict", "--model", model[0], "--text", "").stdout == "\t\t\n"


def test_an_unlabelled_export_is_predicted_with_its_ids(model: tuple[Path, dict], tmp_path: Path):
    (tmp_path / "tasks.json").write_text(json.dumps([{"id": 41, "data": {"body": "the invoice"}, "annotations": []}]))
    told = answer("predict", "--model", model[0], "--data", tmp_path / "tasks.json", "--top-k", "2")
    assert told["rows"] == [{"id": "41", "body": "the invoice"}]
    assert [one["label"] for one in told["predictions"][0]["label"]["ranked"]] == ["billing", "login"]


def test_a_share_that_is_asked_for_is_held_out(data: Path, tmp_path: Path, model: tuple[Path, dict]):
    half = answer("train", "--data", data, "--out", tmp_path / "half", "--holdout", "0.5")
    assert 38 <= half["examples"] <= 58  # of 96, by hash
    assert half["version"] == model[1]["version"]
    assert answer("train", "--data", data, "--out", tmp_path / "none", "--holdout", "0").get("accuracy") is None


def test_contradicting_labels_of_a_text_are_reported(tmp_path: Path):
    table(tmp_path / "conf.csv").open("a").write("both ways,billing\nboth ways,login\nboth ways,login\n")
    done = run("train", "--data", tmp_path / "conf.csv", "--out", tmp_path / "m")
    assert "1 text has contradicting labels" in done.stdout
    assert "contradicting labels: task 97 says 'billing', task 98 says 'login'" in done.stderr


def test_few_texts_have_no_metrics_and_say_so_once(tmp_path: Path):
    done = run("train", "--data", table(tmp_path / "tiny.csv", copies=1), "--out", tmp_path / "m")
    assert "no metrics: 0 texts held out, 10 are needed\n" in done.stdout


def test_a_training_that_fails_leaves_no_folder(tmp_path: Path):
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n")
    assert run("train", "--data", tmp_path / "one.csv", "--out", tmp_path / "deep" / "m").returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv"]
    (tmp_path / "mine").mkdir()
    run("train", "--data", tmp_path / "one.csv", "--out", tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()


def test_evaluate_ranks_labels_and_names_confusions(model: tuple[Path, dict], tmp_path: Path):
    rows = [*pairs(), *[(f"the invoice charge {number}", "login") for number in range(20)], ("rare", "billing")]
    (tmp_path / "x.csv").write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    lines = run("evaluate", "--model", model[0], "--data", tmp_path / "x.csv").stdout.splitlines()
    by_label = next(place for place, line in enumerate(lines) if line.split() == HEADER)
    assert [line.split()[0] for line in lines[by_label + 1 : by_label + 3]] == ["login", "billing"]
    assert [line.split() for line in lines[-2:]] == [["labelled", "predicted", "texts"], ["login", "billing", "20"]]


HEADER = ["label", "texts", "precision", "recall", "f1"]


def test_evaluate_names_labels_that_the_model_does_not_know(model: tuple[Path, dict], tmp_path: Path):
    some = table(tmp_path / "some.csv")
    some.open("a").write("odd,Weird\n")
    done = run("evaluate", "--model", model[0], "--data", some)
    assert done.returncode == 0
    assert "1 of 97 texts have labels that the model does not know: Weird; they count as mistakes" in done.stderr
    weird = next(line for line in done.stdout.splitlines() if line.startswith("Weird"))
    assert weird.split() == ["Weird", "1", "-", "-", "-"]  # too few texts for a figure
    assert answer("evaluate", "--model", model[0], "--data", some)["unknown_labels"] == {"Weird": 1}


def test_evaluate_refuses_a_file_of_another_model(model: tuple[Path, dict], tmp_path: Path):
    (tmp_path / "all.csv").write_text("text,label\n" + "some text,Weird\n" * 600)
    done = run("evaluate", "--model", model[0], "--data", tmp_path / "all.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "600 of 600 texts have labels that the model does not know: Weird. The model knows billing, " in done.stderr


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
        (("train", "--data", "{tmp}/one.csv", "--out", "{tmp}/m"), 3, "TooFewLabels"),
        (("train", "--data", "{tmp}/odd.csv"), 2, "train needs --out"),
        (("predict", "--model", "m", "--text", "a", "--data", "{tmp}/odd.csv"), 2, "--text and --data exclude each"),
        (("train", "--project", "7", "--out", "{tmp}/m"), 2, "LABEL_STUDIO_API_KEY is not set"),
        (("evaluate", "--model", "{tmp}", "--data", "{tmp}/odd.csv"), 2, "--model cannot be used"),
        (("predict", "--model", "{tmp}/none", "--text", "a"), 2, "--model cannot be used"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_documented_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
):
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
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
