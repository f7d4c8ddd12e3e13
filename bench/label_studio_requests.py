"""Requests in the form in which Label Studio 1.23 sends them (recorded: tests/samples/label-studio)."""

import json
from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import quoteattr

PROJECT = "1.1795325720"
CONTROL = "label"


def label_config(labels: Iterable[str]) -> str:
    """A single choice over a text, with these labels."""
    options = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    choices = f'<Choices name="{CONTROL}" toName="text" choice="single" showInLine="true">{options}</Choices>'
    return f'<View><Text name="text" value="$text"/>{choices}</View>'


def setup_body(config: str) -> bytes:
    """The call before each prediction."""
    body = {
        "project": PROJECT,
        "schema": config,
        "hostname": "http://localhost:8080",
        "access_token": "0" * 40,
        "extra_params": None,
    }
    return json.dumps(body).encode()


def predict_body(texts: Sequence[str], config: str) -> bytes:
    """One prediction request with a task for each text."""
    body = {
        "tasks": [_task(number, text) for number, text in enumerate(texts, start=1)],
        "project": PROJECT,
        "label_config": config,
        "params": {"login": None, "password": None, "context": None},
    }
    return json.dumps(body).encode()


def lengthened(texts: Iterable[str], characters: int) -> Iterator[str]:
    """Texts joined one after the other until each has `characters`, cut there."""
    text = ""
    for part in texts:
        text = f"{text} {part}".strip()
        if len(text) >= characters:
            yield text[:characters]
            text = ""


def _task(number: int, text: str) -> dict[str, object]:
    return {
        "id": number,
        "data": {"text": text},
        "meta": {},
        "created_at": "2026-11-22T05:35:20.974432Z",
        "updated_at": "2026-11-22T05:35:20.974437Z",
        "is_labeled": False,
        "overlap": 1,
        "inner_id": number,
        "total_annotations": 0,
        "cancelled_annotations": 0,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": 1,
        "updated_by": None,
        "file_upload": None,
        "comment_authors": [],
        "annotations": [],
        "predictions": [],
    }
