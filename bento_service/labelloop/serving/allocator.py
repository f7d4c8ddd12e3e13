"""The C library's allocator, made to give memory back."""

import ctypes

# glibc's mallopt(3): M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
LARGE = 1 << 20
"""Bytes from which on a block is a mapping of its own, given back when it is freed."""


def give_back_large_blocks() -> None:
    """Keep glibc from raising the size of what it holds on to; without glibc nothing happens.

    By default each large block that is freed makes it keep blocks of that size, up to 32 MB, in its heap for the next
    one. Bodies and arrays of odd sizes, and what is kept behind them, then leave holes in it: 80,000 hostile requests
    made 235 MB of what is 85 MB. Setting either threshold fixes both.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_MMAP_THRESHOLD, LARGE)
    mallopt(_TRIM_THRESHOLD, LARGE)
