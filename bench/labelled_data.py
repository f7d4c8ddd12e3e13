"""Labelled texts to learn from and untouched ones to test on, from CSV files or from the project's own tickets."""

import argparse
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.learning import Rows

TEST_SHARE = 0.25
TEST_FILE, OUTSIDE_FILE = "test.csv", "out_of_scope.csv"
FILES = f"""
A `{TEST_FILE}` next to a data file is its untouched test part; without one a quarter of the texts is, another one for
each seed. The texts of an `{OUTSIDE_FILE}` next to it belong to no class.
"""


@dataclass(frozen=True)
class DataSet:
    """`test` None: split by seed; `outside`: texts of no class."""

    name: str
    rows: Rows
    test: Rows | None = None
    outside: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """Changes with any text or label."""
        content = json.dumps([self.name, self.rows, self.test, list(self.outside)])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def labels(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted({label for _, label in self.rows}))

    def split(self, seed: int) -> tuple[Rows, Rows]:
        """(rows to learn from, in the seed's order; rows to test on)."""
        rows = sorted(self.rows)
        random.Random(seed).shuffle(rows)
        if self.test is not None:
            return rows, self.test
        size = round(len(rows) * TEST_SHARE)
        return rows[size:], rows[:size]


def data_sets(chosen: argparse.Namespace) -> list[DataSet]:
    """One for each --data file, or the tickets (their test part has no near-duplicates and true labels)."""
    if not chosen.data:
        from examples.tickets import unseen_tickets

        unseen = [(ticket.text, ticket.intent) for ticket in unseen_tickets(1000)]
        return [DataSet("tickets", report.example_data(), unseen)]
    return [_data_set(path, chosen.text_column, chosen.label_column) for path in chosen.data]


def _data_set(path: Path, text: str, label: str) -> DataSet:
    test, outside = path.with_name(TEST_FILE), path.with_name(OUTSIDE_FILE)
    return DataSet(
        path.parent.name or path.stem,
        report.read_csv(path, text, label),
        report.read_csv(test, text, label) if test.exists() and test != path else None,
        [row for row, _ in report.read_csv(outside, text, text)] if outside.exists() else (),
    )
