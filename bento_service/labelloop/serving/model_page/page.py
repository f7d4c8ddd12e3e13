"""The page a person gets at the backend's address: what answers, how good it is and where it comes from. No task texts.

Everything is in the one document (no script, no other file), so it works offline and under a strict policy. What the
model file says is escaped and read with suspicion: a value of another kind than expected is left out.
"""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.json_values import as_mapping, as_number, as_text, as_time
from labelloop.page_facts import Facts
from labelloop.serving.model_page.figures import Figure, controls
from labelloop.serving.model_page.plots import BOX, version_plots, y_ticks
from labelloop.serving.model_page.versions import figure, moment, origin_lines, versions

if TYPE_CHECKING:
    from jinja2 import Template

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
TEMPLATE = Path(__file__).with_name("model_page.html")


def page(facts: Facts) -> bytes:
    """The document, UTF-8. Raises nothing that the model's file could cause."""
    metrics = as_mapping(facts.model.metrics) if facts.model else {}
    origin = as_mapping(metrics.get("origin"))
    found = versions(facts, metrics, origin)
    text = _template().render(
        facts=facts,
        since=as_time(facts.since) if facts.since else None,
        created=moment(facts.model.created_at) if facts.model else None,
        controls=controls(facts.model, metrics, origin),
        plots=version_plots(found),
        versions=found[::-1],
        origin=origin_lines(metrics, origin),
        box=BOX,
        y_ticks=y_ticks(),
    )
    return text.encode("utf-8", "replace")


def page_json(facts: Facts) -> bytes:
    """What the page shows, for programs."""
    metrics = as_mapping(facts.model.metrics) if facts.model else {}
    origin = as_mapping(metrics.get("origin"))
    tone, state = facts.state
    document = {
        "model_version": facts.version,
        "model_class": facts.model_class,
        "state": state,
        "tone": tone,
        "problem": facts.problem,
        "fault": facts.fault,
        "project": facts.project,
        "projects": [asdict(line) for line in facts.projects],
        "notes": [{"tone": note.tone, "text": note.text} for note in facts.notes],
        "serves_since": facts.since,
        "controls": [
            {
                "name": control.name,
                "missing": control.missing,
                "figures": {title: _figure(found) for title, found in control.figures},
                "labels": [
                    {
                        "label": row.label,
                        "texts": row.texts,
                        "held_out": row.held_out,
                        "few": row.few,
                        **dict(zip(("precision", "recall", "f1"), map(_figure, row.figures), strict=False)),
                    }
                    for row in control.classes
                ],
                "confusions": control.confusions,
            }
            for control in controls(facts.model, metrics, origin)
        ],
        "versions": [
            {
                **{name: entry.get(name) for name in ("version", "created", "promoted", "state")},
                "trained_on": as_number(entry["trained_on"]),
                "accuracy": _figure(figure(entry)),
            }
            for entry in versions(facts, metrics, origin)
        ],
    }
    return json.dumps(document, allow_nan=False).encode()


def _figure(found: Figure) -> dict[str, object]:
    return {"value": found.value, "interval": found.interval}


@cache
def _template() -> "Template":
    # Imported here: BentoML brings it along, but a start does not need it.
    from jinja2 import Environment
    from markupsafe import Markup, escape

    def wrapped(name: str) -> Markup:
        """A name that may be broken after its underscores."""
        return Markup("_<wbr>").join(map(escape, name.split("_")))

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": as_text, "figure": figure, "moment": moment, "wrapped": wrapped}
    return environment.from_string(TEMPLATE.read_text("utf-8"))
