"""Memory that a step frees is kept for the next one, instead of being given back to the system and asked for anew."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Names of malloc.h."""


def keep_memory() -> bool:
    """Tell glibc's malloc to keep what is freed; False where there is no glibc.

    A step on a CPU asks for about the same gigabytes as the one before. Given back, each of their pages is zeroed by
    the kernel and mapped again, which took a sixth of a step. For the whole process, and not undone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    wanted = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**28))
    return all(mallopt(name, value) for name, value in wanted)
