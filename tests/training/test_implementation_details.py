"""The paper's "Implementation details", fact by fact: each test says one in our words and shows where it holds.

What it leaves open, or the release does otherwise, is in the tables of docs/reproduction.md.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fewclicks import config
from fewclicks.clicks import Click, Clicks
from fewclicks.evaluation.metrics import THRESHOLDS, noc, reached
from fewclicks.evaluation.robot import deepest_error
from fewclicks.evaluation.rollout import evaluate, rollout
from fewclicks.models.segmenter import build_segmenter
from fewclicks.plugins import find, names
from fewclicks.predictor import blank
from fewclicks.recipes import cfr_icl, ritm, simpleclick
from fewclicks.refinement import CFR, TOL
from fewclicks.training import objectives, suem
from fewclicks.training.augmentation import native_matrix, recolour
from fewclicks.training.optimizer import adam
from fewclicks.training.recipe import Recipe
from fewclicks.training.trainer import network
from fewclicks.types import Sample

TUNED = {
    name: getattr(cfr_icl, name)() for name in dir(cfr_icl) if name.startswith(("vit_", "hrnet32_"))
}  # fmt: skip
FULL = {name: recipe for name, recipe in TUNED.items() if name.endswith("_icl_suem")}


def test_networks_that_have_converged_are_tuned():
    """ViT-B and ViT-H start from SimpleClick's weights, HRNet32 from RITM's; nothing is trained from scratch."""
    for name, recipe in TUNED.items():
        family = "ritm" if "hrnet" in name else "simpleclick"
        assert f"the weights of {family}:" in recipe.starts_from, name


def test_the_networks_are_those_of_the_methods_that_are_tuned():
    """The architecture is that of the network it starts from: plain ViTs, or HRNet32 with its OCR head."""
    for name, start in {
        "vit_base_cocolvis": simpleclick,
        "vit_huge_sbd": simpleclick,
        "hrnet32_cocolvis": ritm,
    }.items():
        ours, theirs = TUNED[f"{name}_icl_suem"], getattr(start, name)()
        assert (ours.backbone, ours.size, ours.fusion, ours.maps, ours.radius_px, ours.with_prev) == (
            theirs.backbone, theirs.size, theirs.fusion, theirs.maps, theirs.radius_px, theirs.with_prev,
        )  # fmt: skip


def test_training_is_on_sbd_or_on_coco_and_lvis():
    """Two training sets, each with its own networks: SBD, and COCO + LVIS together."""
    for name, recipe in TUNED.items():
        assert recipe.sets == (("sbd/train",) if "_sbd_" in name else ("coco_lvis/train",)), name


def test_tuning_lasts_one_epoch():
    """Each network sees as many photos as one epoch has: 8,498 of SBD, or the 30,000 that an epoch of C+L draws."""
    for name, recipe in TUNED.items():
        photos = 8_498 if "_sbd_" in name else 30_000
        assert photos - recipe.batch < recipe.steps * recipe.batch <= photos, name


@pytest.mark.parametrize(("network", "batch"), [("vit_base", 140), ("vit_huge", 32)])
def test_batches_are_of_140_and_32(network, batch):
    """A step has 140 samples for ViT-B, and 32 for ViT-H."""
    assert {recipe.batch for name, recipe in TUNED.items() if name.startswith(network)} == {batch}


def test_the_learning_rate_is_5e_6_and_stays():
    """Adam at 5e-6 throughout."""
    for recipe in TUNED.values():
        assert (recipe.lr, recipe.milestones, recipe.decay_from, recipe.warmup) == (5e-6, (), 1.0, 0)


def test_the_optimizer_is_adam_with_its_usual_betas():
    """Adam, beta 0.9 and 0.999, without weight decay."""
    recipe = FULL["vit_base_sbd_icl_suem"]
    with torch.device("meta"):
        net = build_segmenter(**network(recipe))
    found = adam(net, recipe)
    assert type(found) is torch.optim.Adam
    assert {(group["lr"], group["betas"], group["weight_decay"]) for group in found.param_groups} == {
        (5e-6, (0.9, 0.999), 0.0)
    }
    for recipe in TUNED.values():
        assert (recipe.betas, recipe.weight_decay) == ((0.9, 0.999), 0.0)


def test_photos_are_unified_to_448_pixels_in_training_and_in_use():
    """Crops of 448x448 train every network, HRNet32 too; a network is shown regions of 448 pixels, DAVIS alike."""
    assert {recipe.crop_hw for recipe in TUNED.values()} == {(448, 448)}
    assert {recipe.zoom or max(recipe.crop_hw) for recipe in TUNED.values()} == {448}
    for dataset in (None, "grabcut", "davis"):
        shown = config.preset_options("paper", dataset)
        assert (shown["zoom"], shown["fit"]) == (448, "square")


def test_photos_are_resized_flipped_rotated_cropped_and_recoloured():
    """Random size, flip, rotation (on C+L too), brightness, contrast and crop place change every sample."""
    for name, recipe in TUNED.items():
        assert recipe.resize == (0.75, 1.25 if "_sbd_" in name else 1.4), name
        assert recipe.flip_prob > 0, name
        assert recipe.rotate_prob > 0, name
        assert recipe.rotate_deg > 0, name
    recipe = FULL["vit_base_cocolvis_icl_suem"]
    matrices = [native_matrix((600, 700), recipe, np.random.default_rng(i)) for i in range(40)]
    scales = [np.sqrt(abs(np.linalg.det(matrix[:, :2]))) for matrix in matrices]
    assert 0.75 <= min(scales) < 0.85 < 1.3 < max(scales) <= 1.4
    assert {np.sign(np.linalg.det(matrix[:, :2])) for matrix in matrices} == {-1.0, 1.0}
    assert any(0.001 < abs(matrix[0, 1] / matrix[0, 0]) < 0.06 for matrix in matrices if matrix[0, 0])
    grey = np.full((4, 4, 3), 128, np.uint8)
    colors = {tuple(recolour(grey, recipe, np.random.default_rng(i))[0, 0]) for i in range(10)}
    assert len(colors) > 5


def test_the_loss_is_the_normalized_focal_loss():
    """NFL with alpha 0.5 and gamma 2 is the loss of every term."""
    for recipe in TUNED.values():
        assert (recipe.loss, recipe.alpha, recipe.gamma, recipe.aux_weight) == ("nfl", 0.5, 2.0, 0.0)
    logits, truth = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[1, 0]]], dtype=torch.int8)
    p = torch.sigmoid(torch.tensor([2.0, 1.0]))  # of the right answer
    focal = (1 - p) ** 2
    wanted = (0.5 * focal / focal.mean() * -torch.log(p)).mean()
    assert objectives.nfl(logits, truth)[0] == pytest.approx(float(wanted), rel=1e-5)


def test_icl_generates_three_clicks_with_weights_1_2_3():
    """Eq. 3: three clicks are generated, the masks after them weigh 1, 2 and 3; the mask before them does not count."""
    for recipe in (Recipe(name="plain"), *FULL.values()):
        drawn = {objectives.build(recipe).draw(np.random.default_rng(i)) for i in range(20)}
        assert drawn == {(0.0, 1.0, 2.0, 3.0)}


def test_suem_has_four_modes():
    """Simple copy-paste, union, exclusion and image mixing, and no fifth; without SUEM none is used."""
    for name, recipe in TUNED.items():
        chances = recipe.simple_prob, recipe.union_prob, recipe.exclusion_prob, recipe.mixing_prob
        assert all(chances) == name.endswith("suem"), name
        assert name.endswith("suem") or not any(chances), name
        assert recipe.blend_prob == 0
    image, truth = np.zeros((2, 2, 3), np.uint8), np.array([[1, 0], [1, 0]], np.int8)
    other, of_it = np.full((2, 2, 3), 200, np.uint8), np.array([[1, 1], [0, 0]], np.int8)
    assert suem.simple(image, truth, other)[1].tolist() == truth.tolist()
    assert suem.union(image, truth, other, of_it)[1].tolist() == [[1, 1], [1, 0]]
    assert suem.exclusion(image, truth, other, of_it)[1].tolist() == [[0, 0], [1, 0]]
    assert suem.mixing(image, truth, other)[1].tolist() == truth.tolist()


class Counter:
    """A predictor that counts its steps and never changes its mind after the second."""

    def __init__(self, changes: int) -> None:
        self.changes, self.steps = changes, 0

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        self.steps += 1
        prob = state.prob.copy()
        prob.ravel()[: self.changes * (1 + self.steps % 2)] = 1 - prob.ravel()[0]
        return replace(state, prob=prob)


def test_cfr_refines_each_click_n_times():
    """CFR-n steps n + 1 times for every click, not the first alone, with the same clicks and the mask before."""
    inner = Counter(50)
    predictor = CFR(inner, steps=4)
    state = predictor.start(np.zeros((10, 10, 3), np.uint8))
    for k in range(1, 4):
        state = predictor.step(state, Clicks(tuple(Click(i, 0) for i in range(k))))
        assert inner.steps == 5 * k
    assert config.PRESETS["paper"]["until_click"] is None


def test_a_cfr_stops_at_20_pixels():
    """A-CFR ends its refinements once fewer than 20 pixels change, after 4 at most."""
    assert config.PRESETS["paper"]["tol"] == TOL == 20
    for changes, steps in ((3, 2), (40, 5)):
        inner = Counter(changes)
        CFR(inner, steps=4, tol=20).step(inner.start(np.zeros((20, 20, 3), np.uint8)), Clicks((Click(0, 0),)))
        assert inner.steps == steps


def test_the_first_click_is_in_the_middle_and_the_next_on_the_largest_error():
    """The robot clicks the deepest point of the object first, then of the error that is deepest."""
    truth = np.zeros((21, 31), np.int8)
    truth[5:16, 3:14] = 1
    first = deepest_error(truth, truth == 9, Clicks())
    assert (first.x, first.y, first.positive) == (8, 10, True)
    mask = truth == 1
    mask[5:8, 3:6] = False
    mask[2:9, 20:27] = True
    wrong = deepest_error(truth, mask, Clicks((first,)))
    assert (wrong.x, wrong.y, wrong.positive) == (23, 5, False)


class Never:
    """A predictor that finds nothing."""

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        return state


def test_an_object_gets_20_clicks_at_most_and_a_failure_counts_20():
    """NoC is the mean number of clicks to the wanted IoU; the limit of 20 stands for what never gets there."""
    truth = np.zeros((12, 12), np.int8)
    truth[3:9, 3:9] = 1
    sample = Sample(np.zeros((12, 12, 3), np.uint8), truth, "a")
    assert len(rollout(Never(), sample).turns) == 20
    assert noc([0.1] * 20, 0.9) == 20
    assert noc([0.5, 0.86, 0.91], 0.9) == 3

    class One:
        name = "one"

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return sample

    assert evaluate(Never(), One()).to_json()["noc"]["0.90"] == 20


def test_noc_is_told_at_85_and_90_and_further_levels():
    """The tables have NoC@85 and NoC@90; 95 is for the fine masks."""
    assert {0.85, 0.90, 0.95} <= set(THRESHOLDS)


def test_failures_are_the_objects_that_never_came_to_the_iou():
    """NoF@85 and NoF@90: objects that 20 clicks do not bring to the IoU; the peers count all that took 20."""
    curves = {"never": [0.5] * 20, "at the last click": [0.5] * 19 + [0.91], "soon": [0.87, 0.96]}
    assert [name for name, curve in curves.items() if not reached(curve, 0.9)] == ["never"]
    assert [name for name, curve in curves.items() if noc(curve, 0.9) == 20] == ["never", "at the last click"]
    assert [noc(curve, 0.85) for curve in curves.values()] == [20, 20, 1]


def test_the_benchmarks_of_the_tables_are_readable():
    """GrabCut, Berkeley, SBD, DAVIS and Pascal VOC are measured on, with their published numbers of objects."""
    assert {"grabcut", "berkeley", "sbd", "davis", "pascal_voc"} <= set(names("datasets"))
    counts = {name: find("datasets", name).COUNTS for name in ("grabcut", "berkeley", "sbd", "davis", "pascal_voc")}
    assert counts["grabcut"][None][1] == 50
    assert counts["berkeley"][None] == (100, 100)
    assert counts["davis"][None][1] == 345
    assert counts["sbd"]["val"][1] == 6671
    assert counts["pascal_voc"]["val"][1] == 3427


def test_clicks_are_drawn_as_disks_beside_the_previous_mask():
    """The network is given the photo, disks of 5 pixels for positive and for negative clicks, and the mask before."""
    for recipe in TUNED.values():
        assert (recipe.maps, recipe.radius_px, recipe.with_prev) == ("disk", 5.0, True)
