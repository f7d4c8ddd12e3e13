"""`python -m examples.tickets`: writes the sample data to standard output."""

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, TextIO

import typer
from examples.tickets.generator import Ticket, tickets, unseen_tickets


class Format(StrEnum):
    """How texts are written."""

    csv = "csv"
    tasks = "tasks"


def main(
    count: int = typer.Option(4000, min=1, max=100_000, help="How many texts."),
    seed: int = typer.Option(7, help="Another seed gives other texts."),
    format: Annotated[  # noqa: A002  (the option's name)
        Format, typer.Option(help="csv: text, label, intent. tasks: JSON for Label Studio's import.")
    ] = Format.csv,
    unseen: bool = typer.Option(False, help="Texts for measuring, with true labels; never among the others."),
    labelled: bool = typer.Option(False, help="tasks only: with annotations."),
) -> None:
    """Write support tickets in 12 intents to standard output."""
    made = unseen_tickets(count, seed) if unseen else tickets(count, seed)
    if format is Format.csv:
        write_csv(made, sys.stdout)
    else:
        json.dump([task(ticket, labelled=labelled) for ticket in made], sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")


def write_csv(made: Sequence[Ticket], file: TextIO) -> None:
    """Columns text, label (the annotator's), intent (the truth)."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["text", "label", "intent"])
    writer.writerows([ticket.text, ticket.label, ticket.intent] for ticket in made)


def task(ticket: Ticket, *, labelled: bool = False) -> dict[str, object]:
    """A task in the form Label Studio imports; `labelled` adds an annotation with the annotator's label."""
    item: dict[str, object] = {"data": {"text": ticket.text}}
    if labelled:
        choice = {
            "from_name": "label",
            "to_name": "text",
            "type": "choices",
            "origin": "manual",
            "value": {"choices": [ticket.label]},
        }
        # Label Studio takes imported annotations for ground truth unless reported otherwise.
        item["annotations"] = [{"result": [choice], "ground_truth": False, "was_cancelled": False}]
    return item


if __name__ == "__main__":
    typer.run(main)
