"""The Service that Label Studio talks to. Its selector names one revision: switching versions is one write."""

from typing import Any

from labelloop_operator.api import names
from labelloop_operator.builders.metadata import Owner, metadata


def service(owner: Owner, model_version: str, record: str) -> dict[str, Any]:
    """Service `NAME-ml` in front of the pods of `model_version`; `record` is what a wiped status is restored from."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(
            owner,
            names.service_name(owner.name),
            names.COMPONENT_SERVING,
            labels={names.LABEL_REVISION: names.revision(model_version)},
            annotations={names.ANNOTATION_RECORD: record},
        ),
        "spec": {
            "type": "ClusterIP",
            "selector": names.serving_selector(owner.name, model_version),
            "ports": [
                {
                    "name": names.SERVING_PORT_NAME,
                    "port": names.SERVING_PORT,
                    "targetPort": names.SERVING_PORT_NAME,
                    "protocol": "TCP",
                }
            ],
        },
    }
