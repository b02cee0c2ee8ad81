"""HRNet + OCR of RITM, f-BRS and FocalClick: published names and shapes, golden numbers, inits and learning rates."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from fakes import shared
from fewclicks.errors import CheckpointError, InputError, UnknownName
from fewclicks.models import hrnet
from fewclicks.models.key_maps import RENAMES, ours, published
from fewclicks.models.segmenter import Segmenter, build_segmenter
from goldens import golden_inputs, golden_net

FBRS = {"maps": "tanh", "radius_px": 260.0, "with_prev": False, "fusion": "input"}
PUBLISHED = {
    "ritm_hrnet18s": ("ritm", {"size": "18s"}, 4_220_047),
    "ritm_hrnet18": ("ritm", {"size": "18"}, 10_032_019),
    "ritm_hrnet32": ("ritm", {"size": "32"}, 30_951_363),
    "ritm_hrnet18_baseline_noprev": ("ritm", {"size": "18", "with_prev": False}, 10_032_003),
    "focalclick_hrnet18s_S2": ("ritm", {"size": "18s", "refiner": "focalclick"}, 4_231_377),
    "fbrs_hrnet18_ocr64": ("fbrs_hrnet", {"size": "18", **FBRS}, 10_022_765),
    "fbrs_hrnet32_ocr128": ("fbrs_hrnet", {"size": "32", **FBRS}, 30_942_109),
}
NEVER_RUN = ("head.ocr_distri_head.object_context_block.f_pixel", "head.ocr_distri_head.object_context_block.f_object")


def check_summary(logits: torch.Tensor, wanted: dict[str, object], rtol: float) -> None:
    """Against shape, mean, std and the grid at {0, n/4, n/2, 3n/4, n-1}."""
    values = logits[0, 0].numpy()
    height, width = values.shape
    picks = np.ix_(*([0, n // 4, n // 2, 3 * n // 4, n - 1] for n in (height, width)))
    assert [height, width] == wanted["shape"]
    size = float(np.abs(wanted["grid"]).max())
    assert values.mean() == pytest.approx(wanted["mean"], rel=rtol)
    assert values.std(ddof=1) == pytest.approx(wanted["std"], rel=rtol)
    np.testing.assert_allclose(values[picks], wanted["grid"], rtol=0, atol=rtol * size)


@pytest.fixture(scope="module")
def net() -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter("hrnet", "18s").eval()


def batch(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, height, width, generator=generator)
    prev = torch.rand(2, 1, height, width, generator=generator)
    clicks = torch.tensor([[[30.5, 40, 1], [50, 10, 0]], [[20, 30, 1], [-1, -1, -1]]])
    return image, clicks, prev


@pytest.mark.slow
@pytest.mark.parametrize("model", PUBLISHED)
def test_keys_order_shapes_and_types_are_the_published_ones(model: str) -> None:
    family, network, parameters = PUBLISHED[model]
    lines = shared("golden", "keys", f"{model}.txt").read_text().splitlines()
    with torch.device("meta"):
        net = build_segmenter("hrnet", **network)
    state = net.state_dict()
    mine = [
        f"{published(k, RENAMES[family])}\t{tuple(v.shape)}\t{str(v.dtype).removeprefix('torch.')}"
        for k, v in state.items()
    ]
    assert mine == [line for line in lines if not line.startswith("#")]
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert [ours(line.split("\t")[0], RENAMES[family]) for line in mine] == list(state)


@pytest.mark.parametrize("size", ["18s", "18"])
def test_golden_numbers_of_ritm(size: str) -> None:
    wanted = json.loads(shared("golden", "forward.json").read_text())[f"ritm:hrnet{size}"]
    with torch.inference_mode():
        out = golden_net("ritm", backbone="hrnet", size=size).outputs(*golden_inputs(160, 192))
    assert out.aux is not None
    check_summary(out.logits, wanted["instances"], 1e-5)
    check_summary(out.aux, wanted["instances_aux"], 1e-5)


def test_golden_numbers_of_fbrs() -> None:
    """The golden run normalised the image before the network; ours does it inside."""
    wanted = json.loads(shared("golden", "forward.json").read_text())["fbrs:h18"]
    with torch.inference_mode():
        logits = golden_net("fbrs_hrnet", backbone="hrnet", size="18", **FBRS)(*golden_inputs(160, 192))
    check_summary(logits, wanted["instances_(image_normalised_by_caller)"], 1e-5)


def test_outputs_hold_the_logits_of_forward_the_coarse_mask_and_the_feature(net: Segmenter) -> None:
    with torch.inference_mode():
        out = net.outputs(*batch(64, 80))
        assert torch.equal(out.logits, net(*batch(64, 80)))
        assert out.aux is not None
        assert out.feature is not None
        small = net.head.cls_head(out.feature)
    assert out.aux.shape == out.logits.shape == (2, 1, 64, 80)
    assert out.feature.shape == (2, net.head.feature_channels, 16, 20)
    large = nn.functional.interpolate(small, (64, 80), mode="bilinear", align_corners=True)
    torch.testing.assert_close(large, out.logits)


def test_a_network_without_such_a_head_gives_logits_alone() -> None:
    net = build_segmenter("compact").eval()
    with torch.inference_mode():
        out = net.outputs(*batch(64, 96))
        assert torch.equal(out.logits, net(*batch(64, 96)))
    assert (out.aux, out.feature, out.maps, out.scores) == (None, None, None, None)


@pytest.mark.parametrize("hw", [(64, 64), (61, 83), (33, 7), (1, 1)])
def test_an_image_of_any_size_gives_logits_of_that_size(net: Segmenter, hw: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = net(*batch(*hw))
    assert logits.shape == (2, 1, *hw)
    assert logits.isfinite().all()


def test_batch_equals_single(net: Segmenter) -> None:
    parts = batch(64, 80)
    with torch.inference_mode():
        together = net(*parts)
        alone = torch.cat([net(*(part[i : i + 1] for part in parts)) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4 * alone.std().item())


@pytest.mark.slow
@pytest.mark.parametrize("network", [{}, {"with_prev": False}, FBRS], ids=["ritm", "noprev", "fbrs"])
def test_clicks_their_labels_and_the_previous_mask_matter(network: dict[str, object]) -> None:
    torch.manual_seed(0)
    net = build_segmenter("hrnet", "18s", **network).eval()
    image, clicks, prev = batch(64, 80)
    moved, other = clicks.clone(), clicks.clone()
    moved[..., 0] += 20
    other[:, 0, 2] = 0
    with torch.inference_mode():
        before = net(image, clicks, prev)
        for changed in (moved, other):
            assert ((net(image, changed, prev) - before).abs().amax((1, 2, 3)) > 1e-5).all()
        same = torch.equal(net(image, clicks, torch.zeros_like(prev)), before)
    assert same == (not network.get("with_prev", True))


def test_gradients_reach_all_that_runs() -> None:
    torch.manual_seed(0)
    net = build_segmenter("hrnet", "18s")
    out = net.outputs(*batch(64, 80))
    assert out.aux is not None
    (out.logits.square().mean() + out.aux.square().mean()).backward()
    still = {name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert still == {name for name, _ in net.named_parameters() if name.startswith(NEVER_RUN)}


def test_training_on_a_single_sample_is_refused() -> None:
    with pytest.raises(InputError, match="2 or more samples"):
        build_segmenter("hrnet", "18s")(*(part[:1] for part in batch(64, 64)))


def test_half_scale_sees_half_the_image(net: Segmenter) -> None:
    """FocalClick S1: image and maps are shrunk within; logits keep the size of the image."""
    torch.manual_seed(0)
    half = build_segmenter("hrnet", "18s", scale=0.5).eval()
    half.load_state_dict(net.state_dict())
    with torch.inference_mode():
        out = half.outputs(*batch(61, 80))
    assert out.logits.shape == (2, 1, 61, 80)
    assert out.feature is not None
    assert out.feature.shape[-2:] == (8, 10)


def test_learning_rates_are_those_of_the_released_training(net: Segmenter) -> None:
    factors = {part: set() for part in ("patch_embed_coords", "backbone", "head")}
    for name, _ in net.named_parameters():
        factors[name.split(".")[0]].add(net.lr_factor(name))
    assert factors == {"patch_embed_coords": {1.0}, "backbone": {0.1}, "head": {0.1, 1.0}}
    assert net.lr_factor("head.cls_head.weight") == net.lr_factor("head.aux_head.0.bias") == 0.1
    assert net.lr_factor("head.conv3x3_ocr.0.weight") == net.lr_factor("head.ocr_distri_head.conv_bn_dropout.0.weight")
    assert build_segmenter("compact").lr_factor("backbone.stem.0.weight") == 1.0


def test_fresh_weights_are_xavier_and_follow_the_seed(net: Segmenter) -> None:
    torch.manual_seed(0)
    again = build_segmenter("hrnet", "18s").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in net.state_dict().items())
    for conv in (net.backbone.conv2, net.head.conv3x3_ocr[0], net.patch_embed_coords[2]):
        fans = conv.weight[0].numel() + conv.weight[:, 0].numel()
        assert conv.weight.std().item() == pytest.approx((2 / (fans / 2)) ** 0.5, rel=0.05)
        assert conv.bias is None or not conv.bias.any()
    assert net.patch_embed_coords[3].scale.item() == pytest.approx(0.05)


def imagenet(size: str, prefix: str = "") -> dict[str, torch.Tensor]:
    """What a file of HRNetV2 trained on ImageNet holds, with made-up values."""
    state = hrnet.build(size).state_dict()
    torch.manual_seed(5)
    tensors = {prefix + key: torch.rand(value.shape) for key, value in state.items() if "num_batches" not in key}
    rest = ("incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.bias", "final_layer.0.bias", "classifier.weight")
    return tensors | {prefix + key: torch.rand(3) for key in rest}


@pytest.mark.parametrize("prefix", ["", "model.", "module.model."])
def test_imagenet_weights_fill_the_trunk(prefix: str) -> None:
    tensors = imagenet("18s", prefix)
    backbone = hrnet.build("18s")
    hrnet.load_pretrained(backbone, tensors)
    for key, value in backbone.state_dict().items():
        assert "num_batches" in key or torch.equal(value, tensors[prefix + key])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.pop("conv1.weight"), "the file lacks conv1.weight"),
        (lambda t: t.update({"layer1.2.conv1.weight": torch.zeros(1)}), "also has layer1.2.conv1.weight"),
        (lambda t: t.update({"conv2.weight": torch.zeros(2, 3)}), r"conv2.weight is \(2, 3\), wanted \(64, 64, 3, 3\)"),
    ],
)
def test_other_weights_are_refused_and_change_nothing(damage, message: str) -> None:
    tensors = imagenet("18s")
    damage(tensors)
    backbone = hrnet.build("18s")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        hrnet.load_pretrained(backbone, tensors)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_an_unknown_size_is_answered_with_the_choices() -> None:
    with pytest.raises(UnknownName, match="no hrnet of size '48'; there are: 18s, 18, 32"):
        build_segmenter("hrnet", "48")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"width": 18, "depth": 2}, "got also depth, width"),
        ({"maps": "gauss"}, "disk, first, tanh, truncated, proximity, contour, got 'gauss'"),
        ({"maps": "tanh", "radius_px": 0}, "radius_px must be a positive number of pixels, got 0"),
        ({"radius_px": -1}, "radius_px"),
        ({"radius_px": float("nan")}, "radius_px"),
        ({"fusion": "late"}, "is add or input, got 'late'"),
        ({"scale": 2}, "scale must be above 0 and at most 1, got 2"),
        ({"backbone": "compact", "size": None, "refiner": "focalclick"}, "'focalclick' needs a head that gives"),
        (
            {"backbone": "compact", "size": None, "fusion": "input"},
            "the fusion of backbone compact is add, got 'input'",
        ),
    ],
)
def test_options_that_no_network_has_are_refused(network: dict[str, object], message: str) -> None:
    with torch.device("meta"), pytest.raises(InputError, match=message):
        build_segmenter(**{"backbone": "hrnet", "size": "18s", **network})
