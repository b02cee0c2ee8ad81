"""The names that published checkpoints give to a network's parts, and ours: prefix pairs, as data."""

from __future__ import annotations

Pairs = tuple[tuple[str, str], ...]
"""(published prefix, our prefix), the first that fits counts."""

RENAMES: dict[str, Pairs] = {
    "simpleclick": (),
}
"""Family -> pairs. The names of SimpleClick are ours, for they came first."""


def ours(key: str, pairs: Pairs) -> str:
    """Our name of a published key."""
    return _renamed(key, pairs)


def published(key: str, pairs: Pairs) -> str:
    """The published name of one of our keys: the inverse of `ours`."""
    return _renamed(key, tuple((own, theirs) for theirs, own in pairs))


def _renamed(key: str, pairs: Pairs) -> str:
    for old, new in pairs:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
