"""What is worked out of a labelling configuration is kept, as long as it fits: clients choose what they send."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key; beyond `limit` bytes those used least recently go. May be used by several threads at once."""

    def __init__(self, limit: int, make: Callable[[K], V], size: Callable[[K, V], int]) -> None:
        """`size`: about how many bytes a key and its value take. What is larger than `limit` is not kept at all."""
        self._limit = limit
        self._make = make
        self._size = size
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0
        """Of all that is kept, by `size`."""

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: K) -> V:
        """The value, made now unless it is kept. Raises what making it raises, and keeps nothing then."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found[0]
        value = self._make(key)
        self._keep(key, value)
        return value

    def _keep(self, key: K, value: V) -> None:
        size = self._size(key, value)
        if size > self._limit:
            return
        with self._lock:
            self._forget(key)
            self._kept[key] = value, size
            self.nbytes += size
            while self.nbytes > self._limit:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: K) -> None:
        self.nbytes -= self._kept.pop(key, (None, 0))[1]
