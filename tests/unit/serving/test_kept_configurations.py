import logging
import tracemalloc
from contextlib import nullcontext

import pytest
from prometheus_client import CollectorRegistry
from tests.support.serving_models import TEXT

from labelloop.serving.backend import Backend
from labelloop.serving.request_error import RequestError
from labelloop.serving.serving_metrics import ServingMetrics
from labelloop.serving.serving_settings import ServingSettings

LARGE = "<Header/>" * 1000
REFUSED = f"<View>{LARGE}</View>"
USABLE = (
    f'<View>{TEXT}{LARGE}<Choices name="label" toName="text"><Choice value="a"/><Choice value="b"/></Choices></View>'
)


@pytest.mark.parametrize("configuration", [REFUSED, USABLE])
async def test_of_many_configurations_no_more_is_kept_than_allowed(configuration, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "labelloop")  # pytest would keep what is logged
    monkeypatch.setattr("labelloop.serving.backend.SCHEMAS_BYTES", 1 << 20)
    settings = ServingSettings.from_environment({"LABELLOOP_MODEL_DIR": str(tmp_path)})
    backend = Backend(settings, ServingMetrics(CollectorRegistry()))

    async def ask(number):
        with pytest.raises(RequestError) if configuration == REFUSED else nullcontext():
            await backend.setup(f"{configuration}<!-- {number} -->")

    await ask(-1)
    tracemalloc.start()
    for number in range(40):  # a tree of a thousand tags takes 0.2 MB
        await ask(number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2 << 20
