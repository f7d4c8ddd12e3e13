import re

import labelloop
from labelloop.models import version


def made(**changes):
    content = {"dataset_digest": "sha256:1", "label_config_digest": "2", "parameters": {"C": 10, "holdout": 0.2}}
    return version.model_version(**{**content, **changes})


def test_the_same_content_has_the_same_version():
    assert re.fullmatch(r"model-[0-9a-f]{12}", made())
    assert made() == made(parameters={"holdout": 0.2, "C": 10})


def test_every_part_counts(monkeypatch):
    versions = [
        made(),
        made(dataset_digest="sha256:2"),
        made(label_config_digest="3"),
        made(parameters={"C": 1, "holdout": 0.2}),
        made(parent="model-0"),
    ]
    monkeypatch.setattr(version, "__version__", "9.9.9")
    versions.append(made())
    assert len(set(versions)) == len(versions)


def test_code_version_names_library_and_formats():
    assert version.code_version() == f"{labelloop.__version__}+model1.snapshot2"


def test_cold_versions_differ_by_image():
    assert re.fullmatch(r"cold-[0-9a-f]{12}", version.cold_version())
    assert version.cold_version("a") != version.cold_version("b") != version.cold_version()
