"""What holds for all tests."""

from hypothesis import HealthCheck, settings
from tests.support.reliability import (  # noqa: F401 - hooks
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_logreport,
    pytest_sessionfinish,
)

# No verdict depends on the speed of the machine, nor on luck: the same cases every time. To look for new ones:
# pytest --hypothesis-profile explore
settings.register_profile("repeatable", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("explore", settings.get_profile("repeatable"), derandomize=False, max_examples=1000)
settings.load_profile("repeatable")
