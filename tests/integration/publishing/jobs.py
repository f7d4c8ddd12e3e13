"""What a training leaves in the working folder of its Job."""

from datetime import UTC, datetime
from pathlib import Path

from labelloop.datasets.rows import Annotation, Row
from labelloop.datasets.snapshot import Snapshot
from labelloop.training.result import Result, write_result

VERSION = "model-0123456789ab"
SOURCE = "Text:text"
MODEL = {"model.json": b'{"format": 1}', "arrays.npz": bytes(range(256)) * 40}


def snapshot() -> Snapshot:
    annotation = Annotation(
        id=3,
        updated_at=datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=UTC),
        was_cancelled=False,
        ground_truth=False,
        completed_by=1,
        origin="manual",
        choices={"label": (("billing",),)},
    )
    return Snapshot.from_rows([Row(12, {SOURCE: "my invoice"}, (annotation,))], (SOURCE,), 7, "0" * 64, "1" * 64)


def finished_training(folder: Path, outcome: str = "Trained") -> Path:
    """The folder which `train` leaves to `publish`."""
    output = folder / "out"
    (output / "model").mkdir(parents=True)
    for name, content in MODEL.items():
        (output / "model" / name).write_bytes(content)
    taken = snapshot()
    taken.write(output / "snapshot.jsonl.gz")
    if outcome == "Trained":
        result = Result(
            "Trained",
            "Trained",
            "1 task, 1 label",
            version=VERSION,
            dataset_digest=taken.digest,
            labels=("billing",),
            cut=taken.cut,
            metrics={"accuracy": 0.71},
            seconds={"fit": 1.2},
        )
    else:
        result = Result("NotEnoughData", "TooFewLabels", "one label is used, two are needed: annotate more")
    write_result(result, output / "result.json")
    return folder
