"""Which masks of a photo need a look: what one more pass of the cascade would change of each, kept while they stay."""

from __future__ import annotations

import threading
from collections import OrderedDict

from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.store.records import ObjectInfo
from fewclicks.propagation import Doubt

KEPT = 10_000
"""Doubts that are remembered: some hundred bytes each."""


class Doubts:
    """The doubts of the objects of an annotator. Threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Doubt] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, info: ObjectInfo) -> Doubt | None:
        """What was found for the mask that the object has now."""
        with self._lock:
            return self._known.get((info.id, info.mask_version))

    def find(self, edit: Editing, info: ObjectInfo) -> Doubt:
        """Look once more. In the worker."""
        found = edit.history(info.id).doubt
        with self._lock:
            self._known[info.id, info.mask_version] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found
