"""Photos that are noisy, or full of JPEG's blocks, are cleaned before a network sees them; others stay as they are."""

import io
from dataclasses import dataclass, field, replace

import numpy as np
import PIL.Image
import pytest

from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box
from fewclicks.images.denoising import BLOCKS, ENOUGH_PX, NOISE, blockiness, denoised, noise_level
from fewclicks.predictor import blank, step_each
from fewclicks.prompts import LookAt
from fewclicks.refinement import CFR
from fewclicks.transforms import Denoise

CLICKS = Clicks((Click(40, 40),))


def scene():
    """Soft shading and a few sharp shapes, as a clean photo has them."""
    y, x = np.mgrid[:160, :240]
    image = np.stack([90 + x / 3, 60 + y / 2, 120 + (x + y) / 8], 2)
    image[30:90, 40:120] = (200, 60, 50)
    image[(x - 170) ** 2 + (y - 90) ** 2 < 1500] = (40, 120, 220)
    return image.round().astype(np.uint8)


def noisy(sigma):
    return np.clip(np.rint(scene() + np.random.default_rng(0).normal(0, sigma, scene().shape)), 0, 255).astype(np.uint8)


def jpeg(quality):
    file = io.BytesIO()
    PIL.Image.fromarray(noisy(4)).save(file, "JPEG", quality=quality)
    return np.asarray(PIL.Image.open(file).convert("RGB"))


def error(image):
    return np.abs(image.astype(float) - scene()).mean()


@pytest.mark.parametrize("sigma", [5, 10, 20, 40])
def test_the_level_of_noise_is_found(sigma):
    assert noise_level(noisy(sigma)) == pytest.approx(sigma, rel=0.15)


def test_a_photo_of_good_quality_is_itself():
    for image in (scene(), noisy(5), jpeg(95)):
        assert denoised(image) is image


def test_noise_is_smoothed_and_edges_stay():
    image = noisy(20)
    clean = denoised(image)
    assert error(clean) < error(image) / 2
    assert clean[60, 44:].astype(int)[0, 0] - clean[60, 36, 0] > 60, "the edge at x = 40"


def test_blocks_of_a_bad_jpeg_are_smoothed():
    image = jpeg(15)
    assert blockiness(image) > BLOCKS > blockiness(jpeg(90))
    assert blockiness(denoised(image)) < blockiness(image)


def test_larger_photos_are_told_by_a_part_and_the_largest_left_alone():
    wide = np.tile(noisy(20), (6, 6, 1))
    assert wide.shape[0] * wide.shape[1] > ENOUGH_PX
    assert error(denoised(wide)[:160, :240]) < error(noisy(20)) / 2
    huge = np.tile(noisy(20), (10, 10, 1))
    assert denoised(huge) is huge


@pytest.mark.parametrize("hw", [(1, 1), (7, 300), (16, 16), (33, 15)])
def test_small_and_flat_photos_are_photos_too(hw):
    for image in (np.zeros((*hw, 3), np.uint8), np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8)):
        assert denoised(image).shape == image.shape
        assert denoised(image).dtype == np.uint8


def test_edges_that_lie_on_the_borders_of_blocks_are_no_blocks():
    image = np.full((96, 128, 3), 250, np.uint8)
    image[8:40, 16:64] = 40
    image[48:88, 72:120] = (0, 120, 255)
    assert denoised(image) is image


def test_texture_on_a_part_is_no_noise():
    image = scene()
    image[:, :160] = np.random.default_rng(0).integers(0, 256, (160, 160, 3))
    assert noise_level(image) < NOISE


@dataclass
class Seen:
    """A predictor that keeps what it is shown."""

    images: list = field(default_factory=list)

    def start(self, image):
        self.images.append(image)
        return replace(blank(image), memo={"inner": 1})

    def step(self, state, clicks):
        self.images.append(state.image)
        assert state.memo.get("inner", 1) == 1
        return replace(state, prob=state.prob + np.float32(0.1 * len(clicks)), memo={"inner": 1})


def test_the_ring_shows_the_clean_photo_and_keeps_the_real_one():
    image, inner = noisy(20), Seen()
    ring = Denoise(inner)
    before = ring.start(image)
    after = ring.step(ring.step(before, CLICKS), CLICKS)
    assert before.image is after.image is image
    assert all(shown is inner.images[0] for shown in inner.images), "cleaned once"
    assert np.array_equal(inner.images[0], denoised(image))
    # A state without a memo, as a mask of another tool begins with, is cleaned too.
    ring.step(blank(image), CLICKS)
    assert np.array_equal(inner.images[-1], inner.images[0])
    ring.start(scene())
    assert np.array_equal(inner.images[-1], scene())


def test_many_states_at_once_are_as_one_by_one():
    ring = Denoise(Seen())
    states = [ring.start(noisy(20)), ring.start(scene())]
    both = step_each(ring, states, [CLICKS, CLICKS])
    for one, state in zip(both, states, strict=True):
        assert np.array_equal(one.prob, ring.step(state, CLICKS).prob)
        assert one.image is state.image


def test_parts_that_are_looked_at_are_parts_of_the_clean_photo():
    image, inner, region = noisy(20), Seen(), Box(20, 10, 150, 120)
    ring = CFR(Denoise(inner), 1)
    LookAt(ring, region).step(ring.start(image), CLICKS)
    parts = [shown for shown in inner.images if shown.shape[:2] == region.hw]
    assert parts
    assert all(np.array_equal(part, denoised(image)[region.slices]) for part in parts)
