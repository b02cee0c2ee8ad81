"""Tools that say all prompts anew with every click, answered as if they had been said one after the other.

A model that corrects its own mask wants the clicks in their order. A `Replay` keeps what there was after each, so that
only the last one is computed; `Replays` keeps those of the photos that were asked about last.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fewclicks.boxes import look_in_box
from fewclicks.clicks import Click, Clicks
from fewclicks.engines.interruption import check
from fewclicks.errors import InputError, counted
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import BoxPrompt
from fewclicks.refinement import keep_local
from fewclicks.types import Image, Prob

PHOTOS = 8
"""Photos whose states are kept."""
MOST_CLICKS = 100
"""Of one object, where others ask: each is computed, so that more would keep everybody waiting."""


def click_inside(x: float, y: float, positive: bool, hw: tuple[int, int]) -> Click:
    """The click, moved to the nearest pixel where it is beside the photo: tools click on borders."""
    return Click(min(max(float(x), 0.0), hw[1] - 1.0), min(max(float(y), 0.0), hw[0] - 1.0), positive)


class Replay:
    """One photo and what was said of it so far."""

    def __init__(self, predictor: Predictor, image: Image, most_clicks: int | None = None) -> None:
        """Begin a photo. `most_clicks`: more are refused; None: none are."""
        self.predictor = predictor
        self.most_clicks = most_clicks
        self.start = predictor.start(image)
        self._begun: tuple[object, State] | None = None
        self._path: list[tuple[Click, State]] = []
        self._lock = threading.Lock()

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of the photo."""
        return self.start.image.shape[0], self.start.image.shape[1]

    def state(self, clicks: Clicks, box: BoxPrompt | None = None, mask: Prob | None = None) -> State:
        """The state after `clicks`, one after the other, from a mask to correct, else a box, else nothing.

        A box beside a mask is not looked at: the mask says more. Of a mask that is given each click changes the part
        that it touches, as in a session. InputError for clicks outside the photo, or too many.
        """
        clicks.require_inside(self.hw)
        if self.most_clicks is not None and len(clicks) > self.most_clicks:
            raise InputError(
                f"an object has at most {counted(self.most_clicks, 'click')} here, got {len(clicks):,}; begin a new one"
            )
        with self._lock:
            state = self._origin(box, mask)
            done = 0
            for (said, after), click in zip(self._path, clicks, strict=False):
                if said != click:
                    break
                state, done = after, done + 1
            del self._path[done:]
            for n in range(done, len(clicks)):
                check()
                after = self.predictor.step(state, Clicks(clicks.items[: n + 1]).counting(self.hw))
                is_local = mask is not None and state.box is not None
                state = keep_local(state, after, Clicks((clicks[n],)), first=n == 0) if is_local else after
                self._path.append((clicks[n], state))
            return state

    def _origin(self, box: BoxPrompt | None, mask: Prob | None) -> State:
        """Tell where the clicks begin; forgets the clicks where it is another place than before."""
        given = hashlib.sha256(np.ascontiguousarray(mask).data).digest() if mask is not None else box
        if self._begun is None or self._begun[0] != given:
            self._begun = given, self._after(box, mask)
            self._path = []
        return self._begun[1]

    def _after(self, box: BoxPrompt | None, mask: Prob | None) -> State:
        if mask is not None:
            return replace(self.start, prob=mask)
        if box is None:
            return self.start
        return list(look_in_box(self.predictor, self.start, box.pixels(self.hw), Clicks()))[-1]


class Replays:
    """The photos that were asked about last, by what a tool calls them."""

    def __init__(self, predictor: Predictor, most_clicks: int | None = None) -> None:
        """Take `most_clicks` as `Replay` does."""
        self.predictor = predictor
        self.most_clicks = most_clicks
        self._kept: OrderedDict[object, Replay] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: object, read: Callable[[], Image]) -> Replay:
        """The replay of a photo; `read` gives its pixels where it is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = Replay(self.predictor, read(), self.most_clicks)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > PHOTOS:
                self._kept.popitem(last=False)
        return made
