"""Photos are decoded in a process of their own: a hostile file can crash, stall or fill only that one.

The decoders of many formats are C code that reads what anyone may have written. `Decoder` talks to one child
(`decoder_child.py`) over its pipes: a line of JSON and bytes to it, a line of JSON and an array back.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import threading
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewclicks.annotator.services.child_pipe import ChildDied, ChildPipe
from fewclicks.errors import InputError
from fewclicks.images.levels import Levels
from fewclicks.types import Image, Prob

MAX_PIXELS = 2**27
"""134 megapixels: larger photos are refused. Decoding takes some ten bytes a pixel for a moment, in the child."""

TIMEOUT_S = 60.0
"""Longer than any honest photo takes on a slow machine."""


class Urgency(IntEnum):
    """Who waits for the picture; the lower goes first."""

    NOW = 0
    """Someone looks at it."""
    SOON = 1
    """It is likely to be looked at next."""
    WHENEVER = 2
    """Nobody waits for it."""


class Decoder:
    """Arrays from image files, one file at a time, the most urgent first. Safe to use from several threads.

    Every method raises InputError for a file that is no image, is damaged, too large, takes too long, or takes the
    child down with it; the next file gets a new child.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, levels: Levels | None = None) -> None:
        self._levels = levels
        self._child = ChildPipe("fewclicks.annotator.services.decoder_child", timeout_s)
        self._closed = False
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._busy = False
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start the child ahead of its first file."""
        with self._turn(Urgency.NOW):
            self._start()

    def image(self, source: Path | bytes, urgency: Urgency = Urgency.NOW, notes: list[str] | None = None) -> Image:
        """Read HxWx3, as `images.read_image` gives it; what had to be ignored is appended to `notes`."""
        return self._ask({"kind": "image"}, source, urgency, notes)

    def thumbnail(self, path: Path, side_px: int) -> Image:
        """hxwx3 with the longest side at most `side_px`."""
        return self._ask({"kind": "thumbnail", "side_px": side_px}, path, Urgency.WHENEVER)

    def hw(self, path: Path, urgency: Urgency = Urgency.WHENEVER) -> tuple[int, int]:
        """Height and width as displayed, from the head of the file: the pixels may still turn out to be damaged."""
        height, width = self._ask({"kind": "hw"}, path, urgency)
        return int(height), int(width)

    def mask(self, source: bytes, hw: tuple[int, int], urgency: Urgency = Urgency.NOW) -> Prob:
        """HxW prob, as `images.read_mask` gives it."""
        return self._ask({"kind": "mask", "hw": list(hw)}, source, urgency)

    def masks(self, root: Path, names: Sequence[str], urgency: Urgency = Urgency.NOW) -> frozenset[str]:
        """Those of the photos of a folder that are masks of others, by `formats.detect`."""
        found = self._ask({"kind": "masks", "path": os.fspath(root)}, json.dumps(names).encode(), urgency)
        return frozenset(json.loads(found.tobytes()))

    def close(self) -> None:
        """End the child, once the files that are waited for are done. No file is decoded after this."""
        self._closed = True
        with self._turn(Urgency.WHENEVER):
            self._child.close()

    @contextlib.contextmanager
    def _turn(self, urgency: Urgency) -> Iterator[None]:
        """Wait until nobody more urgent, and nobody earlier, waits."""
        ticket = (int(urgency), next(self._numbers))
        with self._changed:
            heapq.heappush(self._waiting, ticket)
            while self._busy or self._waiting[0] != ticket:
                self._changed.wait()
            heapq.heappop(self._waiting)
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _ask(
        self, question: dict[str, Any], source: Path | bytes, urgency: Urgency, notes: list[str] | None = None
    ) -> NDArray[Any]:
        """The array of the answer; InputError with the text of it."""
        payload = source if isinstance(source, bytes) else b""
        path = None if isinstance(source, bytes) else os.fspath(source)
        question = {
            "path": path,
            "max_pixels": MAX_PIXELS,
            "levels": self._levels,
            **question,
        }
        with self._turn(urgency):
            self._start()
            try:
                answer, array = self._child.ask(question, payload)
            except ChildDied:
                cure = "leave it out, or save it again as PNG or JPEG"
                raise InputError(f"the file takes too long or too much memory to decode; {cure}") from None
        if array is None:
            raise InputError(str(answer["error"]))
        if notes is not None:
            notes += answer["notes"]
        return array

    def _start(self) -> None:
        if self._closed:
            raise InputError("the annotator is stopping; start it again")
        self._child.start()
