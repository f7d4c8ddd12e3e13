import argparse
import json
from pathlib import Path

import pytest
from bench import report
from matplotlib.figure import Figure


def draw(figure: Figure) -> None:
    figure.subplots().bar(["ours", "peer"], [2, 1])


def test_a_report_is_a_page_with_machine_and_plot_raw_numbers_and_a_plot(tmp_path: Path) -> None:
    page = report.write("some", "Some figures", ["| a |", "|---|"], {"ratios": {"speed": 2.5}}, draw, target=tmp_path)

    text = page.read_text()
    assert text.startswith("# Some figures\n")
    assert report.machine() in text
    assert "![Some figures](some.svg)" in text
    assert text.endswith("| a |\n|---|\n")
    data = json.loads((tmp_path / "some.json").read_text())
    assert data == {"machine": report.machine(), "ratios": {"speed": 2.5}}
    assert (tmp_path / "some.svg").read_text().lstrip().startswith("<?xml")


def test_the_same_numbers_give_the_same_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        report.write("some", "Some figures", [], {}, draw, target=tmp_path / folder)
    assert (tmp_path / "a/some.svg").read_bytes() == (tmp_path / "b/some.svg").read_bytes()


def test_no_plot_no_picture(tmp_path: Path) -> None:
    assert "![" not in report.write("some", "Some figures", [], {}, target=tmp_path).read_text()
    assert not (tmp_path / "some.svg").exists()


def test_the_machine_is_told_in_one_line() -> None:
    assert "cores" in report.machine()
    assert "Python 3" in report.machine()
    assert "\n" not in report.machine()


def test_texts_and_labels_come_from_the_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('\ufefftext,category,other\n"one, two",a,x\nthree,b,x\n,b,x\n', encoding="utf-8")
    assert report.read_csv(path, label_column="category") == [("one, two", "a"), ("three", "b")]


def test_a_missing_column_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,category\none,a\n")
    with pytest.raises(SystemExit, match=r"no column label \(columns: text, category\).*--label-column"):
        report.read_csv(path)


def test_a_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere.csv cannot be read"):
        report.read_csv(tmp_path / "nowhere.csv")


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"text,label\nGr\xfc\xdfe,a\n")
    with pytest.raises(SystemExit, match="UTF-8"):
        report.read_csv(path)


def test_without_data_the_tickets_are_taken() -> None:
    chosen = report.arguments("Measure.", rounds=3).parse_args([])
    assert chosen.rounds == 3
    assert chosen.out == report.TARGET
    (name, rows), *others = report.data_sets(chosen).items()
    assert (name, len(rows), others) == ("tickets", 4000, [])


def test_data_sets_are_named_after_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank/train.csv").write_text("text,label\none,a\n")
    chosen: argparse.Namespace = report.arguments("Measure.", rounds=3).parse_args(
        ["--data", str(tmp_path / "bank/train.csv")]
    )
    assert report.data_sets(chosen) == {"bank/train": [("one", "a")]}


def test_tables_align_numbers() -> None:
    assert report.table(["what", "s"], [["a", 1.5]]) == ["| what | s |", "|---|---:|", "| a | 1.5 |", ""]
