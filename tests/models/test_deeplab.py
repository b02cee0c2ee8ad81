"""DeepLabV3+ of f-BRS, RITM and CDNet: published names, golden numbers, and what must hold for any."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from fakes import shared
from fewclicks.errors import CheckpointError, UnknownName
from fewclicks.models import resnet
from fewclicks.models.cdnet import FeatureDiffusion, PixelDiffusion, attend
from fewclicks.models.segmenter import Segmenter, build_segmenter
from goldens import check_names, check_summary, golden_inputs, golden_net

FBRS = {"backbone": "resnet", "maps": "tanh", "radius_px": 260.0, "with_prev": False, "fusion": "input"}
CDNET = {"backbone": "resnet", "size": "34_cdnet", "with_prev": False}
PUBLISHED = {
    "fbrs_resnet34_dh128": ("fbrs_resnet", {**FBRS, "size": "34"}),
    "fbrs_resnet50_dh128": ("fbrs_resnet", {**FBRS, "size": "50"}),
    "fbrs_resnet101_dh256": ("fbrs_resnet", {**FBRS, "size": "101"}),
    "ritm_r34_dh128_baseline": ("ritm_resnet", {"backbone": "resnet", "size": "34", "with_prev": False}),
    "cdnet_res34": ("cdnet", CDNET),
}


@pytest.fixture(scope="module")
def wanted() -> dict[str, dict]:
    return json.loads(shared("golden", "forward.json").read_text())


def small(**network: object) -> Segmenter:
    """A network of the published kind with one block in each stage, seeded."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "SIZES", {k: replace(v, blocks=(1, 1, 1, 1)) for k, v in resnet.SIZES.items()})
        return build_segmenter(**network).eval()


def batch(height: int = 45, width: int = 66) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, height, width, generator=generator)
    prev = torch.rand(2, 1, height, width, generator=generator)
    return image, torch.tensor([[[30.5, 40, 1], [50, 10, 0]], [[20, 30, 1], [-1, -1, -1]]]), prev


@pytest.mark.parametrize("model", PUBLISHED)
def test_names_shapes_and_types_are_the_published_ones(model: str) -> None:
    family, network = PUBLISHED[model]
    check_names(model, family, network)


def test_golden_numbers_of_fbrs(wanted: dict[str, dict]) -> None:
    """The golden run normalised the image before the network; ours does it inside."""
    net = golden_net("fbrs_resnet", **FBRS)
    with torch.inference_mode():
        check_summary(net(*golden_inputs(160, 192)), wanted["fbrs:r34"]["instances_(image_normalised_by_caller)"])


def test_golden_numbers_of_cdnet(wanted: dict[str, dict]) -> None:
    numbers, seen = wanted["cdnet:r34"], {}
    net = golden_net("cdnet", **CDNET)
    net.head.PDM = PixelDiffusion()  # its kernels are constants
    net.head.register_forward_pre_hook(lambda _, inputs: seen.update(feature=inputs[0]))
    net.neck.aspp.register_forward_hook(lambda *hooked: seen.update(aspp=hooked[-1]))
    image, clicks, prev = golden_inputs(160, 192)
    with torch.inference_mode():
        logits = net(image, clicks, prev)
        for name, maps in (
            ("instances", logits),
            ("fdm_instances", net.neck.diffusion.gate(seen["aspp"])),
            ("latent_instances", net.head.latent_head(seen["feature"])),
            ("pixel_diffusion", net.head.PDM(logits, image, clicks)),
        ):
            check_summary(F.interpolate(maps, (160, 192), mode="bilinear", align_corners=True), numbers[name])


@pytest.mark.slow
@pytest.mark.parametrize("network", [{**FBRS, "size": "50"}, CDNET, {"backbone": "resnet"}, {**FBRS, "size": "101"}])
def test_batch_equals_single_at_any_size(network: dict[str, object]) -> None:
    net, parts = small(**network), batch()
    with torch.inference_mode():
        together = net(*parts)
        alone = torch.cat([net(*(part[i : i + 1] for part in parts)) for i in range(2)])
    assert together.shape == (2, 1, 45, 66)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", ["34_cdnet", "50"])
def test_clicks_and_gradients_reach_all_that_runs(size: str) -> None:
    net = small(backbone="resnet", size=size)
    image, clicks, prev = batch()
    moved = clicks.clone()
    moved[..., 0] += 10
    out = net(image, clicks, prev)
    assert ((net(image, moved, prev) - out).abs().amax((1, 2, 3)) > 0).all()
    out.square().mean().backward()
    still = {name for name, weight in net.named_parameters() if weight.grad is None}
    assert still == {n for n, _ in net.named_parameters() if n.startswith(("head.latent_head", "neck.diffusion.gate"))}


def test_the_last_stages_are_dilated_instead_of_strided() -> None:
    net = resnet.build("34").eval()
    with torch.inference_mode():
        fine, coarse = net(torch.rand(1, 3, 64, 96), None)
    assert (fine.shape, coarse.shape) == ((1, 64, 16, 24), (1, 512, 8, 12))
    pairs = [(block.conv1.dilation[0], block.conv2.dilation[0]) for block in (*net.layer3[:2], *net.layer4[:2])]
    assert pairs == [(1, 2), (2, 2), (2, 4), (4, 4)]


def test_features_spread_from_the_clicks_of_their_own_side() -> None:
    """Against the formula, attention matrix and all."""
    torch.manual_seed(0)
    diffusion = FeatureDiffusion(6).eval()
    x, clicks = torch.randn(1, 6, 5, 7), torch.tensor([[[3.0, 4, 1], [50, 30, 0]]])
    rows, cols = torch.arange(40.0).view(-1, 1), torch.arange(56.0)
    with torch.inference_mode():
        on = diffusion.gate(x).flatten(2)
        products = diffusion.t(x).flatten(2).transpose(1, 2) @ diffusion.p(x).flatten(2)
        result = x
        sides = (on, diffusion.z, diffusion.bn), (1 - on, diffusion.z2, diffusion.bn2)
        for (x0, y0, _), (side, out, norm) in zip(clicks[0].tolist(), sides, strict=True):
            disk = ((rows - y0) ** 2 + (cols - x0) ** 2 <= 24**2).float()[None, None]
            disk = F.interpolate(disk, (5, 7), mode="bilinear", align_corners=True).flatten(2)
            attention = (products * (disk + (side > 0.8))).softmax(-1) * side.transpose(1, 2)
            mixed = attention @ diffusion.g(x).flatten(2).transpose(1, 2)
            result = result + norm(out(mixed.transpose(1, 2).reshape(x.shape)))
        torch.testing.assert_close(diffusion(x, clicks, (40, 56)), result)


def test_attention_without_scale() -> None:
    q, k, v = (torch.randn(2, 3, 2, 5) for _ in range(3))
    matrix = (q.flatten(2).transpose(1, 2) @ k.flatten(2)).softmax(-1)
    torch.testing.assert_close(attend(q, k, v).flatten(2), v.flatten(2) @ matrix.transpose(1, 2))


def test_pixels_of_one_colour_share_a_click() -> None:
    image = torch.zeros(1, 3, 24, 32)
    image[..., 16:] = 1
    with torch.inference_mode():
        logits = PixelDiffusion()(torch.zeros(1, 1, 24, 32), image, torch.tensor([[[4.0, 12, 1]]]), 2)[0, 0]
    assert logits[12, 10] > 0.05  # of the click's colour
    assert logits[:, 16:].abs().max() < 1e-3 * logits.max()  # of the other


def test_an_imagenet_checkpoint_fills_the_trunk() -> None:
    generator = torch.Generator().manual_seed(2)
    backbone = resnet.build("34")
    trunk = {key: value for key, value in backbone.state_dict().items() if not key.endswith("num_batches_tracked")}
    source = {key: torch.rand(value.shape, generator=generator) for key, value in trunk.items()}
    resnet.load_pretrained(backbone, source | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)})
    assert all(torch.equal(backbone.state_dict()[key], value) for key, value in source.items())
    source["layer1.0.conv1.weight"] = torch.zeros(64, 64, 1, 1)
    with pytest.raises(CheckpointError, match=r"layer1.0.conv1.weight is \(64, 64, 1, 1\), wanted \(64, 64, 3, 3\)"):
        resnet.load_pretrained(backbone, source)


def test_an_unknown_size_is_answered_with_the_choices() -> None:
    with pytest.raises(UnknownName, match="no resnet of size '18'; there are: 34, 34_cdnet, 50, 101"):
        build_segmenter("resnet", "18")
