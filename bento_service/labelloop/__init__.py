"""Labelloop: Label Studio ML backends on BentoML that retrain and roll out by themselves.

`__all__` is what custom models may import; other modules may move. The names are loaded on first use, since most
processes need few of them.
"""

from importlib import import_module

__version__ = "0.1.0"
_MODULES = {
    "Example": "labelloop.datasets.examples",
    "Model": "labelloop.models",
    "NotEnoughExamplesError": "labelloop.models",
    "ParameterError": "labelloop.models",
    "Prediction": "labelloop.models",
    "Schema": "labelloop.label_config.schema",
    "Task": "labelloop.models.model",
    "TextModel": "labelloop.models",
    "parse_label_config": "labelloop.label_config.schema",
    "result_of": "labelloop.models",
}
__all__ = [*_MODULES, "__version__"]  # noqa: PLE0604 - all are texts


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
