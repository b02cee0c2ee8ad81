"""Which masks of a photo need a look: what one more pass of the cascade would change of each, kept while they stay."""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import WeakKeyDictionary

from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.store.records import ObjectInfo
from fewclicks.propagation import Doubt

KEPT = 10_000
"""Doubts that are remembered: some hundred bytes each."""


class Doubts:
    """The doubts of one annotator's objects. Threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Doubt] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, info: ObjectInfo) -> Doubt | None:
        """What was found for the mask that the object has now."""
        with self._lock:
            return self._known.get((info.id, info.mask_version))

    def find(self, given: Annotator, info: ObjectInfo) -> Doubt:
        """Look once more. In the worker."""
        found = given.edit().history(info.id).doubt
        with self._lock:
            self._known[info.id, info.mask_version] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found


_ALL: WeakKeyDictionary[Annotator, Doubts] = WeakKeyDictionary()


def doubts_of(given: Annotator) -> Doubts:
    """Those of an annotator."""
    return _ALL.setdefault(given, Doubts())
