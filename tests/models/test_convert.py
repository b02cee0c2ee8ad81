"""Published checkpoints: recognised by their tensors, converted bit for bit, run as ours, refused with a reason."""

import ast
import json
import subprocess
import sys
import types
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fakes import Spy, gradient, shared
from fewclicks import api, cli, visualization
from fewclicks.checkpoints import checkpoint, pth
from fewclicks.checkpoints.convert import convert, read_published
from fewclicks.checkpoints.families import recognise
from fewclicks.clicks import Click, Clicks
from fewclicks.config import PRESETS
from fewclicks.errors import CheckpointError, InputError
from fewclicks.models.key_maps import RENAMES, ours, published
from fewclicks.models.networks import build_network
from fewclicks.models.segmenter import Segmenter
from fewclicks.plugins import find, names
from goldens import check_summary, drawn, golden_inputs, published_shapes

VIT = "SimpleClick ViT-{}, which is also the network of CFR-ICL, with previous mask, click disks of 5 px"
RITM = "RITM HRNet{} + OCR, with previous mask, click disks of 5 px"
FBRS = "f-BRS HRNet{} + OCR, without previous mask, tanh distance maps of 260 px"
FOCAL = "FocalClick {}, S2, coarse network and refiner, with previous mask, click disks of 5 px"
EMC = "EMC-Click {}, first network and correction network"
TITLES = {
    "simpleclick_vit_xtiny": VIT.format("xtiny"),
    "simpleclick_vit_base": VIT.format("B"),
    "simpleclick_vit_large": VIT.format("L"),
    "simpleclick_vit_huge": VIT.format("H"),
    "cfricl_vit_base": VIT.format("B"),
    "cfricl_vit_huge": VIT.format("H"),
    "ritm_hrnet18s": RITM.format("18s"),
    "ritm_hrnet18": RITM.format("18"),
    "ritm_hrnet32": RITM.format("32"),
    "ritm_hrnet18_baseline_noprev": RITM.format("18").replace("with previous", "without previous"),
    "ritm_r34_dh128_baseline": "RITM DeepLabV3+ ResNet-34, without previous mask, click disks of 5 px",
    "cdnet_res34": "CDNet ResNet-34, without previous mask, click disks of 5 px",
    "fbrs_resnet34_dh128": FBRS.replace("HRNet{} + OCR", "DeepLabV3+ ResNet-34"),
    "fbrs_resnet50_dh128": FBRS.replace("HRNet{} + OCR", "DeepLabV3+ ResNet-50"),
    "fbrs_resnet101_dh256": FBRS.replace("HRNet{} + OCR", "DeepLabV3+ ResNet-101"),
    "fbrs_hrnet18_ocr64": FBRS.format("18"),
    "fbrs_hrnet32_ocr128": FBRS.format("32"),
    "focalclick_hrnet18s_S2": FOCAL.format("HRNet18s + OCR"),
    "focalclick_hrnet32_S2": FOCAL.format("HRNet32 + OCR"),
    "focalclick_segformerB0_S2": FOCAL.format("SegFormer-B0"),
    "focalclick_segformerB3_S2": FOCAL.format("SegFormer-B3"),
    "emcclick_hrnet18s": EMC.format("HRNet18s + OCR"),
    "emcclick_hrnet18": EMC.format("HRNet18 + OCR"),
    "emcclick_hrnet32": EMC.format("HRNet32 + OCR"),
    "emcclick_segformerB0": EMC.format("SegFormer-B0"),
    "emcclick_segformerB3": EMC.format("SegFormer-B3"),
    "fcanet_resnet": "FCA-Net on ResNet-101",
    "fcanet_res2net": "FCA-Net on Res2Net-101",
    "sam_vit_b": "SAM ViT-B",
    "sam_vit_l": "SAM ViT-L",
    "sam_vit_h": "SAM ViT-H",
}
SLOW = pytest.mark.slow
RUNNABLE = {
    "simpleclick_vit_xtiny": ("sc:xtiny", "config_simpleclick_vit_base", (448, 448)),
    "ritm_hrnet18s": ("ritm:hrnet18s", "config_ritm_hrnet18", (160, 192)),
    "focalclick_segformerB0_S2": ("focal:segb0", None, (256, 256)),
}
"""Small models: entry of forward.json, config, and size of the golden input."""


def shapes_of(model):
    return {key: ast.literal_eval(shape) for key, (shape, _) in published_shapes(model).items()}


def config_of(name):
    return json.loads(shared("golden", f"{name}.json").read_text()) if name else None


def state_of(model, like=drawn):
    """The state dict of a published model, each tensor as `like` makes it of its name and an empty tensor."""
    kinds = {key: getattr(torch, kind) for key, (_, kind) in published_shapes(model).items()}
    return OrderedDict(
        (key, like(key, torch.empty(shape, dtype=kinds[key]))) for key, shape in shapes_of(model).items()
    )


def noise(key, tensor):
    """Bits of any kind, numbers or not."""
    bits = np.random.default_rng(len(key) * 1000 + tensor.nbytes).integers(0, 256, tensor.nbytes, np.uint8)
    return torch.from_numpy(bits).view(tensor.dtype).view(tensor.shape)


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


@pytest.fixture
def isegm(monkeypatch):
    """A loss as the peers' files hold it alive: of a module that is gone when the file is read."""
    name = "isegm.model.modeling.transformer_helper.cross_entropy_loss"
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))

    class CrossEntropyLoss(torch.nn.Module):
        pass

    CrossEntropyLoss.__module__, CrossEntropyLoss.__qualname__ = name, "CrossEntropyLoss"
    sys.modules[name].CrossEntropyLoss = CrossEntropyLoss
    return CrossEntropyLoss


@pytest.fixture(scope="module")
def xtiny(tmp_path_factory):
    """The file of a small SimpleClick, with the weights of the golden runs."""
    path = tmp_path_factory.mktemp("published") / "sbd_vit_xtiny.pth"
    config = config_of("config_simpleclick_vit_base")
    torch.save({"state_dict": state_of("simpleclick_vit_xtiny"), "config": config}, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("model", TITLES)
def test_every_published_model_is_recognised_and_known_tensor_by_tensor(model):
    shapes = shapes_of(model)
    family = recognise(shapes, None)
    assert family.title == TITLES[model]
    assert family.preset in ("", *PRESETS)
    assert family.method in names("methods")
    chosen = find("methods", family.method).chosen(**family.predictor)
    assert family.predictor.keys() >= {"zoom", "fit", "flip", "threshold"}
    assert (family.predictor["zoom"] == 0) == (chosen.zoom == 0), "the method's own way to show it photos"
    if family.method in ("emcclick", "fcanet"):
        assert family.predictor["side_px"] == find("methods", family.method).chosen().side_px
    wanted = family.wanted()
    assert wanted.keys() == shapes.keys()
    assert wanted == shapes
    renamed = {ours(key, family.pairs) for key in shapes}
    assert len(renamed) == len(shapes)
    assert {published(key, family.pairs) for key in renamed} == shapes.keys()


@pytest.mark.parametrize("backbone", names("models"))
def test_an_unfilled_network_lacks_only_what_its_file_holds(backbone):
    net = checkpoint.unfilled({"backbone": backbone})
    lacking = {key for key, value in net.named_buffers() if value.is_meta}
    assert lacking <= net.state_dict().keys()
    assert all(weight.is_meta for weight in net.parameters() if weight.numel() > 100)


@pytest.mark.parametrize("model", RUNNABLE)
def test_a_published_file_gives_the_published_numbers(tmp_path, model):
    entry, config, hw = RUNNABLE[model]
    wanted = json.loads(shared("golden", "forward.json").read_text())[entry]["instances"]
    path = tmp_path / "net.pth"
    torch.save({"state_dict": state_of(model), "config": config_of(config)}, path)
    net = read_published(path)
    assert isinstance(net, Segmenter)
    assert not net.training
    folder = convert(path, tmp_path / "out")
    with torch.inference_mode():
        logits = net(*golden_inputs(*hw))
        assert torch.equal(checkpoint.load(folder)(*golden_inputs(*hw)), logits)
    check_summary(logits, wanted, atol=1e-3 * max(1, wanted["std"]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("form", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("model", RUNNABLE)
def test_every_tensor_keeps_its_bits(tmp_path, isegm, model, form):
    config = config_of(RUNNABLE[model][1]) or {"class": "isegm.model.is_segformer_model.SegFormerModel", "params": {}}
    config["params"]["loss"] = {"type": "builtin", "value": {"loss_decode": isegm()}, "specified": True}
    state = state_of(model, noise)
    path = tmp_path / "net.pth"
    torch.save({"state_dict": state, "config": config}, path, _use_new_zipfile_serialization=form)
    folder = convert(path, tmp_path / "out")
    about = checkpoint.read_config(folder)
    pairs = tuple(map(tuple, about["renamed"]))
    assert pairs in RENAMES.values()
    tensors = checkpoint.read_tensors(folder)
    assert len(tensors) == len(state)
    for key, value in state.items():
        got = tensors[ours(key, pairs)]
        assert got.dtype == value.dtype
        assert got.shape == value.shape
        assert torch.equal(bits(got), bits(value)), key
    assert "CrossEntropyLoss" in about["published"]["config"]["params"]["loss"]["value"]["loss_decode"]
    assert about["published"]["class"] == config["class"]
    assert about["published"]["sha256"] == checkpoint.sha256(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        "ritm_hrnet18s", "simpleclick_vit_xtiny", "focalclick_segformerB0_S2", "cdnet_res34", "fbrs_resnet34_dh128",
        "fbrs_hrnet18_ocr64", "emcclick_hrnet18s", "emcclick_segformerB0", pytest.param("fcanet_resnet", marks=SLOW),
        pytest.param("sam_vit_b", marks=SLOW),
    ],
)  # fmt: skip
def test_a_published_file_of_each_family_is_converted_and_measured_as_its_authors_did(tmp_path, model):
    """On a small photo, in smaller crops than theirs."""
    path = tmp_path / "net.pth"
    torch.save({f"module.{key}": value for key, value in state_of(model).items()}, path)
    assert len(checkpoint.read_tensors(converted_and_measured(path, tmp_path))) == len(shapes_of(model))


MEMORY = ("maskmem_tpos_enc", "memory_attention.norm.weight", "sam_mask_decoder.pred_obj_score_head.layers.0.bias")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "family", "more"),
    [
        pytest.param({"net": "hq_sam", "size": "b"}, "own", (), marks=SLOW, id="hq_sam"),
        pytest.param({"net": "segnext", "size": "base_sa1"}, "own", (), marks=SLOW, id="segnext"),
        pytest.param({"net": "sam2", "size": "tiny"}, "sam2", MEMORY, id="sam2"),
    ],
)
def test_published_files_of_which_we_have_no_list_of_names_are_converted_and_measured_too(
    tmp_path, network, family, more
):
    """The names are ours, translated; SAM 2's files also hold a memory for videos."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_network(network).state_dict()
    path = tmp_path / "net.pt"
    theirs = {published(key, RENAMES[family]): value for key, value in state.items()}
    torch.save({"model": {**theirs, **{key: torch.zeros(3) for key in more}}}, path)
    out = converted_and_measured(path, tmp_path)
    assert checkpoint.read_tensors(out).keys() == state.keys()
    torch.save({"model": {**theirs, "another.weight": torch.zeros(3)}}, path)
    with pytest.raises(CheckpointError, match="is no whole"):
        convert(path, tmp_path / "other")


def converted_and_measured(path, tmp_path):
    """The folder made of a published file, which has been run as its authors do."""
    out, report = tmp_path / "out", tmp_path / "report.json"
    assert cli._run(["convert", str(path), str(out)]) == 0
    about, data = checkpoint.read_config(out), tmp_path / "data"
    for folder, name in (("images", "coffee.png"), ("masks", "coffee.png")):
        (data / folder).mkdir(parents=True)
        with Image.open(Path(__file__).parents[2] / "examples" / folder / name) as picture:
            picture.resize((72, 48), Image.Resampling.NEAREST).save(data / folder / "coffee.png")
    options = ["--max-clicks", "3", "--threads", "1", "--json", str(report)]
    if "zoom" in about.get("predictor", {}):
        options += ["--set", "zoom=64"]
    bench = ["bench", "folder", "--data-root", str(data), "--method", str(out), "--preset", "released"]
    assert cli._run([*bench, *options]) == 0
    told = json.loads(report.read_text())["settings"]
    assert (told["method"], told["preset"], told["anchor"]) == (about["method"], "released", False)
    assert told["weights_sha256"] == checkpoint.sha256(out / "model.safetensors")
    return out


def test_a_converted_folder_is_a_method_like_any_other(tmp_path, xtiny, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    visualization.save(gradient(60, 90), "photo.png")
    assert cli._run(["convert", str(xtiny), "weights"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"weights: {TITLES['simpleclick_vit_xtiny']}\n")
    assert "--method weights" in said
    assert cli._run(["segment", "photo.png", "--click", "40,30", "--method", "weights", "--json"]) == 0
    assert Path("photo_mask.png").exists()
    seen = Spy()
    predictor = replace(api.load("weights"), inner=replace(api.load("weights").inner, inner=seen))
    predictor.step(predictor.start(gradient(300, 200)), Clicks((Click(50, 60),)))
    assert seen.seen[0][0].image.shape == (448, 448, 3)


def test_the_command_tells_json_and_errors_in_one_line(tmp_path, xtiny, capsys):
    assert cli._run(["convert", str(xtiny), str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["family"] == "simpleclick"
    assert told["network"] == {"backbone": "vit", "size": "xtiny", "radius_px": 5, "maps": "disk", "with_prev": True}
    assert told["predictor"] == {"zoom": 448, "fit": "square", "flip": False, "threshold": 0.5}
    assert told["preset"] == "released"
    assert told["method_is_there"]
    assert cli._run(["convert", str(tmp_path / "none.pth"), str(tmp_path / "other")]) == 2
    assert capsys.readouterr().err == f"fewclicks: there is no file {tmp_path / 'none.pth'}\n"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("backbone.pos_embed"), "1 missing, the first 'backbone.pos_embed'"),
        (
            lambda s: [s.pop(k) for k in list(s) if ".blocks.3." in k],
            "12 missing, the first 'backbone.blocks.3.norm1.weight'",
        ),
        (lambda s: s.update({"neck.extra": torch.ones(1)}), "1 too many, the first 'neck.extra'"),
        (
            lambda s: s.update({"head.conv_seg.bias": torch.ones(3)}),
            r"1 of another shape, the first 'head.conv_seg.bias' \(3, not 1\)",
        ),
        (lambda s: s.pop("patch_embed_coords.proj.weight"), "lacks the tensor 'patch_embed_coords.proj.weight'"),
        (lambda s: s.update({"patch_embed_coords.proj.weight": torch.ones(3)}), "strange shape"),
        (lambda s: s.update({"patch_embed_coords.proj.weight": torch.ones(99, 3, 16, 16)}), "a ViT of width 99"),
    ],
)
def test_missing_and_extra_tensors_are_named_and_counted(tmp_path, change, message):
    state = state_of("simpleclick_vit_xtiny", lambda _, tensor: tensor)
    change(state)
    path = tmp_path / "net.pth"
    torch.save({"state_dict": state}, path)
    for read in (read_published, lambda path: convert(path, tmp_path / "out")):
        with pytest.raises(CheckpointError, match=message):
            read(path)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("cls_token", "blocks.0.attn.qkv.weight", "decoder_embed.weight"), r"masked autoencoder \(MAE\).*init=FILE"),
        (("blocks.0.attn.qkv.weight", "norm.weight"), "a plain ViT"),
        (("patch_embed1.proj.weight", "block1.0.norm1.weight"), "a MiT"),
        (("conv1.weight", "stage4.0.branches.0.0.conv1.weight"), "an HRNet for ImageNet"),
        (("encoder.weight",), "does not know: 1 tensor, the first 'encoder.weight'"),
    ],
)
def test_weights_that_are_no_click_network_are_named(tmp_path, keys, message):
    path = tmp_path / "mae_pretrain_vit_base.pth"
    torch.save({"model": {key: torch.ones(1) for key in keys}}, path)
    with pytest.raises(CheckpointError, match=message):
        read_published(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("random_split", True, "random_split=True"),
        ("clicks_groups", [[0, 1]], "clicks_groups"),
        ("norm_mean_std", [[0.5] * 3, [0.5] * 3], "norm_mean_std"),
        ("head_params", {"upsample": "x4"}, "head that upsamples"),
        ("norm_radius", {"a": 1}, "strange shape"),
    ],
)
def test_options_that_our_networks_lack_are_refused(name, value, message):
    config = {"params": {name: {"type": "builtin", "value": value}}}
    with pytest.raises(CheckpointError, match=message):
        recognise(shapes_of("simpleclick_vit_xtiny"), config)


def test_the_config_sets_what_the_tensors_do_not_show():
    radius = {"params": {"norm_radius": {"value": 3}, "use_disks": {"value": False}}}
    assert recognise(shapes_of("ritm_hrnet18s"), radius).network["radius_px"] == 3
    assert recognise(shapes_of("ritm_hrnet18s"), radius).network["maps"] == "tanh"
    with pytest.raises(CheckpointError, match="ReLU"):
        recognise(shapes_of("ritm_hrnet18s"), {"params": {"use_leaky_relu": {"value": False}}})
    small = recognise(shapes_of("focalclick_segformerB0_S2"), {"params": {"pipeline_version": {"value": "s1"}}})
    assert small.network["scale"] == 0.5
    assert small.network["radius_px"] == 3


def test_only_free_folders_and_converted_ones_are_written(tmp_path, xtiny):
    out = convert(xtiny, tmp_path / "out")
    assert convert(xtiny, out) == out
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    file = mine / "thesis.txt"
    for place, message in ((mine, "something else"), (file, "is a file"), (file / "x", "cannot be written")):
        with pytest.raises(InputError, match=message):
            convert(xtiny, place)
    (mine / "config.json").write_text('{"recipe": {}}')
    with pytest.raises(InputError, match="something else"):
        convert(xtiny, mine)
    assert (mine / "thesis.txt").read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "mine"}


def test_half_precision_is_kept_in_the_file_and_widened_in_the_network(tmp_path, xtiny):
    state = {key: value.half() for key, value in pth.read(xtiny).tensors.items()}
    path = tmp_path / "half.pth"
    torch.save(state, path)
    assert {value.dtype for value in read_published(path).state_dict().values()} == {torch.float32}
    tensors = checkpoint.read_tensors(convert(path, tmp_path / "out"))
    assert {value.dtype for value in tensors.values()} == {torch.float16}


@pytest.mark.slow
def test_loading_takes_little_more_memory_than_the_file(tmp_path, xtiny):
    """In a fresh process; benchmarks/memory.py load measures a file of 392 MB, and more ways to load it."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured on Linux only")
    (tmp_path / "zip.pth").hardlink_to(xtiny)
    script = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    way = ["load", "--case", "read_published, zip form", "--folder", str(tmp_path)]
    done = subprocess.run([sys.executable, str(script), *way], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["times_the_file"] <= 1.3
