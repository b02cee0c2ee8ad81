"""A network as a predictor, whatever executes it: arrays in, arrays out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.engines.interruption import check
from fewclicks.predictor import State, blank
from fewclicks.types import Image

Floats = NDArray[np.float32]
PAD = np.array([[0, 0, -1]], np.float32)


class Forward(Protocol):
    """Describes what an engine makes of a weight file."""

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        """image 1x3xHxW in [0, 1], clicks 1xNx3 (x, y, label; -1 pads), prev 1x1xHxW -> logits 1x1xHxW.

        One that has `batches` set takes B in place of 1.
        """
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """f(X, P, Y) by one forward at the image's own size. Wrap it in ZoomIn for photos of any size."""

    forward: Forward
    threshold: float = 0.5

    def start(self, image: Image) -> State:
        """The state with an empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward of the network; its logits become the new prob."""
        return self._stepped([state], [clicks])[0]

    def step_each(self, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
        """Do as `step` for each; those of one size by one forward, where the engine takes several."""
        found = list(states)
        sizes = defaultdict[object, list[int]](list)
        for number, state in enumerate(states):
            sizes[state.image.shape if getattr(self.forward, "batches", False) else number].append(number)
        for numbers in sizes.values():
            after = self._stepped([states[n] for n in numbers], [clicks[n] for n in numbers])
            for number, state in zip(numbers, after, strict=True):
                found[number] = state
        return found

    def _stepped(self, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
        """One forward for states of one size."""
        check()
        images = np.stack([state.image.transpose(2, 0, 1) for state in states]).astype(np.float32) / np.float32(255)
        points = np.repeat(PAD[None], len(clicks), 0).repeat(max(1, *map(len, clicks)), 1)
        for row, said in zip(points, clicks, strict=True):
            if len(said):
                row[: len(said)] = said.to_array()
        prev = np.stack([state.prob[None] for state in states]).astype(np.float32, copy=False)
        logits = self.forward(images, points, prev)[:, 0]
        return [
            replace(state, prob=1 / (1 + np.exp(-one.clip(-30, 30)))) for state, one in zip(states, logits, strict=True)
        ]
