"""The recipes: named, faithful to what is published, and all of them train; and what a run will ask for."""

import functools
import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.errors import CheckpointError, DatasetError, InputError, UnknownName
from fewclicks.models import key_maps as names_
from fewclicks.models.networks import build_network
from fewclicks.models.segmenter import build_segmenter
from fewclicks.plugins import find, names
from fewclicks.recipes import cfr_icl, cfr_icl_released, functions, ritm, simpleclick
from fewclicks.recipes.toy import toy
from fewclicks.training import estimate as estimates
from fewclicks.training import loop, optimizer, sets
from fewclicks.training.estimate import Rate, estimate
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples, collate
from fewclicks.training.trainer import initialised, network
from quick import quick
from scripts import script

RECIPES = {
    f"{file}:{name}": make() for file in names("recipes") for name, make in functions(find("recipes", file)).items()
}
ONE_OF_A_KIND = {name.partition(":")[0]: name for name in RECIPES}
for _file in ("ablation", "brs", "dios", "ld", "ucp_net"):  # trained as those that stay
    del ONE_OF_A_KIND[_file]
ONE_OF_A_KIND["cfr_icl"] = "cfr_icl:vit_base_sbd_icl_suem"  # RITM's is an HRNet, too
SMALLEST = {"compact": "lite0", "unet": "lite0", "vit": "xtiny", "hrnet": "18s", "segformer": "b0", "sam2": "mini"}
"""Of other backbones and whole networks it is called tiny."""
TOY = sets.Toy(count=20, side=100)
TOY_RECIPE = toy()


FIELDS = [field.name for field in fields(Recipe)]
DATA = set(FIELDS[FIELDS.index("holdout") : FIELDS.index("objective")]) - {"crop_hw"}
"""The fields that say how a sample is made, and nothing of what the network does with it."""


def shrunk(recipe: Recipe) -> Recipe:
    """Two steps of the smallest network of the recipe's kind, on small crops of the toy set."""
    whole = recipe.net not in ("", "emcclick")
    size = SMALLEST.get(recipe.net if whole else recipe.backbone, "tiny")
    return replace(
        recipe, name="shrunk", size="tiny_cdnet" if recipe.size == "34_cdnet" else size, init="", starts_from="",
        sets=("toy",),
        set_weights=(1.0,), whole_sets=(), holdout=0, min_area_px=20, batch=2, accumulate=1, steps=2,
        crop_hw=(64, 96 if recipe.crop_hw[0] != recipe.crop_hw[1] else 64),
        lr=1e-4, milestones=(0.5,) if recipe.milestones else (),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a shrunk recipe; those that are the same are trained once."""

    @functools.cache
    def run(recipe: Recipe) -> Path:
        return loop.run(recipe, tmp_path_factory.mktemp("run") / "out", workers=0, accelerator="cpu")

    return run


@pytest.mark.parametrize("name", quick(ONE_OF_A_KIND.values(), RECIPES))
def test_every_recipe_trains_two_steps_at_toy_size(name, trained):
    """Recipes that differ in their samples alone share a run; the samples of each are the next test's."""
    small = shrunk(RECIPES[name])
    small = replace(small, **{field: getattr(TOY_RECIPE, field) for field in DATA})
    folder = trained(small)
    config = checkpoint.read_config(folder)
    assert config["step"] == 2
    assert config["network"] == network(small)
    lines = [json.loads(line) for line in (folder.parent / "metrics.jsonl").read_text().splitlines()]
    assert all(line["gradient"] > 0 for line in lines)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_samples(name):
    small = shrunk(RECIPES[name])
    batch = collate([Samples(small, [TOY])[i] for i in range(4)])
    assert batch.image.shape == (4, 3, *small.crop_hw)
    assert batch.truth.shape == (4, *small.crop_hw)
    assert set(batch.truth.unique().tolist()) <= {-1, 0, 1}
    assert (batch.truth == 1).any()
    assert (batch.clicks[..., 2] == 1).any()


def test_shrinking_changes_nothing_that_a_recipe_is_about():
    kept = ("objective", "click_weights", "native", "simple_prob", "aux_weight", "layer_decay", "keep_background_prob")
    for recipe in RECIPES.values():
        before, after = asdict(recipe), asdict(shrunk(recipe))
        assert {key: before[key] for key in kept} == {key: after[key] for key in kept}


def test_recipes_are_plain_data_with_names_of_their_own():
    assert len({recipe.name for recipe in RECIPES.values()}) == len(RECIPES)
    for name, recipe in RECIPES.items():
        file, _, function = name.partition(":")
        assert recipe.name in (f"{file}_{function}", function)
        assert Recipe.from_json(recipe.to_json()) == recipe


def test_options_of_native_crops_ask_for_them():
    for change in ({"keep_background_prob": 0.1}, {"shift": 0.1}, {"flip_vertical": True}):
        with pytest.raises(InputError, match=f"{next(iter(change))}.*native=true"):
            Recipe(name="x", **change)
        Recipe(name="x", native=True, **change)


def test_every_row_of_the_tables_has_its_recipe():
    places = ("cocolvis", "sbd")
    assert set(functions(ritm)) == {f"hrnet{size}_{place}" for size in ("18s", "18", "32") for place in places}
    vits = {f"vit_{size}_{place}" for size in ("base", "large", "huge") for place in places}
    assert set(functions(simpleclick)) == vits | {"vit_base_cocolvis_layer_decay"}
    cells = {f"{net}_{place}" for net in ("vit_base", "vit_huge", "hrnet32") for place in places}
    variants = ("baseline", "icl", "suem", "icl_suem")
    assert set(functions(cfr_icl)) == {f"{cell}_{variant}" for cell in cells for variant in variants}
    released = {f"{cell}_{variant}" for cell in cells if "vit" in cell for variant in variants}
    assert set(functions(cfr_icl_released)) == released


def test_the_published_values_are_in_the_recipes():
    for name in functions(ritm):
        recipe = RECIPES[f"ritm:{name}"]
        coco = "cocolvis" in name
        assert recipe.batch == (28 if "18_" in name else 32)
        assert recipe.steps // ((30_000 if coco else 8_498) // recipe.batch) == (230 if coco else 220)
        assert (recipe.lr, recipe.aux_weight, recipe.crop_hw, recipe.eval_clicks) == (5e-4, 0.4, (320, 480), True)
        assert recipe.resize == (0.75, 1.4 if coco else 1.25)
        assert (recipe.min_area_px, recipe.keep_background_prob) == ((1000, 0.05) if coco else (80, 0.01))
        assert recipe.sets == (("coco_lvis/train",) if coco else ("sbd/train",))
        assert (recipe.max_clicks, recipe.click_gamma, recipe.merge_prob) == (24, 0.8, 0.15)
    for size, batch in (("base", 140), ("large", 72), ("huge", 32)):
        for place, photos in (("cocolvis", 30_000), ("sbd", 8_498)):
            recipe = RECIPES[f"simpleclick:vit_{size}_{place}"]
            assert (recipe.batch, recipe.steps) == (batch, 55 * (photos // batch))
            assert (recipe.lr, recipe.aux_weight, recipe.crop_hw) == (5e-5, 0.0, (448, 448))
    for name in functions(cfr_icl):
        recipe = RECIPES[f"cfr_icl:{name}"]
        assert recipe.lr == 5e-6
        assert recipe.objective == ("icl" if "_icl" in name else "last_click")
        assert (recipe.simple_prob > 0) == name.endswith("suem")
        assert recipe.min_area_px == (20 if "sbd" in name else 1000)
        assert recipe.starts_from
        assert recipe.crop_hw == (448, 448)
        assert recipe.batch == (140 if "vit_base" in name else 32)
        assert recipe.steps == (30_000 if "coco" in name else 8_498) // recipe.batch, "one epoch"
        assert recipe.rotate_prob > 0
        assert recipe.blend_prob == 0
        if "_icl" in name:
            assert (recipe.click_weights, recipe.random_length) == ((0, 1, 2, 3), False)
    for name in functions(cfr_icl_released):
        paper, recipe = RECIPES[f"cfr_icl:{name}"], RECIPES[f"cfr_icl_released:{name}"]
        assert (recipe.batch, recipe.lr, recipe.objective) == (32, 5e-6, paper.objective)
        assert recipe.max_clicks == (12 if "huge" in name else 24)
        assert (recipe.rotate_prob > 0) == ("sbd" in name)
        assert recipe.random_length
        assert recipe.click_weights == ((1, 2, 3) if "_icl" in name else (0, 1, 1, 1))
        assert (recipe.blend_prob > 0) == name.endswith("suem")
    assert RECIPES["cfr_icl_released:vit_huge_cocolvis_icl"].steps * 32 <= 3000
    assert RECIPES["cfr_icl_released:vit_base_sbd_suem"].steps == 20 * (8_498 // 32)


def test_the_learning_rate_of_ritm_falls_at_its_milestones():
    recipe = ritm.hrnet18_cocolvis()
    epoch = 30_000 // 28
    factors = [optimizer.schedule(recipe, at * epoch) for at in (0, 199, 200, 219, 220)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_ritm_trains_its_backbone_and_two_heads_at_a_tenth():
    """PEERS: of the OCR head, only the distributing, the gathering and the 3x3 convolution learn at the full rate."""
    recipe = ritm.hrnet18s_cocolvis()
    with torch.device("meta"):
        net = build_segmenter(**network(recipe))
    factors = {name: optimizer.lr_factor(net, recipe, name) for name, _ in net.named_parameters()}
    assert set(factors.values()) == {0.1, 1.0}
    assert all(factors[name] == 0.1 for name in factors if name.startswith("backbone."))
    assert all(factors[name] == 1.0 for name in factors if name.startswith("patch_embed_coords."))
    head = {factors[name] for name in factors if name.startswith(("neck.", "head."))}
    assert head == {0.1, 1.0}


STARTS = {
    "simpleclick": {"backbone": "vit", "size": "xtiny"},
    "ritm": {"backbone": "hrnet", "size": "18s"},
    "ritm_resnet": {"backbone": "resnet", "size": "34"},
    "fbrs_hrnet": {
        "backbone": "hrnet", "size": "18s", "fusion": "input", "maps": "tanh", "radius_px": 260.0, "with_prev": False,
    },
    "cdnet": {"backbone": "resnet", "size": "34_cdnet"},
    "focalclick_segformer": {"backbone": "segformer", "size": "b0", "refiner": "focalclick_gate"},
    "emcclick_segformer": {"net": "emcclick", "backbone": "segformer", "size": "b0"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", STARTS)
def test_tuning_starts_from_published_networks(tmp_path, family):
    recipe = Recipe(name="x", seed=1, **STARTS[family])
    net = build_network(network(recipe))
    file = tmp_path / "published.safetensors"
    pairs = names_.RENAMES[family]
    tensors = {names_.published(key, pairs): value.clone() for key, value in net.state_dict().items()}
    safetensors.torch.save_file(tensors, file)
    tuned = initialised(replace(recipe, init=str(file)))
    assert all(torch.equal(v, tensors[names_.published(key, pairs)]) for key, v in tuned.state_dict().items())
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        initialised(replace(recipe, init=str(tmp_path / "cut.safetensors")))
    with pytest.raises(CheckpointError, match=r"the recipe needs .*backbone="):
        initialised(Recipe(name="other", init=str(file)))


def test_sets_have_names_splits_or_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_DATA", str(tmp_path))
    assert len(sets.scenes("toy")) == 200
    with pytest.raises(DatasetError, match=r"(?s)no training set 'sbd/train'.*train/SBD.*inst/STEM\.mat"):
        sets.scenes("sbd/train")
    with pytest.raises(DatasetError, match="no training set 'camvid'"):
        sets.scenes("camvid")
    with pytest.raises(DatasetError, match="to measure on"):
        sets.scenes("davis")
    import numpy as np
    import PIL.Image

    for place in (tmp_path / "train" / "mine", tmp_path / "elsewhere"):
        for kind, pixels in (("images", np.zeros((8, 9, 3), np.uint8)), ("masks", np.ones((8, 9), np.uint8))):
            (place / kind).mkdir(parents=True)
            PIL.Image.fromarray(pixels).save(place / kind / "a.png")
    assert sets.scenes("mine")[0].objects() == [1]
    assert sets.scenes(str(tmp_path / "elsewhere"))[0].objects() == [1]
    voc = tmp_path / "train" / "VOCdevkit" / "VOC2012"
    for folder in ("ImageSets/Segmentation", "JPEGImages", "SegmentationObject"):
        (voc / folder).mkdir(parents=True)
    (voc / "ImageSets/Segmentation/train.txt").write_text("a\n")
    PIL.Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(voc / "JPEGImages/a.jpg")
    PIL.Image.fromarray(np.ones((8, 9), np.uint8)).save(voc / "SegmentationObject/a.png")
    assert sets.scenes("pascal_voc/train")[0].objects() == [1]
    assert sets.about("pascal_voc/train").photos == 1, "counted where it is found"
    with pytest.raises(DatasetError, match="trian"):
        sets.scenes("pascal_voc/trian")


def test_an_absent_set_is_described_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_DATA", str(tmp_path))
    about = sets.about("sbd/train")
    assert (about.photos, about.objects, about.place) == (8498, 20172, None)
    assert about.get == "fewclicks datasets get sbd"
    assert "Flickr" in about.terms
    assert "no training set" in about.problem
    assert sets.about("nowhere").problem
    assert sets.about("davis").problem


def kept_bytes(recipe: Recipe, samples: int) -> int:
    """What autograd keeps of a real forward."""
    net = build_segmenter(**network(recipe)).train()
    kept = {}

    def note(x):
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    height, width = recipe.crop_hw
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda x: x),
        torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"),
    ):
        out = net(
            torch.rand(samples, 3, height, width), torch.rand(samples, 5, 3), torch.rand(samples, 1, height, width)
        )
    assert out.requires_grad
    own = {x.untyped_storage().data_ptr() for x in (*net.parameters(), *net.buffers())}
    return sum(size for place, size in kept.items() if place not in own)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("backbone", [name for name in SMALLEST if name != "sam2"])
def test_the_estimated_activations_are_those_of_a_real_forward(backbone, precision):
    recipe = Recipe(
        name="x", backbone=backbone, size=SMALLEST[backbone], crop_hw=(128, 128), precision=precision, batch=2
    )
    estimated = estimates.forward_cost(recipe, 2)
    assert estimated.saved_bytes == pytest.approx(kept_bytes(recipe, 2), rel=0.2)
    assert estimated.parameters == sum(p.numel() for p in build_segmenter(**network(recipe)).parameters())


def test_flops_are_those_of_the_formula():
    recipe = Recipe(name="x", backbone="vit", size="base")
    one = estimates.forward_cost(recipe, 1)
    tokens, dim, depth = 28 * 28, 768, 12
    linear = 2 * tokens * depth * 12 * dim**2
    attention = 4 * dim * (2 * tokens**2 + 10 * tokens * 14**2)  # two blocks global, ten within windows of 14x14
    assert one.flops > linear + attention
    assert one.flops < 1.3 * (linear + attention), "neck, head and embeddings are the rest"
    assert estimates.forward_cost(recipe, 3).flops == 3 * one.flops


@pytest.mark.slow
def test_recomputing_blocks_saves_memory_for_time():
    recipe = Recipe(name="x", backbone="vit", size="xtiny", crop_hw=(224, 224), batch=2, click_weights=(1.0,))
    plain, saving = (estimate(replace(recipe, activation_checkpointing=on), tflops=1.0) for on in (False, True))
    assert saving.memory["activations"] < 0.7 * plain.memory["activations"]
    assert saving.step_seconds == pytest.approx(plain.step_seconds * 4 / 3)


def test_memory_and_time_follow_from_the_parts():
    recipe = Recipe(
        name="x", crop_hw=(64, 64), batch=8, steps=10, accumulate=2, ema=0.99,
        click_weights=(1.0, 2.0, 3.0), random_length=True,
    )  # fmt: skip
    alone, sharded = (estimate(recipe, processes=n, fsdp=n > 1, tflops=2.0) for n in (1, 2))
    weights = 4 * alone.cost.parameters
    assert alone.memory["weights"] == alone.memory["gradients"] == alone.memory["running mean"] == weights
    assert alone.memory["Adam"] == 2 * weights
    assert sharded.memory["Adam"] == pytest.approx(weights, abs=8)
    assert sharded.memory["activations"] == pytest.approx(alone.memory["activations"] / 2, rel=0.02)
    # a mean of two terms, each a forward and a backward, of two micro-batches, at 2 TFLOP/s
    assert alone.step_seconds == pytest.approx(2 * 3 * 2 * alone.cost.flops / 2e12)
    assert sharded.step_seconds == pytest.approx(alone.step_seconds / 2)
    with pytest.raises(InputError, match="3 equal parts"):
        estimate(replace(recipe, accumulate=1), processes=3)
    with pytest.raises(InputError, match="tflops"):
        estimate(recipe, tflops=0.0)


def test_passes_are_counted_as_the_objective_draws_them():
    recipe = Recipe(name="x")
    assert estimates.passes(recipe) == (3, 1)
    assert estimates.passes(replace(recipe, random_length=True)) == (2, 1)
    assert estimates.passes(replace(recipe, click_weights=(1.0, 2.0, 3.0), random_length=True)) == (2, 0)
    assert estimates.passes(ritm.hrnet18_sbd()) == (1, 1.5)
    assert estimates.passes(replace(recipe, click_weights=(0.0, 0.0, 1.0), random_length=False)) == (1, 2)


def test_a_rate_is_measured_and_named():
    rate = estimates.measured("cpu", "fp32", seconds=0.02)
    assert 1e9 < rate.flops < 1e14
    assert 1e8 < rate.bytes < 1e13
    assert "cpu" in rate.source
    assert Rate(1e12, float("inf"), "").seconds(estimates.Cost(1, 10**12, 1, 1)) == 1.0


def test_a_dry_run_tells_all_and_writes_nothing(tmp_path, monkeypatch, capsys):
    from fewclicks.cli import main

    monkeypatch.setenv("FEWCLICKS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FEWCLICKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys,
        "argv",
        ["fewclicks", "train", "cfr_icl:vit_base_sbd_icl_suem", "--dry-run", "--devices", "2", "--tflops", "50"],
    )
    with pytest.raises(SystemExit) as left:
        main()
    out, _ = capsys.readouterr()
    assert not left.value.code
    for said in (
        "sbd/train", "8,498 photos, 20,172 objects", "MISSING", "fewclicks datasets get sbd", "Flickr", "98,025,513",
        "simpleclick:vit_base_sbd", "init=PATH", "60 of 140 samples of 448x448 = 8,400 samples", "1.0 times",
        "micro-batches of 70", "Adam 748 MiB", "activations", "at 50 TFLOP/s",
    ):  # fmt: skip
        assert said in out, said
    assert not list(tmp_path.iterdir())


def test_a_wrong_recipe_name_lists_those_that_are_there():
    from fewclicks.recipes import recipe_named

    assert recipe_named("simpleclick:vit_base_sbd") == simpleclick.vit_base_sbd()
    with pytest.raises(UnknownName, match=r"no recipe 'simpleclick'.*simpleclick:vit_base_cocolvis, .*:vit_huge_sbd"):
        recipe_named("simpleclick")


def test_the_list_of_the_command_line_has_every_recipe():
    from fewclicks.cli.listing import recipes

    listed = {}
    for file in names("recipes"):
        listed |= recipes(file)
    assert {
        file if file == function else name for name in RECIPES for file, _, function in [name.partition(":")]
    } == listed.keys()
    assert listed["simpleclick:vit_huge_sbd"].startswith("ViT-H, SBD")
    assert all(listed.values())


def test_the_phases_of_the_default_model_are_recipes_and_start_from_what_is_there():
    plan = script("train_default")
    known = set()
    recipes = functions(find("recipes", "compact"))
    for phase, start in plan.PHASES.items():
        assert phase in recipes
        assert set(parts(plan, start)) <= known
        known.add(phase)
    assert set(parts(plan, plan.FINAL)) <= known


def parts(plan, name):
    """The phases that a phase or an average is made of."""
    if name not in plan.AVERAGES:
        return [name] if name else []
    return [part for one in plan.AVERAGES[name] for part in parts(plan, one)]


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "7", '{"steps": 3}', '{"name": "a", "steps"', "nan"])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(InputError, match="recipe is no"):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", "9"), ("steps", 1.5), ("steps", True), ("lr", None), ("lr", float("nan")),
        ("lr", 10**400),
        ("sets", "a"), ("sets", [3]), ("crop_hw", [3]), ("crop_hw", [3, "a"]),
        ("precision", 3), ("native", 1), ("betas", {}),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused_by_name(field, value):
    with pytest.raises(InputError, match=f"{field} of a recipe is"):
        Recipe.from_json(json.dumps({"name": "a", field: value}))
