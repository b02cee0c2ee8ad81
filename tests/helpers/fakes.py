"""Predictors and photos for tests: weight-free, seeded, quick."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from fewclicks.clicks import Clicks
from fewclicks.images.reading import read_image
from fewclicks.predictor import State, blank
from fewclicks.types import Image

DATA = Path(os.environ.get("FEWCLICKS_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def shared(*parts: str) -> Path:
    """A path beside or in the shared data, as ("golden", "ops.json"); the test is skipped where there is none."""
    path = DATA.parent.joinpath(*parts) if parts[0] == "golden" else DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is absent; set FEWCLICKS_DATA to the folder of the shared data")
    return path


def photos(count: int) -> list[Image]:
    """Real photos of several sizes: half from GrabCut, half from DAVIS."""
    found = []
    for folder in ("GrabCut/data_GT", "DAVIS/img"):
        files = sorted(shared("benchmarks", *folder.split("/")).iterdir())
        found += files[:: max(1, len(files) // (count // 2))][: count // 2]
    return [read_image(file) for file in found]


def gradient(height: int, width: int) -> Image:
    """A photo of smooth colours."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256]).astype(np.uint8)


@dataclass(frozen=True)
class Discs:
    """Discs around the clicks, a third of the previous prob, and seeded noise: depends on X, P and Y."""

    radius_px: float = 30
    noise: float = 0.2

    def start(self, image: Image) -> State:
        return blank(image)

    def step(self, state: State, clicks: Clicks) -> State:
        height, width = state.prob.shape
        rows, columns = np.mgrid[:height, :width]
        rng = np.random.default_rng(int(state.image[0, 0].sum()))
        prob = state.prob / 3 + self.noise * rng.random((height, width), np.float32)
        for click in clicks:
            disc = (columns - click.x) ** 2 + (rows - click.y) ** 2 <= self.radius_px**2
            prob[disc] = 0.9 if click.positive else 0.1
        return replace(state, prob=prob.astype(np.float32))


@dataclass(frozen=True)
class Noise:
    """Never listens: any prob anywhere, other at every step."""

    threshold: float = 0.5

    def start(self, image: Image) -> State:
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        seed = int(state.prob.sum() * 1000) + len(clicks)
        return replace(state, prob=np.random.default_rng(seed).random(state.prob.shape, np.float32))


@dataclass(frozen=True)
class Spy:
    """Notes what the predictor it wraps is shown."""

    inner: object = field(default_factory=Discs)
    started: list = field(default_factory=list)
    seen: list = field(default_factory=list)

    def start(self, image: Image) -> State:
        self.started.append(image)
        return self.inner.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        self.seen.append((state, clicks))
        return self.inner.step(state, clicks)
