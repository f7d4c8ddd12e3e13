"""The operator's spec parser: whatever an API server could deliver, and all that the CRD lets through."""

import copy
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import yaml
from tests.fuzz.cases import Broken, Report, fuzz
from tests.fuzz.odd_json import generated, mutated, odd_text

from labelloop_operator.api.durations import parse_duration
from labelloop_operator.api.quantities import quantity_value
from labelloop_operator.api.spec import Problem, Spec, parse
from labelloop_operator.api.status import Cut
from labelloop_operator.builders.deployment import deployment
from labelloop_operator.builders.metadata import Owner
from labelloop_operator.builders.training_job import Training, job

CRD = Path(__file__).parents[2] / "crds" / "labelstudiobackends.yaml"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
TRAINING = Training(Cut(NOW, 312), "config", "registry/backend:1", "registry:5000/intents", plain_http=True)
OWNER = Owner("team-a", "intents", "11111111-2222-3333-4444-555555555555")
LONGEST_MESSAGE = 2000
DURATION_SECONDS = {"backoff": 3600, "deadline": 168 * 3600, "progressDeadline": 24 * 3600}
DURATIONS = (
    "1s",
    "30s",
    "5m",
    "1h",
    "1.5h",
    "1h30m",
    "1000ms",
    "999ms",
    "24h",
    "168h",
    "60m",
    "0.5s",
    "169h",
    "99999999h",
)
QUANTITIES = (
    "0",
    "1",
    "100m",
    ".5",
    "1.",
    "1.5Gi",
    "1e3",
    "1E3",
    "2E",
    "5Ei",
    "3n",
    "7u",
    1,
    0,
    2**40,
    "123456789012345678901234567890",
)
NAMES = ("a", "label-studio", "a.b-c", "0", "a" * 253)
REPOSITORIES = ("registry.example/models/x", "127.0.0.1:5000/a", "r:5000/a/b__c-d", "[::1]:5000/a", "r/" + "a" * 253)


class SpecTarget:
    """See the module."""

    name = "spec"
    full = 100_000
    short = 1_500

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases."""
        return fuzz(Report(self.name), cases, seed, self.make, self.check)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Of the resource's spec."""
        document = yaml.safe_load(CRD.read_text(encoding="utf-8"))
        schema: dict[str, Any] = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        return schema

    @cached_property
    def _validator(self) -> jsonschema.Draft7Validator:
        return jsonschema.Draft7Validator(_with_go_patterns(self.schema))

    def make(self, random: Random) -> object:
        """Half of them follow the schema, at its edges; half are changed, or made of oddities."""
        kind = random.randrange(8)
        if kind == 0:
            return generated(random)
        if kind == 1:
            return {name: generated(random, 2) for name in self.schema["properties"] if random.random() < 0.5}
        valid = _instance(self.schema, "spec", random)
        return valid if kind < 5 else mutated(valid, random)

    def check(self, spec: object) -> str:
        """The promises."""
        try:
            delivered = _as_go_writes(spec)
        except RecursionError:
            return "too deep for this test"
        found = parse(delivered)
        if not isinstance(found, Spec):
            if not found or not all(problem.message and problem.field for problem in found):
                raise Broken("a problem without field or message")
            if max(len(str(problem)) for problem in found) > LONGEST_MESSAGE:
                raise Broken("a message without end")
            if not any(map(_is_beyond_the_crd, found)) and self._is_accepted(spec):
                raise Broken(f"the CRD accepts what parse refuses: {found[0]}")
            return "problems"
        _build(found)
        return "accepted by the CRD" if self._is_accepted(spec) else "parsed only"

    def _is_accepted(self, spec: object) -> bool:
        if not isinstance(spec, dict):
            return False
        completed = copy.deepcopy(spec)
        try:
            _apply_defaults(completed, self.schema)
            return bool(self._validator.is_valid(completed)) and _fits_rules(completed)
        except RecursionError:
            return False


def _is_beyond_the_crd(problem: Problem) -> bool:
    """What the CRD cannot say: parameters may be anything but deep, pod templates are looked at by the operator."""
    return "nest deeper" in problem.message or "podTemplate" in problem.field


def _build(spec: Spec) -> None:
    """What is made of a spec must be possible, and JSON."""
    image = spec.image or "image"
    built = (deployment(OWNER, spec, "model-1", image, "http://relay"), job(OWNER, spec, TRAINING))
    json.dumps(built, allow_nan=False)
    for seconds in (spec.training.backoff, spec.training.deadline, spec.progress_deadline):
        NOW + timedelta(seconds=seconds)


def _with_go_patterns(schema: Any) -> Any:
    """To Python `$` is also what comes before a newline at the end; to Go, and so to the API server, the end only."""
    if isinstance(schema, dict):
        return {
            name: value.removesuffix("$") + r"\Z"
            if name == "pattern" and isinstance(value, str) and value.endswith("$")
            else _with_go_patterns(value)
            for name, value in schema.items()
        }
    return [_with_go_patterns(item) for item in schema] if isinstance(schema, list) else schema


def _instance(schema: Mapping[str, Any], name: str, random: Random) -> Any:
    """A value that fits, or nearly: patterns are met by lists of examples."""
    if "properties" in schema:
        chosen = [key for key in schema["properties"] if key in schema.get("required", ()) or random.random() < 0.4]
        return {key: _instance(schema["properties"][key], key, random) for key in chosen}
    if name in ("requests", "limits"):
        return {key: random.choice(QUANTITIES) for key in ("cpu", "memory", "x.y/z") if random.random() < 0.6}
    if name == "parameters":
        return {odd_text(random): generated(random, 2) for _ in range(random.randrange(3))} | {"C": 10}
    if name in DURATION_SECONDS:
        return random.choice(DURATIONS)
    kind = schema["type"]
    if kind == "boolean":
        return random.random() < 0.5
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 2**31 - 1)
        steps = (low, high, low + (high - low) / 3) if kind == "number" else (low, high, low + 1, float(low))
        return random.choice(steps)
    if name == "repository":
        return random.choice(REPOSITORIES)
    return random.choice(NAMES) if name == "name" else random.choice(("registry/x:1", "é", "x" * 512, "a@sha256:0"))


def _as_go_writes(value: object) -> object:
    """Through the API server: whole floats come back without a fraction, what is no JSON does not come."""
    if isinstance(value, dict):
        return {key: _as_go_writes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_go_writes(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def _apply_defaults(value: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """As the API server does; it drops unknown fields too, which the parser does not read."""
    for name, field in schema.get("properties", {}).items():
        if name not in value and "default" in field:
            value[name] = copy.deepcopy(field["default"])
        if isinstance(value.get(name), dict):
            _apply_defaults(value[name], field)


def _fits_rules(spec: Mapping[str, Any]) -> bool:
    """The CEL rules of the CRD, for a spec that fits its schema."""
    durations = [
        (section[name], longest)
        for section in (spec.get("training", {}), spec.get("rollout", {}))
        for name, longest in DURATION_SECONDS.items()
        if name in section
    ]
    if not all(1 <= _seconds(text) <= longest for text, longest in durations):
        return False
    if spec["labelStudio"]["project"] >= 2**63 or spec["training"]["updatesPerTraining"] >= 2**31:
        return False
    return all(_requests_fit(spec.get(name, {}).get("resources", {})) for name in ("serving", "training"))


def _seconds(text: str) -> float:
    """As CEL's duration(): Go refuses what does not fit 64 bits of nanoseconds."""
    seconds = parse_duration(text)
    return seconds if seconds < 2**63 / 1e9 else -1


def _requests_fit(resources: Mapping[str, Any]) -> bool:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    amounts: dict[str, tuple[Fraction, Fraction]] = {
        name: (quantity_value(requests[name]), quantity_value(limits[name])) for name in requests.keys() & limits.keys()
    }
    return all(request <= limit for request, limit in amounts.values())
