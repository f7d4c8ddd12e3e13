"""Whether the texts of a training are addresses in the place of texts, which is reported instead of learnt."""

from collections.abc import Sequence

from labelloop.datasets.examples import Example
from labelloop.text.task_text import is_file_reference, looks_like_address

SAMPLE = 200
"""Examples looked at; a project's texts are of one kind as a rule."""
REMEDY = "store the text itself in the tasks, or use a custom model that fetches it"


def only_references(examples: Sequence[Example]) -> str | None:
    """Why nothing can be learnt from the texts: they are names of files; None unless all are."""
    texts = _sample(examples)
    if not texts or not all(map(is_file_reference, texts)):
        return None
    return f"the texts are references to files, not texts (as in /data/local-files/?d=... or s3://...): {REMEDY}"


def mostly_addresses(examples: Sequence[Example]) -> str | None:
    """A warning; None when fewer than half of the texts are addresses."""
    texts = _sample(examples)
    found = sum(map(looks_like_address, texts))
    return f"{found} of the first {len(texts)} texts look like addresses: {REMEDY}" if 2 * found > len(texts) else None


def _sample(examples: Sequence[Example]) -> list[str]:
    return [example.text for example in examples[:SAMPLE]]
