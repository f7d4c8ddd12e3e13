"""Writes docs/user/resource.md: the reference of the resource, made from the CRD, which is the source of truth.

`python -m tools.resource_reference` writes it; a unit test says when that was forgotten.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CRD = ROOT / "crds" / "labelstudiobackends.yaml"
PAGE = ROOT / "docs" / "user" / "resource.md"

HEAD = """# The resource LabelStudioBackend

<!-- Made from crds/labelstudiobackends.yaml by `python -m tools.resource_reference`; do not edit. -->

`labelloop.dev/v1alpha1`, namespaced, short name `lsb`. `kubectl explain lsb.spec` tells the same.
The smallest useful one:

```yaml
apiVersion: labelloop.dev/v1alpha1
kind: LabelStudioBackend
metadata: {name: intents, namespace: team-a}
spec:
  labelStudio: {connectionSecretRef: {name: label-studio}, project: 7}
  training: {updatesPerTraining: 50}
# kubectl create secret generic label-studio --from-literal=url=http://label-studio.tools.svc.cluster.local:8080 \\
#   --from-literal=token=...
```

Names have at most 43 characters, start with a letter and hold lower-case letters, digits and hyphens only.

Annotations that you may set: `labelloop.dev/train-requested-at` with any new value starts a training, as Start Training
in Label Studio does; `labelloop.dev/skip-deregistration: "true"` lets a deletion leave Label Studio as it is.
"""


def rows(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """A table row for each field below `schema`, which stands at `path`."""
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        items = field.get("items", {})
        if field.get("properties"):
            yield row(here, "object", field, name in required)
            yield from rows(field, here)
        elif items.get("properties"):
            yield row(f"{here}[]", "list of objects", field, name in required)
            yield from rows(items, f"{here}[]")
        else:
            yield row(here, kind(field), field, name in required)


def row(path: str, type_: str, field: Mapping[str, Any], required: bool) -> str:
    """One field."""
    text = " ".join(field["description"].split())
    default = f"`{json.dumps(field['default'])}`" if field.get("default") not in (None, {}) else ""
    return f"| `{path}` | {type_}{', required' if required else ''} | {default} | {text}{limits(field)} |"


def kind(field: Mapping[str, Any]) -> str:
    """The type as a person would say it."""
    if field.get("format") == "date-time":
        return "time"
    if "additionalProperties" in field:
        return "map"
    return str(field.get("type", "quantity"))


def limits(field: Mapping[str, Any]) -> str:
    """What the schema allows, as far as the description does not say it."""
    found = []
    if "minimum" in field:
        found.append(f"at least {field['minimum']}")
    if "maximum" in field:
        found.append(f"at most {field['maximum']}")
    found += [rule["message"] for rule in field.get("x-kubernetes-validations", [])]
    return f" ({'; '.join(found)})" if found else ""


def page() -> str:
    """The whole page."""
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    (version,) = crd["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    parts = [HEAD]
    for section in ("spec", "status"):
        table = ["| field | type | default | meaning |", "|---|---|---|---|", *rows(properties[section], section)]
        parts.append(f"## {section}\n\n" + "\n".join(table) + "\n")
    columns = [
        f"| {column['name']} | {'-o wide' if column.get('priority') else 'always'} | {column['description']} |"
        for column in version["additionalPrinterColumns"]
    ]
    parts.append(
        "## Columns of kubectl get\n\n| column | shown | meaning |\n|---|---|---|\n" + "\n".join(columns) + "\n"
    )
    parts.append("Conditions and their reasons: [conditions.md](conditions.md).\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
