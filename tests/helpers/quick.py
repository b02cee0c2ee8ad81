"""Which parameters of a test the quick run takes."""

from collections.abc import Iterable
from typing import Any

import pytest


def quick(taken: Iterable[str], of: Iterable[str]) -> list[Any]:
    """All of `of` as parameters of a test; those that are not `taken` are slow."""
    kept = set(taken)
    return [value if value in kept else pytest.param(value, marks=pytest.mark.slow) for value in of]
