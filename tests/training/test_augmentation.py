"""Training samples: cut as told, from flat and layered scenes, and the same for everyone who asks for sample i."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fakes import gradient
from fewclicks.recipes import ritm
from fewclicks.recipes.compact import compact
from fewclicks.training import clicks as clicks_module
from fewclicks.training import sets
from fewclicks.training.augmentation import crop_matrix, native_matrix, warp, worsen
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples
from fewclicks.types import IGNORE_ID, Scene

NATIVE = Recipe(
    name="native", native=True, crop_hw=(48, 64), min_area_px=40, holdout=0, resize=(1.0, 1.0), rotate_prob=0.0,
    flip_prob=0.0, simple_prob=0.0, union_prob=0.0, exclusion_prob=0.0, blend_prob=0.0, mixing_prob=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Few:
    """A set of given scenes."""

    scenes: Sequence[Scene]
    name: str = "few"

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Scene:
        return self.scenes[index]

    def photo(self, index: int) -> str:
        return self.scenes[index].name


def layered() -> Scene:
    """Two overlapping squares, 1 (with a part, 3) and 2, and some sky, 300; photo of 90x120."""
    ids = np.zeros((90, 120, 3), np.uint16)
    ids[20:70, 10:60, 0], ids[30:80, 40:100, 1], ids[25:35, 15:25, 2], ids[:15, :, 0] = 1, 2, 3, 300
    return Scene(gradient(90, 120), ids, "layered", {3: 1}, frozenset({300}))


def of(recipe: Recipe, *scenes: Scene) -> Samples:
    return Samples(recipe, [Few(scenes)])


def digest(recipe: Recipe, count: int = 8) -> str:
    samples, found = Samples(recipe, [sets.Toy()]), hashlib.sha256()
    for i in range(count):
        for array in samples[i][:3]:
            found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def test_the_samples_of_compact_stay_as_they_are():
    recipe = replace(compact(), sets=("toy",), set_weights=(1.0,))
    assert digest(recipe) == "0fcc77d56bcb882706665d26a6971910cef94c79b5d38f0c8afdd8b446d5a0cd"
    mixed = replace(
        recipe, seed=3, simple_prob=0.5, union_prob=0.3, exclusion_prob=0.3, blend_prob=0.3, mixing_prob=0.5,
        whole_sets=("toy",),
    )  # fmt: skip
    assert digest(mixed) == "472b480a8ca3df008098f118917323a55e1528ddec72da8762ba72c9b9b9914b"


def test_a_native_sample_depends_on_its_index_and_seed_only():
    recipe = replace(ritm.hrnet18_sbd(), crop_hw=(48, 64), sets=("toy",), min_area_px=40)
    first, again = Samples(recipe, [sets.Toy()]), Samples(recipe, [sets.Toy()])
    again[5]
    assert all(np.array_equal(a, b) for a, b in zip(first[2][:3], again[2][:3], strict=True))
    assert not np.array_equal(first[2][0], Samples(replace(recipe, seed=1), [sets.Toy()])[2][0])


def corners(matrix: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    """xyxy in the photo of what a crop of `hw` shows."""
    points = np.array([[-0.5, -0.5], [hw[1] - 0.5, hw[0] - 0.5]]) - matrix[:, 2]
    photo = points @ np.linalg.inv(matrix[:, :2]).T + 0.5
    return np.concatenate((photo.min(0), photo.max(0)))


def test_a_native_crop_lies_in_the_photo_at_its_own_scale():
    rng, seen = np.random.default_rng(0), []
    for _ in range(200):
        matrix = native_matrix((90, 120), NATIVE, rng)
        assert np.array_equal(matrix[:, :2], np.eye(2))
        seen.append(corners(matrix, NATIVE.crop_hw))
        assert (seen[-1][:2] >= -1e-9).all()
        assert (seen[-1][2:] <= np.array([120, 90]) + 1e-9).all()
    assert np.ptp(seen, axis=0)[:2] == pytest.approx([120 - 64, 90 - 48], rel=0.05)


def test_a_photo_smaller_than_the_crop_stands_in_the_middle_of_its_padding():
    matrix = native_matrix((30, 40), NATIVE, np.random.default_rng(0))
    assert corners(matrix, NATIVE.crop_hw).tolist() == pytest.approx([-12, -9, 52, 39])
    scene = Scene(gradient(30, 40), np.ones((30, 40), np.uint8), "small")
    for beyond in (0, IGNORE_ID):
        cut = warp(scene, matrix, NATIVE.crop_hw, beyond)
        assert np.array_equal(cut.image[9:39, 12:52], scene.image)
        assert (cut.ids[9:39, 12:52] == 1).all()
        assert (cut.ids[:9] == beyond).all()
        assert not cut.image[:9].any()


def test_resize_flips_and_turns_have_the_chances_of_the_recipe():
    sbd = replace(ritm.hrnet18_sbd(), rotate_prob=0.0)
    rng = np.random.default_rng(0)
    linear = np.array([native_matrix((90, 120), sbd, rng)[:, :2] for _ in range(4000)])
    scale = np.sqrt(np.abs(np.linalg.det(linear)))
    assert scale.min() == pytest.approx(0.75, abs=0.01)
    assert scale.max() == pytest.approx(1.25, abs=0.01)
    # flips: half of the photos; of these, two of three are mirrored (the third is a half turn)
    assert (np.linalg.det(linear) < 0).mean() == pytest.approx(1 / 3, abs=0.03)
    # turns: half of the photos; of these, every second by 90 or 270 degrees
    assert (np.abs(linear[:, 0, 1]) > 0.5).mean() == pytest.approx(1 / 4, abs=0.03)
    plain = [native_matrix((90, 120), ritm.hrnet18_cocolvis(), rng)[:, :2] for _ in range(200)]
    assert all((m[0, 1], m[1, 0]) == (0, 0) and m[1, 1] > 0 for m in plain), "COCO+LVIS: mirrored at most"


def test_small_rotations_turn_about_the_middle_and_shift_by_a_share():
    recipe = replace(NATIVE, crop_hw=(90, 120), rotate_prob=1.0, rotate_deg=3.0, shift=0.03)
    rng = np.random.default_rng(0)
    moved, angles = [], []
    for _ in range(500):
        matrix = native_matrix((90, 120), recipe, rng)
        angles.append(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])))
        moved.append(matrix @ [59.5, 44.5, 1] - [59.5, 44.5])
    assert 2.8 < np.abs(angles).max() <= 3
    assert (np.abs(moved).max(0) <= [3.6, 2.7]).all()
    assert (np.abs(moved).max(0) > [3.4, 2.5]).all()


def test_layers_move_together_and_keep_their_relations():
    scene = layered()
    matrix = native_matrix((90, 120), replace(NATIVE, crop_hw=(90, 120)), np.random.default_rng(0))
    cut = warp(scene, matrix, (90, 120))
    assert np.array_equal(cut.ids, scene.ids)
    assert cut.ids.dtype == np.uint16
    assert (cut.parents, cut.stuff) == (scene.parents, scene.stuff)
    half = warp(scene, np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]]), (45, 60))
    assert (half.truth(1) == 1).sum() == pytest.approx((scene.truth(1) == 1).sum() / 4, rel=0.05)
    assert (half.truth(2) == 1).sum() == pytest.approx((scene.truth(2) == 1).sum() / 4, rel=0.05)


@pytest.mark.parametrize("native", [True, False])
def test_targets_are_roots_and_stuff_only_with_its_chance(native):
    whole = (90, 120)
    places = {1: (40, 20), 2: (60, 90), 300: (5, 60)}  # in the photo: a pixel of that object alone
    for chance, allowed in ((0.0, {1, 2}), (1.0, {1, 2, 300})):
        recipe = replace(
            NATIVE, native=native, crop_hw=whole, stuff_prob=chance, merge_prob=0.0, zoom_crop_prob=0.0, stretch=1.0,
            rotate_deg=0.0,
        )  # fmt: skip
        samples = of(recipe, layered())
        seen = Counter()
        for i in range(40):
            cut = samples.crop(np.random.default_rng(i))
            assert not (cut.others & (cut.truth == 1)).any()
            assert cut.scene.stuff == (frozenset({300}) if chance else frozenset())
            if native:
                seen += Counter(k for k, place in places.items() if cut.truth[place] == 1)
                assert cut.truth[30, 20] == cut.truth[40, 20], "a part is in its whole"
        if native:
            assert set(seen) == allowed


def test_a_crop_without_objects_is_background_with_negatives_anywhere():
    empty = Scene(gradient(90, 120), np.zeros((90, 120), np.uint8), "empty")
    recipe = replace(NATIVE, keep_background_prob=1.0, simple_prob=1.0, mixing_prob=1.0, union_prob=1.0)
    image, truth, _, name, _ = of(recipe, empty)[0]
    assert image.shape == (48, 64, 3)
    assert not truth.any()
    assert name == "sample 0, empty"
    clicks = np.concatenate([of(recipe, empty)[i][2] for i in range(30)])
    assert (clicks[:, 2] == 0).all()
    assert np.ptp(clicks[:, 0]) > 50
    both = of(replace(NATIVE, keep_background_prob=0.05), empty, replace(layered(), stuff=frozenset()))
    share = np.mean([not (both[i][1] == 1).any() for i in range(150)])
    assert 0.2 < share < 0.6, "of 20 crops of the empty photo, most runs keep one"


def test_each_part_of_a_merged_target_gets_a_positive_first():
    recipe = replace(NATIVE, crop_hw=(90, 120), merge_prob=1.0, max_clicks=1)
    samples = of(recipe, replace(layered(), stuff=frozenset()).without([300]))
    for i in range(20):
        _, truth, clicks, *_ = samples[i]
        positive = clicks[clicks[:, 2] == 1]
        assert len(positive) == 2, "one of each, although a single click was drawn"
        assert all(truth[int(y), int(x)] == 1 for x, y, _ in positive)
        assert any(x < 60 and y < 70 for x, y, _ in positive)
        assert any(x >= 40 and y >= 30 for x, y, _ in positive)


def test_clicks_are_as_many_and_where_ritm_has_them():
    truth, others = np.zeros((64, 64), np.int8), np.zeros((64, 64), bool)
    truth[16:48, 16:48], others[:, 56:] = 1, True
    border = np.zeros((64, 64), bool)
    border[12:52, 12:52] = True  # ceil(.1 * sqrt(32 * 32)) = 4 pixels around
    border &= truth == 0
    rng = np.random.default_rng(0)
    drawn = [clicks_module.random_clicks(truth, others, 24, 0.8, rng) for _ in range(4000)]
    counts = np.array([[(points[:, 2] == label).sum() for label in (1, 0)] for points in drawn])
    error = counts.std(0) / np.sqrt(len(drawn))
    assert (np.abs(counts.mean(0) - [4.886, 3.905]) < 4 * error).all()
    x, y, label = np.concatenate(drawn).astype(int).T
    negative = (y[label == 0], x[label == 0])
    free = (truth == 0).sum()
    assert border[negative].mean() == pytest.approx(0.5 + 0.1 * border.sum() / free, abs=0.02)
    assert others[negative].mean() == pytest.approx(0.4 + 0.1 * others.sum() / free, abs=0.02)
    outer = (truth == 1) & ~(np.pad(np.ones((26, 26), bool), 19))
    positive = (y[label == 1], x[label == 1])
    assert outer[positive].mean() == pytest.approx(0.1 * outer.sum() / 1024, abs=0.01), "9 of 10 are eroded"


def one_square(**changes: object) -> tuple[Recipe, Scene]:
    """A crop of the whole photo, as it is but for `changes`; its object is a square at the left."""
    recipe = replace(
        NATIVE, native=False, crop_hw=(60, 120), zoom_crop_prob=0.0, rotate_deg=0.0, stretch=1.0, merge_prob=0.0,
        brightness=0.0, contrast=(0.0, 0.0), shift_rgb=0.0, **changes,
    )  # fmt: skip
    ids = np.zeros((60, 120), np.uint16)
    ids[20:40, 10:30] = 1
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 220, (5, 10, 3), np.uint8).repeat(12, 0).repeat(12, 1)
    return recipe, Scene(coarse, ids, "square")


def test_grey_crops_have_one_value_a_pixel_and_others_keep_their_colors():
    for chance, grey in ((0.0, 0), (1.0, 6)):
        samples = of(*one_square(grey_prob=chance))
        images = [samples[i][0] for i in range(6)]
        assert sum(bool((image == image[..., :1]).all()) for image in images) == grey


def test_crops_are_turned_by_quarters_without_a_stretch_and_keep_their_shape():
    recipe, _ = one_square(rotate90_prob=1.0, flip_prob=0.0, resize=(2.0, 2.0))
    rng, turns = np.random.default_rng(0), set()
    for _ in range(24):
        matrix = crop_matrix(np.ones((240, 240), bool), recipe, rng)
        linear = matrix[:, :2]
        assert np.allclose(linear @ linear.T, np.eye(2))  # a window of 120, shown in 120
        turns.add(tuple(np.rint(linear).astype(int).ravel().tolist()))
        corners = np.array([[0, 0], [119, 59]]) - matrix[:, 2]
        assert ((corners @ linear >= -1) & (corners @ linear <= 240)).all()
    assert len(turns) == 4


def test_worse_photos_are_noisy_or_of_low_quality_and_their_truth_stays():
    recipe, scene = one_square()
    plain, worse = of(recipe, scene), of(replace(recipe, worsen_prob=1.0), scene)
    for i in range(6):
        (image, truth, *_), (changed, same, *_) = plain[i], worse[i]
        assert truth.shape == same.shape
        assert image.shape == changed.shape
    assert worsen(scene.image, recipe, np.random.default_rng(1)) is scene.image
    often = replace(recipe, worsen_prob=1.0)
    spoiled = [worsen(scene.image, often, np.random.default_rng(seed)) for seed in range(6)]
    off = [float(np.abs(image.astype(int) - scene.image).mean()) for image in spoiled]
    assert min(off) > 0.5
    assert max(off) < 30
    assert np.array_equal(worsen(scene.image, often, np.random.default_rng(0)), spoiled[0])
