"""Everything on a photo: what a grid of clicks finds; many states that are stepped at once."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from fakes import Discs, Spy, gradient
from fewclicks import (
    CFR,
    Anchor,
    Click,
    Clicks,
    Denoise,
    Everything,
    Flip,
    InputError,
    ZoomIn,
    propose,
    transforms,
)
from fewclicks.engines.network import Network
from fewclicks.evaluation.metrics import iou
from fewclicks.geometry import Box
from fewclicks.methods import grow
from fewclicks.predictor import State, blank, step_each
from fewclicks.proposals import grid, proposing, stability_of

HW = (80, 120)


def scene():
    """Three flat shapes on a flat ground, one within another, and their masks, the largest first."""
    image = np.full((*HW, 3), 30, np.uint8)
    masks = []
    for slices, color in (
        (np.s_[10:70, 10:70], (220, 40, 40)),
        (np.s_[30:50, 30:50], (40, 220, 40)),
        (np.s_[30:45, 90:110], (60, 60, 230)),
    ):
        image[slices] = color
        mask = np.zeros(HW, bool)
        mask[slices] = True
        masks.append(mask)
    masks[0] &= ~masks[1]
    return image, masks


@dataclass(frozen=True)
class Flood:
    """The pixels of the clicked one's color, whatever else there is; how sure it is of each color is said."""

    sure: dict = field(default_factory=dict)

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        color = state.image[clicks[-1].pixel(state.prob.shape)]
        same = (state.image == color).all(axis=2)
        return replace(state, prob=np.where(same, np.float32(self.sure.get(int(color[0]), 0.99)), np.float32(0.01)))


def test_whether_a_photo_is_noisy_is_judged_once(monkeypatch):
    """Of all of it, not of each part that is looked at; the parts are those of the clean photo."""
    image, _ = scene()
    clean, judged, spy = np.full_like(image, 9), [], Spy(Flood())
    monkeypatch.setattr(transforms, "denoised", lambda photo: judged.append(photo) or clean)
    propose(image, Anchor(CFR(Denoise(spy), 1)), Everything(points=3))
    assert len(judged) == 1
    assert judged[0] is image
    assert len(spy.started) > 3
    assert {int(value) for seen in spy.started for value in np.unique(seen)} == {9}
    assert all((state.image == 9).all() for state, _ in spy.seen)


def test_each_thing_is_proposed_once_and_parts_lie_on_top():
    image, masks = scene()
    seen = []
    found = propose(image, Flood(), Everything(points=12, most_share=0.5), lambda *at: seen.append(at))
    assert [int(one.mask.sum()) for one in found] == [int(mask.sum()) for mask in masks]
    assert all(np.array_equal(one.mask, mask) for one, mask in zip(found, masks, strict=True))
    assert all(one.mask[one.click.pixel(HW)] and one.stability == 1 and one.votes >= 2 for one in found)
    assert found[2].box == Box(90, 30, 110, 45)
    assert all(one.part.shape == one.box.hw and one.mask.shape == HW for one in found)
    assert seen == [(n, seen[-1][1]) for n in range(1, seen[-1][1] + 1)]
    # The ground is one of a larger share; nothing is left of what is asked too much of.
    assert len(propose(image, Flood(), Everything(points=12))) == 4
    assert len(propose(image, Flood(), Everything(points=12, limit=2))) == 2
    assert propose(image, Flood(), Everything(agreeing=1000)) == []
    assert propose(image, Flood(), Everything(points=12, least_share=0.2, most_share=0.3)) == []


def test_what_hangs_on_the_threshold_is_left_out():
    image, masks = scene()
    found = propose(image, Flood({40: 0.55}), Everything(points=12, most_share=0.5))
    assert [int(one.mask.sum()) for one in found] == [int(masks[0].sum()), int(masks[2].sum())]
    assert len(propose(image, Flood({40: 0.55}), Everything(points=12, most_share=0.5, offset=0.1))) == 3
    prob = np.linspace(0, 1, 101, dtype=np.float32)[None]
    assert stability_of(prob, 0.5, 0) == 1
    assert 0 < stability_of(prob, 0.5, 1) < stability_of(prob, 0.5, 0.5) < 1
    assert stability_of(np.zeros((3, 3), np.float32), 0.5, 1) == 0


def test_the_shapes_are_found_by_a_real_method_and_the_image_stays_as_it_is():
    image, masks = scene()
    before = image.copy()
    found = propose(image, grow.build(), Everything(points=12, most_share=0.5))
    assert all(max(iou(one.mask, mask) for one in found) > 0.8 for mask in masks)
    assert np.array_equal(image, before)


def test_photos_of_any_size_are_asked_and_none_is_refused_clearly():
    for hw in ((1, 1), (1, 300), (300, 2), (33, 65)):
        found = propose(np.full((*hw, 3), 9, np.uint8), Flood(), Everything(most_share=1.0))
        assert [int(one.mask.sum()) for one in found] == [hw[0] * hw[1]]
    with pytest.raises(InputError, match="a photo is HxWx3"):
        propose(np.zeros((0, 5, 3), np.uint8), Flood())
    assert [len(grid(hw, 4)) for hw in ((40, 40), (10, 40), (1, 40))] == [16, 4, 4]


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": 0}, {"points": 2.5}, {"limit": 0}, {"batch": 0}, {"agreeing": True}, {"stability": 1.1},
        {"same_iou": float("nan")}, {"offset": -1}, {"least_share": 0.9, "most_share": 0.1}, {"scales": ()},
        {"scales": (0.0,)},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Everything(**wrong)


@dataclass
class Batched:
    """An engine that takes several at once, and notes how many: each pixel's answer depends on all of its own input."""

    batches = True
    sizes: list = field(default_factory=list)

    def __call__(self, image, clicks, prev):
        self.sizes.append(len(image))
        said = np.where(clicks[..., 2] >= 0, clicks[..., 0] + 3 * clicks[..., 1], 0).sum(axis=1)
        wave = np.sin(said[:, None, None] + 9 * image.sum(axis=1) + np.arange(image.shape[3]) / 9)
        return (4 * wave + prev[:, 0])[:, None].astype(np.float32)


def test_states_that_are_stepped_together_are_those_that_are_stepped_one_by_one():
    images = [gradient(40, 60), gradient(40, 60)[::-1].copy(), gradient(90, 50)]
    clicks = [
        Clicks((Click(10, 12),)),
        Clicks((Click(30, 20), Click(5, 5, False))),
        Clicks((Click(20, 70),)),
        Clicks((Click(3, 3, False),)),
        Clicks((Click(10, 12), Click(50, 30))),
    ]
    engine = Batched()
    for rings in (
        lambda inner: inner,
        lambda inner: Anchor(CFR(ZoomIn(inner, 64, min_crop_px=20), 2)),
        lambda inner: Anchor(CFR(ZoomIn(inner, 64, min_crop_px=20, skip_clicks=1, corners=True), 2, until_click=1)),
        lambda inner: CFR(Flip(ZoomIn(inner, 32)), 1, tol=20),
    ):
        predictor = rings(Network(engine))
        states = [predictor.start(images[n]) for n in (0, 1, 2, 0, 1)]
        for _ in range(2):  # the second time the memos are those of the first
            alone = [predictor.step(state, said) for state, said in zip(states, clicks, strict=True)]
            engine.sizes.clear()
            together = step_each(predictor, states, clicks)
            for one, other in zip(alone, together, strict=True):
                np.testing.assert_allclose(one.prob, other.prob, atol=1e-5)
                assert one.threshold == other.threshold
            states = together
    with pytest.raises(InputError, match="each state needs its clicks"):
        step_each(Discs(), states, clicks[:2])


def test_an_engine_that_takes_several_is_asked_for_a_batch_and_others_for_one():
    engine = Batched()
    steps = list(
        proposing(gradient(60, 90), Anchor(CFR(ZoomIn(Network(engine), 64), 1)), Everything(points=4, batch=8))
    )
    assert steps == [(8, 24), (16, 24), (24, 24)]
    assert max(engine.sizes) == 8
    spy = Spy()
    assert len(list(proposing(gradient(60, 90), spy, Everything(points=4, scales=(1.0,))))) == 12
    assert len(spy.seen) == 12
    assert all(isinstance(state, State) for state, _ in spy.seen)
