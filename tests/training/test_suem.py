"""The four modes on 4x4 literals."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fewclicks.errors import InputError
from fewclicks.recipes import cfr_icl, cfr_icl_released
from fewclicks.training import sets, suem
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples

A = np.full((4, 4, 3), 100, np.uint8)
B = np.full((4, 4, 3), 200, np.uint8)
TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, -1]], np.int8)
OTHER = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.int8)


def grey(image: np.ndarray) -> list[list[int]]:
    return image[..., 0].tolist()


def test_simple_puts_the_object_on_the_other_photo():
    image, truth = suem.simple(A, TRUTH, B)
    assert grey(image) == [[100, 100, 200, 200], [100, 100, 200, 200], [200] * 4, [200] * 4]
    assert truth.tolist() == TRUTH.tolist()
    veiled, _ = suem.simple(A, TRUTH, B, 0.5)
    assert grey(veiled) == [[150, 150, 200, 200], [150, 150, 200, 200], [200] * 4, [200] * 4]


def test_union_makes_both_the_target():
    image, truth = suem.union(A, TRUTH, B, OTHER)
    assert grey(image) == [[100, 200, 200, 100], [100, 200, 200, 100], [100] * 4, [100] * 4]
    assert truth.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, -1]]


def test_exclusion_leaves_what_is_not_covered():
    image, truth = suem.exclusion(A, TRUTH, B, OTHER)
    assert grey(image) == [[100, 200, 200, 100], [100, 200, 200, 100], [100] * 4, [100] * 4]
    assert truth.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, -1]]


def test_blend_veils_the_other_object_and_keeps_the_target():
    image, truth = suem.blend(A, TRUTH, B, OTHER, 0.75)
    assert grey(image) == [[100, 125, 125, 100], [100, 125, 125, 100], [100] * 4, [100] * 4]
    assert truth.tolist() == TRUTH.tolist()


def test_mixing_blends_the_photos_and_keeps_the_target():
    image, truth = suem.mixing(A, TRUTH, B, 0.75)
    assert grey(image) == [[125] * 4] * 4
    assert truth.tolist() == TRUTH.tolist()


def test_nothing_is_changed_in_place():
    before = [x.copy() for x in (A, TRUTH, B, OTHER)]
    suem.simple(A, TRUTH, B, 0.5)
    suem.mixing(A, TRUTH, B)
    for mode in (suem.union, suem.exclusion, suem.blend):
        mode(A, TRUTH, B, OTHER)
    assert all((x == y).all() for x, y in zip(before, (A, TRUTH, B, OTHER), strict=True))


def test_place_moves_and_rescales_the_object_as_a_whole():
    image = np.zeros((60, 80, 3), np.uint8)
    truth = np.zeros((60, 80), np.int8)
    truth[20:40, 30:50], image[20:40, 30:50] = 1, 255
    areas = set()
    for seed in range(20):
        moved, where = suem.place(image, truth, np.random.default_rng(seed))
        areas.add(int(where.sum()))
        assert where.any()
        assert moved[where == 1].mean() > 200  # the pixels moved with the truth
        assert moved[where == 0].mean() < 5
    assert len(areas) > 5


SMALL = replace(
    cfr_icl_released.vit_base_cocolvis_icl_suem(), sets=("toy",), crop_hw=(64, 64), min_area_px=60, resize=(1.0, 1.0),
    merge_prob=0.0, keep_background_prob=0.0,
)  # fmt: skip
TOY = sets.Toy(count=20, side=90)


@pytest.mark.slow
def test_the_stages_have_the_chances_of_the_release(monkeypatch):
    called: Counter[str] = Counter()
    alphas = []

    def counted(mode, run):
        def count(*pair):
            called[mode] += 1
            if mode in ("simple", "blend", "mixing"):
                alphas.append(pair[-1])
            return run(*pair)

        return count

    for mode in ("simple", "union", "exclusion", "blend", "mixing"):
        monkeypatch.setattr(suem, mode, counted(mode, getattr(suem, mode)))
    samples, total = Samples(SMALL, [TOY]), 300
    for i in range(total):
        samples[i]
    assert called["simple"] / total == pytest.approx(0.5, abs=0.09)
    assert called["mixing"] / total == pytest.approx(0.5, abs=0.09)
    for mode in ("union", "exclusion", "blend"):
        assert called[mode] / total == pytest.approx(1 / 6, abs=0.07)
    assert 0.5 <= min(alphas) < 0.52 < 0.98 < max(alphas) <= 1


def test_the_second_stage_of_the_paper_has_two_modes():
    paper = cfr_icl.vit_base_cocolvis_icl_suem()
    assert (paper.simple_prob, paper.union_prob, paper.exclusion_prob, paper.mixing_prob) == (0.5, 0.25, 0.25, 0.5)
    assert paper.blend_prob == Recipe(name="x").blend_prob == 0


def test_an_object_that_hides_the_target_is_not_pasted_and_others_are_tried():
    samples = Samples(replace(SMALL, union_prob=1.0, paste_tries=5), [TOY])
    target = np.zeros((64, 64), np.int8)
    target[30:34, 30:35] = 1  # 20 pixels: never more than 20 of them stay visible
    assert samples.other(target, np.random.default_rng(0)) is None
    target[20:44, 20:44] = 1
    for seed in range(30):
        found = samples.other(target, np.random.default_rng(seed))
        assert found is None or ((target == 1) & (found[1] != 1)).sum() > 20
    once = Samples(replace(samples.recipe, paste_tries=1), [TOY])
    missed = [sum(s.other(target, np.random.default_rng(k)) is None for k in range(40)) for s in (once, samples)]
    assert missed[1] < missed[0], "five tries find one more often"


def test_after_a_paste_the_sample_has_one_object_and_after_mixing_it_keeps_its_others(monkeypatch):
    """The release makes a new sample of one object where it pastes, so that no other attracts negatives; where it
    mixes the photo, the sample is the old one. `one_object_after` says otherwise.
    """
    seen = []
    monkeypatch.setattr(
        Samples, "first_clicks", lambda self, truth, others, rng, parts: seen.append((others.any(), parts))
    )
    never = replace(
        SMALL, merge_prob=1.0, simple_prob=0.0, union_prob=0.0, exclusion_prob=0.0, blend_prob=0.0, mixing_prob=0.0
    )
    mixed, pasted = replace(never, mixing_prob=1.0), replace(never, simple_prob=1.0, mixing_prob=1.0)
    found = {}
    for name, recipe in {"never": never, "mixed": mixed, "pasted": pasted}.items():
        for after in ("paste", "any", "never"):
            seen.clear()
            for i in range(10):
                Samples(replace(recipe, one_object_after=after), [TOY])[i]
            found[name, after] = any(others for others, _ in seen), any(len(parts) == 2 for _, parts in seen)
    one, several = (False, False), (True, True)
    assert [found["never", after] for after in ("paste", "any", "never")] == [several] * 3
    assert [found["mixed", after] for after in ("paste", "any", "never")] == [several, one, several]
    assert [found["pasted", after] for after in ("paste", "any", "never")] == [one, one, several]


@pytest.mark.parametrize("native", [True, False])
def test_each_of_two_merged_objects_gets_a_positive_first_unless_told_otherwise(native):
    recipe = replace(
        SMALL, native=native, rotate90_prob=0.0, flip_vertical=False, merge_prob=1.0, simple_prob=0.0, union_prob=0.0,
        exclusion_prob=0.0, blend_prob=0.0, mixing_prob=0.0, zoom_crop_prob=1.0, max_clicks=1,
    )  # fmt: skip
    clicks = [Samples(recipe, [TOY])[i][2] for i in range(20)]
    both = [(points[:, 2] == 1).sum() for points in clicks]
    assert 2 in both, "max_clicks is 1: the second is that of the other object"
    alone = [Samples(replace(recipe, merged_clicks=False), [TOY])[i][2] for i in range(20)]
    assert {(points[:, 2] == 1).sum() for points in alone} == {1}


def test_the_strength_of_blends_is_a_field(monkeypatch):
    alphas = []
    mixing = suem.mixing
    monkeypatch.setattr(suem, "mixing", lambda *pair: (alphas.append(pair[-1]), mixing(*pair))[1])
    for i in range(12):
        Samples(replace(SMALL, mixing_prob=1.0, blend_alpha=(0.7, 0.8)), [TOY])[i]
    assert 0.7 <= min(alphas) < max(alphas) <= 0.8
    for wrong in ({"blend_alpha": (0.9, 0.5)}, {"blend_alpha": (0.5, 1.5)}, {"one_object_after": "sometimes"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            replace(SMALL, **wrong)
