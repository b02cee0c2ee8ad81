"""Doing the actions of an object again, one after another, to compare each mask with the one that is kept.

Strokes, cleaning and masks depend on the mask before them only, so they need no model. A click, and a threshold after
one, depends on the model's prob: it is done again if the model of the first time is at hand, and computed all that went
before, back to the last action that began from a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from fewclicks.annotator.editing.actions import FROM_MASKS, Chosen, Prompted, Thresholded
from fewclicks.annotator.editing.apply import Prompts, marked
from fewclicks.annotator.editing.brush import OFF, ON
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask, count_changed
from fewclicks.annotator.editing.windows import Snapshot, folded, of_mask
from fewclicks.clicks import Clicks
from fewclicks.errors import FewClicksError, counted
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image

How: TypeAlias = Literal["exact", "by_rule"]
"""Whether a mask was computed again, or what follows from the rest was checked."""


@dataclass(frozen=True, slots=True)
class Replayer:
    """The model at hand: `name` is what the journal calls it, `start_of` gives its state before the first click."""

    predictor: Predictor
    name: str
    start_of: Callable[[int], State]
    """Of a photo by its id; FewClicksError where its file cannot be read."""


class NoModel:
    """A predictor for what needs none."""

    def start(self, image: Image) -> State:
        """A state in which nothing is the object."""
        return State(image, np.zeros(image.shape[:2], np.float32), 0.5, {})

    def step(self, state: State, clicks: Clicks) -> State:
        """Never called: clicks are not done again."""
        raise AssertionError("strokes, cleaning and masks need no model")


class MaskReplay:
    """The actions of one object on a photo of size `hw`, from its first. `after` takes them in their order."""

    def __init__(self, hw: tuple[int, int], replayer: Replayer | None, start: State | None) -> None:
        plain = NoModel()
        image = np.broadcast_to(np.uint8(0), (*hw, 3))  # no pixel of it is looked at, and none is in memory
        self._hw = hw
        self._predictor: Predictor = replayer.predictor if replayer and start else plain
        self._start = start or plain.start(image)
        self._name = replayer.name if replayer and start else None
        self._mask = EncodedMask.empty(hw)
        self._marks = Prompts(threshold=self._start.threshold)
        self._last: str | None = None
        """The model of the action before."""
        self._held: Snapshot | None = Snapshot(self._start, self._marks)
        """None: the prob is what a model thought, and that model is not at hand."""

    def after(self, entry: Entry, predictor: str) -> tuple[How, list[str]]:
        """How the next action was checked, and what is wrong. It was computed by `predictor`, says the journal."""
        wrong = list(_ill_packed(entry.mask))
        try:
            marks = marked(self._marks, entry.action, self._hw)
        except FewClicksError as error:
            return self._lost(entry, [*wrong, str(error)])
        if marks.clicks.items != entry.clicks.items:
            wrong.append("other clicks count after it than the actions give")
        known = isinstance(entry.action, Thresholded) or predictor == self._last  # each model has one of its own
        if known and marks.threshold != entry.threshold:
            wrong.append(f"the threshold after it is {entry.threshold}, the actions give {marks.threshold}")
        if wrong:
            return self._lost(entry, wrong)
        before, self._last = self._mask, predictor
        self._marks = replace(marks, threshold=entry.threshold)
        anew = entry.fresh or isinstance(entry.action, FROM_MASKS)
        begin = self._from_mask(before) if anew else self._held
        depends = isinstance(entry.action, Prompted | Chosen | Thresholded)
        if isinstance(entry.action, Prompted | Chosen) and predictor != self._name:
            begin = None
        if begin is None and not depends:
            begin = self._from_mask(before)
            again = folded(self._predictor, self._start, begin, self._marks, entry.action).mask(self._hw)
            self._held = None
        elif begin is None:
            self._held, self._mask = None, entry.mask
            return "by_rule", list(_by_rule(before, entry, self._marks))
        else:
            self._held = folded(self._predictor, self._start, begin, self._marks, entry.action)
            again = self._held.mask(self._hw)
        self._mask = entry.mask
        other = count_changed(again, entry.mask)
        if other:
            wrong.append(f"done again it gives another mask: {counted(other, 'pixel', 'differs')}")
            self._held = None
        return "exact", [*wrong, *_miscounted(before, entry)]

    def _from_mask(self, mask: EncodedMask) -> Snapshot:
        return of_mask(self._predictor, self._start, mask, self._marks)

    def _lost(self, entry: Entry, wrong: list[str]) -> tuple[How, list[str]]:
        """After a fault the next action is compared with what is kept here, so that one fault is told once."""
        self._held, self._mask = None, entry.mask if not list(_ill_packed(entry.mask)) else EncodedMask.empty(self._hw)
        self._marks = Prompts(entry.clicks, None, entry.threshold)
        return "by_rule", wrong


def _ill_packed(mask: EncodedMask) -> Iterator[str]:
    """What is wrong with a kept mask itself."""
    if mask.box is None:
        if mask.area_px or mask.data:
            yield "an empty mask has an area or pixels"
        return
    try:
        crop = mask.crop()
    except FewClicksError as error:
        yield str(error)
        return
    if int(np.count_nonzero(crop)) != mask.area_px:
        yield f"its mask has {counted(int(np.count_nonzero(crop)), 'pixel')}, not {mask.area_px:,} as it is told"
    elif Box.around(np.ascontiguousarray(crop)) != Box.whole(crop.shape[:2]):
        yield "the box of its mask is too large"


def _by_rule(before: EncodedMask, entry: Entry, marks: Prompts) -> Iterator[str]:
    """What is wrong with a click or a threshold, as far as that can be told without the model."""
    if isinstance(entry.action, Prompted) and not 1 <= len(entry.changed_px) <= 1 + max(entry.action.cfr or 0, 4):
        yield f"it tells of {counted(len(entry.changed_px), 'pass')}"
    locks = marks.locks
    if isinstance(entry.action, Prompted) and locks:
        view = entry.mask.within(locks.box)
        if bool((~view[locks.sides == ON]).any()) or bool(view[locks.sides == OFF].any()):
            yield "pixels that were painted before have not stayed as they were painted"
    yield from _miscounted(before, entry)


def _miscounted(before: EncodedMask, entry: Entry) -> Iterator[str]:
    """What is wrong with the count of changed pixels; of several passes only the model knows the masks between."""
    changed = count_changed(before, entry.mask)
    if len(entry.changed_px) == 1 and entry.changed_px[0] != changed:
        yield f"{counted(changed, 'pixel')} changed, not {entry.changed_px[0]:,} as it is told"
