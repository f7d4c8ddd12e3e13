"""Tables of texts: CSV, TSV, and JSON records; columns are found whatever their case."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelloop.datasets.text_file import DataFileError

DELIMITERS = ",;\t|"
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns."""

    path: Path
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = field(repr=False)

    def column(self, name: str, option: str) -> list[str]:
        """The cells of a column. Raises DataFileError that names the `option` to choose another one."""
        place = self._place(name)
        if place is None:
            columns = ", ".join(self.columns)
            raise DataFileError(f"{self.path} has no column {name!r} (columns: {columns}): name it with {option}")
        return [row[place] for row in self.rows]

    def _place(self, name: str) -> int | None:
        """Of the column of exactly this name, else of one that differs in case or outer space only."""
        if name in self.columns:
            return self.columns.index(name)
        folded = [column.strip().casefold() for column in self.columns]
        return folded.index(name.strip().casefold()) if name.strip().casefold() in folded else None


def table_of_csv(path: Path, text: str) -> Table:
    """The table of a CSV or TSV file; the delimiter is the one that gives the most columns. Raises DataFileError."""
    csv.field_size_limit(2**31 - 1)
    try:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(DELIMITERS, key=lambda one: len(_header(text, one)))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = next(reader)
        rows = [_row(path, row, len(columns), reader.line_num, delimiter) for row in reader if row]
    except csv.Error as error:
        raise DataFileError(f"{path} is no table ({error}): save it as CSV UTF-8") from None
    return _with_rows(Table(path, columns, rows))


def table_of_records(path: Path, records: Sequence[Mapping[str, Any]]) -> Table:
    """The table of JSON objects without nested values. Raises DataFileError."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = []
    for number, record in enumerate(records, start=1):
        nested = next((name for name, value in record.items() if not isinstance(value, _SCALARS)), None)
        if nested is not None:
            raise DataFileError(
                f"{path}: record {number}: {nested} is a {'list' if isinstance(record[nested], list) else 'object'}: "
                "use one text and one label a record, or export the project from Label Studio as JSON"
            )
        rows.append([_cell(record.get(name)) for name in columns])
    return _with_rows(Table(path, columns, rows))


def _header(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _row(path: Path, row: list[str], wanted: int, line: int, delimiter: str) -> list[str]:
    """Cells that are missing at the end are empty."""
    if any(cell.strip() for cell in row[wanted:]):
        raise DataFileError(
            f"{path}: line {line} has {len(row)} cells, the header has {wanted}: "
            f"put texts that hold {'a tab' if delimiter == chr(9) else repr(delimiter)} in double quotes"
        )
    return [*row[:wanted], *[""] * (wanted - len(row))]


def _with_rows(table: Table) -> Table:
    if not table.rows:
        raise DataFileError(f"{table.path} has a header but no rows: give a file with labelled texts")
    return table


def _cell(value: object) -> str:
    return "" if value is None else str(value)
