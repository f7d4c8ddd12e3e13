"""`labelloop serve` with a fault seeded on purpose, for the test of the fuzzer: a list in a task's data is an error."""

from typing import Any

from labelloop.serving import server
from labelloop.serving.backend import Backend

_predict = Backend.predict


async def _faulty(self: Backend, tasks: list[Any], *arguments: Any) -> Any:
    data = [task.get("data") for task in tasks if isinstance(task, dict)]
    if any(isinstance(value, list) for item in data if isinstance(item, dict) for value in item.values()):
        raise RuntimeError("the seeded fault")
    return await _predict(self, tasks, *arguments)


if __name__ == "__main__":
    Backend.predict = _faulty  # type: ignore[method-assign]
    server.run()
