"""Files as people have them: each kind is read, and what cannot be read is one line with file, place and remedy."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.command_line import Done, run

WORDS = {"billing": ("invoice", "refund"), "login": ("password", "account")}
PAIRS = [(f"{word} nr {n} ü", label) for label, words in WORDS.items() for word in words for n in range(6)]


def csv_text(delimiter: str = ",", header: tuple[str, str] = ("text", "label")) -> str:
    return "".join(f"{delimiter.join(row)}\n" for row in (header, *PAIRS))


def task(number: int, text: str = "invoice", label: str = "billing", **fields: object) -> dict:
    value = {"choices": [label]}
    result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": value}]
    annotation = {"id": number, "result": result, "updated_at": "2026-11-22T06:00:00Z"}
    return {"id": number, "data": {"text": text}, "annotations": [annotation], **fields}


def export() -> list[dict]:
    return [task(number, *pair) for number, pair in enumerate(PAIRS, start=1)]


def short_form() -> list[dict]:
    return [
        {
            "text": text,
            "id": number,
            "label": label,
            "annotator": 1,
            "annotation_id": number,
            "updated_at": "2026-11-22T06:00:00Z",
            "lead_time": 1.5,
        }
        for number, (text, label) in enumerate(PAIRS, start=1)
    ]


def lines(items: list[dict]) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


READ: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "commas": ("a.csv", csv_text().encode(), ()),
    "semicolons, as Excel in Europe": ("a.csv", csv_text(";").encode("utf-8-sig"), ()),
    "tabs": ("a.tsv", csv_text("\t").encode(), ()),
    "capital letters": ("a.csv", csv_text(header=("Text", " LABEL")).encode(), ()),
    "UTF-16 with its mark": ("a.csv", csv_text().encode("utf-16"), ()),
    "Latin-1": ("a.csv", csv_text().encode("latin-1"), ("--encoding", "latin-1")),
    "JSON Lines of records": ("a.jsonl", lines([{"text": text, "label": label} for text, label in PAIRS]).encode(), ()),
    "JSON Lines of tasks": ("a.jsonl", lines(export()).encode(), ()),
    "a list of records": ("a.json", json.dumps([{"text": text, "label": label} for text, label in PAIRS]).encode(), ()),
    "JSON-MIN": ("a.json", json.dumps(short_form()).encode(), ()),
    "JSON with a mark": ("a.json", json.dumps(export()).encode("utf-8-sig"), ()),
}


@pytest.mark.parametrize("kind", READ)
def test_a_file_of_this_kind_is_trained_on_measured_and_predicted(kind: str, tmp_path: Path):
    name, content, options = READ[kind]
    (tmp_path / name).write_bytes(content)
    data = ("--data", tmp_path / name, *options)
    trained = run("train", *data, "--out", tmp_path / "m", "--json")
    assert trained.returncode == 0, trained.stderr
    told = json.loads(trained.stdout.splitlines()[-1])
    assert (told["labels"], told["counts"]["used"]) == (["billing", "login"], len(PAIRS))
    measured = run("evaluate", *data, "--model", tmp_path / "m", "--json")
    assert json.loads(measured.stdout.splitlines()[-1])["accuracy"] == 1.0
    predicted = run("predict", *data, "--model", tmp_path / "m")
    assert [line.split("\t")[2] for line in predicted.stdout.splitlines()] == [text for text, _ in PAIRS]


def changed(change: Callable[[dict], object], number: int = 4) -> str:
    items = export()
    change(items[number])
    return json.dumps(items)


def annotation(item: dict) -> dict:
    return item["annotations"][0]


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "ls": ("ls.json", changed(lambda item: item.update(id=0)), "task 5: id is 0: use a whole number from 1 to"),
    "bigid": ("bigid.json", changed(lambda item: item.update(id=2**70)), f"task 5: id is {2**70}: use a whole number"),
    "stringid": ("s.json", changed(lambda item: item.update(id="t1")), "task 5: id is 't1': use a whole number"),
    "badtime": (
        "badtime.json",
        changed(lambda item: annotation(item).update(updated_at="yesterday")),
        "task 5: annotations[1].updated_at is 'yesterday': give a time such as",
    ),
    "annstrid": (
        "annstrid.json",
        changed(lambda item: annotation(item).update(id="u1")),
        "task 5: annotations[1].id is 'u1': use a whole number",
    ),
    "strval": (
        "strval.json",
        changed(lambda item: annotation(item)["result"][0].update(value="billing")),
        "task 5: annotations[1].result[1].value is 'billing': give an object such as",
    ),
    "intchoice": (
        "intchoice.json",
        changed(lambda item: annotation(item)["result"][0]["value"].update(choices=5)),
        "task 5: annotations[1].result[1].value.choices is 5: give a list of label names",
    ),
    "annint": (
        "annint.json",
        changed(lambda item: item.update(annotations=5)),
        "task 5: annotations is 5: give a list of annotations",
    ),
    "data": ("d.json", changed(lambda item: item.update(data="invoice")), "task 5: data is 'invoice': give an object"),
    "no list": ("odd.json", '{"a": 1}', "is no list of tasks or records: export the project"),
    "no JSON": ("odd.json", "[{", "is no JSON"),
    "a broken line": ("odd.jsonl", '{"text": "a", "label": "b"}\n{"text"', "line 2 is no JSON"),
    "nested": ("odd.jsonl", '{"text": "a", "label": ["b"]}', "record 1: label is a list: use one text and one label"),
    "Excel": ("tickets.xlsx", b"PK\x03\x04", "is a spreadsheet: save it as CSV UTF-8"),
    "another kind": ("notes.txt", "a", "is of no known kind: use a table (.csv, .tsv)"),
    "headonly": ("headonly.csv", "text,label\n", "has a header but no rows"),
    "empty": ("empty.csv", "", "is empty"),
    "no labels": ("unlabelled.csv", "text,label\na,\nb,\n", "column 'label' is empty in all 2 rows"),
    "not UTF-8": (
        "latin.csv",
        csv_text().encode("latin-1"),
        "is not UTF-8 (byte 0xFC in line 2): save it as",
    ),
    "UTF-16 without a mark": ("u.csv", csv_text().encode("utf-16-le"), "give --encoding utf-16-le"),
    "unquoted commas": ("commas.csv", "text,label\nwell, well,billing\n", "line 2 has 3 cells, the header has 2: put"),
    "other columns": ("odd.csv", "a,b\n1,2\n", "has no column 'text' (columns: a, b): name it with --text-column"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_one_line(kind: str, tmp_path: Path):
    name, content, told = REFUSED[kind]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    done = run("train", "--data", tmp_path / name, "--out", tmp_path / "m")
    assert_refused(done, f"labelloop: {tmp_path / name}", told)
    assert not (tmp_path / "m").exists()


def assert_refused(done: Done, *told: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")
    assert all(part in done.stderr for part in told), done.stderr


def test_a_folder_and_an_unknown_encoding_are_one_line(tmp_path: Path):
    assert_refused(run("train", "--data", tmp_path, "--out", tmp_path / "m"), "is a folder: name a file in it")
    (tmp_path / "a.csv").write_text(csv_text())
    done = run("train", "--data", tmp_path / "a.csv", "--encoding", "klingon", "--out", tmp_path / "m")
    assert_refused(done, "--encoding is 'klingon'", "utf-16")


def test_all_three_commands_say_the_same(tmp_path: Path):
    (tmp_path / "a.csv").write_text(csv_text())
    assert run("train", "--data", tmp_path / "a.csv", "--out", tmp_path / "m").returncode == 0
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04")
    said = {
        run("train", "--data", tmp_path / "x.xlsx", "--out", tmp_path / "n").stderr,
        run("evaluate", "--data", tmp_path / "x.xlsx", "--model", tmp_path / "m").stderr,
        run("predict", "--data", tmp_path / "x.xlsx", "--model", tmp_path / "m").stderr,
    }
    assert len(said) == 1


def used(path: Path, items: list[dict]) -> dict:
    path.write_text(json.dumps(items))
    done = run("train", "--data", path, "--out", path.parent / "m", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_same_export_twice_is_the_same_data(tmp_path: Path):
    once, twice = used(tmp_path / "a.json", export()), used(tmp_path / "b.json", [*export(), *export()])
    assert (once["version"], twice["counts"]["used"]) == (twice["version"], len(PAIRS))


def test_two_projects_with_the_same_ids_are_put_together(tmp_path: Path):
    other = [task(number, f"{text} again", label) for number, (text, label) in enumerate(PAIRS, start=1)]
    assert used(tmp_path / "dup.json", [*export(), *other])["counts"]["used"] == 2 * len(PAIRS)


def test_of_two_states_of_an_annotation_the_newer_one_counts(tmp_path: Path):
    newer = task(1, PAIRS[0][0], "login")
    annotation(newer)["updated_at"] = "2026-11-23T06:00:00Z"
    done = used(tmp_path / "a.json", [newer, *export()])
    assert done["contradicting_texts"] == 0
    assert done["version"] == used(tmp_path / "b.json", [newer, *export()[1:]])["version"]


def test_tasks_and_annotations_without_ids_are_numbered(tmp_path: Path):
    items = export()
    for item in items:
        del item["id"]
        item["annotations"] = [{"result": annotation(item)["result"]}] * 2
    assert used(tmp_path / "a.json", items)["counts"]["used"] == len(PAIRS)
