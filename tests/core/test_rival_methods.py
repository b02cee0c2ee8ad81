"""What makes DIOS, LD, BRS, UCP-Net and PseudoClick themselves, as predictors."""

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.evaluation.rollout import rollout
from fewclicks.methods import brs, dios, ld, pseudoclick, ucp_net
from fewclicks.methods.outline import outline, outline_click
from fewclicks.models.networks import build_network
from fewclicks.types import Sample
from goldens import small_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {name: small_weights(name, folder / name) for name in ("dios", "ld", "brs", "ucp_net", "pseudoclick")}


def photo(height=64, width=96):
    """A bright square at rows 20..43, columns 30..59 on a dark ground."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[20:44, 30:60] = 210
    return image


def truth_of(height=64, width=96):
    truth = np.zeros((height, width), np.int8)
    truth[20:44, 30:60] = 1
    return truth


class Blurred:
    """A forward whose logits are a blurred square: what a coarse network says."""

    def __call__(self, image, clicks, prev):
        rows, columns = np.mgrid[: image.shape[2], : image.shape[3]]
        inside = np.minimum(14 - abs(rows - 31.5), 17 - abs(columns - 44.5))
        return (0.4 * inside).astype(np.float32)[None, None]


def test_the_cut_of_dios_follows_the_edges_of_the_photo():
    from fewclicks.engines.network import Network

    clicks = Clicks((Click(45, 32), Click(5, 5, False)))
    coarse = Network(Blurred())
    plain = coarse.step(coarse.start(photo()), clicks).mask
    sharp = dios.DIOS(coarse).step(coarse.start(photo()), clicks).mask
    wanted = truth_of() == 1
    assert (sharp != wanted).sum() < 0.2 * (plain != wanted).sum()


def test_dios_keeps_the_cut_to_the_clicks(weights):
    """A click within what the network takes for background is object, and not its pixel alone."""
    made = dios.build(weights=weights["dios"], anchor=False, zoom=64, device="cpu")
    state = made.step(made.start(photo()), Clicks((Click(45, 32),)))
    assert state.mask[32, 45]
    without = dios.build(weights=weights["dios"], graph_cut=False, zoom=64, device="cpu")
    assert without.step(without.start(photo()), Clicks((Click(45, 32),))).mask[32, 45]


def test_latent_diversity_offers_its_candidates(weights):
    made = ld.build(weights=weights["ld"], zoom=0, anchor=False, device="cpu")
    state = made.step(made.start(photo()), Clicks((Click(45, 32), Click(5, 5, False))))
    assert state.memo["ld"].shape == (6, 64, 96)
    np.testing.assert_array_equal(state.memo["ld"][0], state.mask)


def test_clicks_may_choose_the_candidate(weights):
    made = ld.build(weights=weights["ld"], zoom=0, anchor=False, choice="clicks", device="cpu")
    clicks = Clicks((Click(45, 32), Click(5, 5, False), Click(80, 50, False)))
    candidates = made.step(made.start(photo()), clicks).memo["ld"]
    agreed = [sum(mask[click.pixel((64, 96))] == click.positive for click in clicks) for mask in candidates]
    assert agreed == sorted(agreed, reverse=True)


@pytest.fixture(scope="module")
def heeding(weights, tmp_path_factory):
    """BRS's random network with maps of clicks that count a thousand times as much, so that changing them does."""
    folder = tmp_path_factory.mktemp("heeding")
    tensors = checkpoint.read_tensors(weights["brs"])
    tensors["patch_embed_coords.weight"] = 1000 * tensors["patch_embed_coords.weight"]
    config = {"network": brs.SMALL, "method": "brs"}
    checkpoint.save(folder / "brs", {checkpoint.WEIGHTS: tensors}, config)
    return folder / "brs"


def test_brs_changes_its_maps_until_the_newest_click_is_met(heeding):
    """What was changed is kept, and added again at the next click."""
    weights = {"brs": heeding}
    made = brs.build(weights=weights["brs"], anchor=False, device="cpu", threads=1)
    start = made.start(photo())
    first = made.step(start, Clicks((Click(45, 32),)))
    label = not first.mask[50, 80]
    clicks = Clicks((Click(45, 32), Click(80, 50, bool(label))))
    second = made.step(first, clicks)
    assert second.mask[50, 80] == label
    assert any(np.abs(change).max() > 0 for change in second.memo["brs"].values())
    plain = brs.build(weights=weights["brs"], anchor=False, iterations=0, device="cpu")
    assert plain.step(plain.start(photo()), clicks).mask[50, 80] != label
    again = made.step(second, clicks)
    assert again.mask[50, 80] == label
    assert again.memo["brs"].keys() == second.memo["brs"].keys()


def test_brs_looks_at_windows_of_large_photos_where_there_are_positive_clicks():
    net = build_network(brs.SMALL).eval()
    predictor = brs.BRS(net, side_px=64)
    image = photo(150, 200)
    whole, *windows = predictor.views(image, Clicks((Click(45, 32), Click(190, 140, False))))
    assert whole.whole
    assert max(whole.hw) == 64
    assert windows
    assert all(window.holds(Click(45, 32)) and window.hw == (64, 64) for window in windows)
    assert len(list(predictor.views(photo(50, 60), Clicks((Click(45, 32),))))) == 1


@pytest.mark.parametrize("length", [64, 65, 100, 480, 481])
def test_windows_cover_the_photo(length):
    begins = brs.starts(length, 64)
    assert begins[0] == 0
    assert begins[-1] == max(0, length - 64)
    assert all(after - before <= 64 for before, after in itertools.pairwise(begins))


def test_where_windows_count_alone_the_whole_fills_the_rest():
    net = build_network(brs.SMALL).eval()
    image = photo(80, 128)
    views = list(brs.BRS(net, side_px=64).views(image, Clicks((Click(10, 10),))))
    probs = [np.full(view.hw, 0.2 if view.whole else 0.9, np.float32) for view in views]
    merged = brs.merged(image, views, probs, windows_alone=True)
    assert merged[10, 10] == pytest.approx(0.9, abs=0.01)
    assert merged[79, 127] == pytest.approx(0.2)
    assert brs.merged(image, views, probs, windows_alone=False)[10, 10] < 0.6


def test_the_robot_of_ucp_net_clicks_on_far_points_of_the_outline_first():
    truth, clicks = truth_of(), Clicks()
    for _ in range(2):
        clicks = clicks + outline_click(truth, np.zeros(truth.shape, bool), clicks)
    edge = outline(truth == 1)
    assert all(edge[click.pixel(truth.shape)] for click in clicks)
    assert np.hypot(clicks[0].x - clicks[1].x, clicks[0].y - clicks[1].y) > 35


def test_then_where_the_outlines_are_farthest_apart():
    truth = truth_of()
    mask = truth == 1
    mask[20:44, 50:60] = False  # the right end is missing
    clicks = Clicks((Click(30, 20), Click(30, 43)))
    assert outline_click(truth, mask, clicks).x == 59
    assert outline_click(np.zeros((4, 4), np.int8), np.zeros((4, 4), bool), Clicks()) == Click(0, 0, False)


def test_ucp_net_is_measured_by_its_own_robot_from_two_clicks_on(weights):
    made = ucp_net.build(weights=weights["ucp_net"], side_px=64, anchor=False, device="cpu")
    trace = rollout(made, Sample(photo(), truth_of(), "square"), ucp_net.robot, max_clicks=3)
    assert trace.ious[0] == 0
    assert len(trace.ious) == 3
    edge = outline(truth_of() == 1)
    assert all(edge[click.pixel((64, 96))] for click in trace.clicks)


def test_the_region_of_ucp_net_holds_the_circle_around_the_clicks():
    predictor = ucp_net.UCPNet(None, margin=1.5)
    box = predictor.region(Clicks((Click(300, 300), Click(340, 300), Click(320, 320))), (600, 800))
    assert box.x0 <= 291
    assert box.x1 >= 350
    assert box.y0 <= 291
    assert box.hw[0] == pytest.approx(60, abs=3)
    edge = predictor.region(Clicks((Click(0, 0), Click(3, 0))), (600, 800))
    assert edge.x0 == edge.y0 == 0


class Erring(torch.nn.Module):
    """Says that pixel (row 7, column 9) was missed, and notes the clicks that it is shown."""

    def __init__(self, sure=0.9):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.seen, self.sure = [], sure

    def outputs(self, image, clicks, prev):
        from fewclicks.models.segmenter import Outputs

        self.seen.append(clicks[0].tolist())
        maps = torch.full((1, 2, *image.shape[2:]), -9.0)
        maps[0, 0, 7, 9] = float(np.log(self.sure / (1 - self.sure)))
        maps[0, 1, 30, 40] = -2.0
        return Outputs(torch.full((1, 1, *image.shape[2:]), -3.0), maps=maps)


def test_pseudoclick_clicks_once_itself_at_the_peak_of_the_stronger_error():
    net = Erring()
    predictor = pseudoclick.PseudoClick(net)
    state = predictor.step(predictor.start(photo()), Clicks((Click(45, 32),)))
    assert net.seen == [[[45, 32, 1]], [[45, 32, 1], [9, 7, 1]]]
    assert state.memo["pseudoclick"] == (Click(9, 7, True),)


def test_pseudoclick_does_not_click_where_it_is_unsure_or_somebody_clicked():
    net = Erring(sure=0.4)
    predictor = pseudoclick.PseudoClick(net)
    assert predictor.step(predictor.start(photo()), Clicks((Click(45, 32),))).memo["pseudoclick"] == ()
    assert len(net.seen) == 1
    net = Erring()
    predictor = pseudoclick.PseudoClick(net)
    assert predictor.step(predictor.start(photo()), Clicks((Click(9, 7, False),))).memo["pseudoclick"] == ()


def test_only_the_clicks_of_a_human_count(weights):
    made = pseudoclick.build(weights=weights["pseudoclick"], zoom=64, sure=0.0, device="cpu")
    trace = rollout(made, Sample(photo(), truth_of(), "square"), max_clicks=2, stop_iou=None)
    assert len(trace.clicks) == 2


@pytest.mark.parametrize(("method", "other"), [(ld, "dios"), (pseudoclick, "brs")])
def test_weights_of_another_method_are_refused(method, other, weights):
    with pytest.raises(InputError, match="not of '"):
        method.build(weights=weights[other])
