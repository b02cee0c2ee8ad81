"""SegFormer with FocalClick's prompt and refiner: published names, golden numbers, and what must hold for any."""

import json
from dataclasses import replace
from math import ceil, floor

import pytest
import torch

from fakes import shared
from fewclicks.errors import CheckpointError, InputError, UnknownName
from fewclicks.models import segformer
from fewclicks.models.refiner import Refiner, roi_align
from fewclicks.models.segmenter import Outputs, Segmenter, build_segmenter
from goldens import check_names, check_summary, golden_inputs, golden_net

SEGFORMER = {"backbone": "segformer", "refiner": "focalclick_gate"}
HRNET = {"backbone": "hrnet", "refiner": "focalclick"}
PUBLISHED = {
    "focalclick_segformerB0_S2": ("focalclick_segformer", {**SEGFORMER, "size": "b0"}),
    "focalclick_segformerB3_S2": ("focalclick_segformer", {**SEGFORMER, "size": "b3"}),
    "focalclick_hrnet18s_S2": ("focalclick_hrnet", {**HRNET, "size": "18s"}),
    "focalclick_hrnet32_S2": ("focalclick_hrnet", {**HRNET, "size": "32"}),
}


@pytest.fixture(scope="module")
def net() -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter(**SEGFORMER).eval()


def batch(height: int = 64, width: int = 96) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, height, width, generator=generator)
    prev = torch.rand(2, 1, height, width, generator=generator)
    return image, torch.tensor([[[30.5, 40, 1], [50, 10, 0]], [[20, 30, 1], [-1, -1, -1]]]), prev


@pytest.mark.parametrize("model", PUBLISHED)
def test_names_shapes_and_types_are_the_published_ones(model: str) -> None:
    family, network = PUBLISHED[model]
    check_names(model, family, network)


def test_golden_numbers() -> None:
    wanted = json.loads(shared("golden", "forward.json").read_text())["focal:segb0"]
    net = golden_net("focalclick_segformer", **SEGFORMER)
    image, clicks, prev = golden_inputs(256, 256)
    with torch.inference_mode():
        coarse = net.outputs(image, clicks, prev)
        refined = net.refine(image, clicks, coarse, torch.tensor([[0.0, 0, 256, 256]]))
        assert torch.equal(net(image, clicks, prev), coarse.logits)
    check_summary(coarse.logits, wanted["instances"])
    assert list(coarse.feature.shape) == wanted["feature_shape"]
    assert coarse.feature.mean().item() == pytest.approx(wanted["feature_mean"], abs=1e-6)
    assert coarse.feature.std().item() == pytest.approx(wanted["feature_std"], abs=1e-6)
    check_summary(refined.logits, wanted["refiner_fullcrop"])
    check_summary(refined.trimap, wanted["refiner_trimap"])
    torch.testing.assert_close(refined.coarse, coarse.logits)


@pytest.mark.parametrize("hw", [(64, 96), (50, 75)])
def test_logits_have_the_size_of_the_image(net: Segmenter, hw: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = net(*batch(*hw))
    assert logits.shape == (2, 1, *hw)
    assert logits.isfinite().all()


def test_batch_equals_single(net: Segmenter) -> None:
    image, clicks, prev = batch()
    boxes = torch.tensor([[8.0, 3, 60, 50], [0, 0, 96, 64]])
    with torch.inference_mode():
        coarse = net.outputs(image, clicks, prev)
        refined = net.refine(image, clicks, coarse, boxes)
        for i in range(2):
            one = slice(i, i + 1)
            alone = net.outputs(image[one], clicks[one], prev[one])
            torch.testing.assert_close(coarse.logits[one], alone.logits, rtol=1e-4, atol=1e-5)
            alone = net.refine(image[one], clicks[one], alone, boxes[one])
            torch.testing.assert_close(refined.logits[one], alone.logits, rtol=1e-4, atol=1e-5)


def test_gradients_reach_all_that_runs() -> None:
    torch.manual_seed(0)
    net = build_segmenter(**SEGFORMER)
    image, clicks, prev = batch()
    coarse = net.outputs(image, clicks, prev)
    refined = net.refine(image, clicks, coarse, torch.tensor([[8.0, 3, 60, 50], [0, 0, 96, 64]]))
    (refined.logits.square().mean() + refined.trimap.square().mean()).backward()
    still = {name for name, weight in net.named_parameters() if weight.grad is None}
    dead = ("patch_embed_coords.maps_transform", "refiner.feature_gate")
    assert still == {name for name, _ in net.named_parameters() if name.startswith(dead)}


def test_the_head_sees_the_first_stage_without_the_prompt(net: Segmenter) -> None:
    image = batch()[0]
    with torch.inference_mode():
        plain = net.backbone(image, torch.zeros(2, 32, 16, 24))
        prompted = net.backbone(image, torch.rand(2, 32, 16, 24))
    assert torch.equal(plain[0], prompted[0])
    assert all(not torch.equal(a, b) for a, b in zip(plain[1:], prompted[1:], strict=True))


def test_blocks_are_left_out_in_training_only() -> None:
    torch.manual_seed(0)
    block = segformer.Block(8, 2, 1, drop=0.5)
    x = torch.rand(400, 6, 8)
    left_out = (block(x, 3) == x).all(2).all(1).float().mean()
    assert left_out.item() == pytest.approx(0.25, abs=0.08)  # both halves of the block
    assert not (block.eval()(x, 3) == x).all(2).all(1).any()
    with torch.device("meta"):
        drops = [part.drop for part in segformer.build("b3").modules() if isinstance(part, segformer.Block)]
    assert (len(drops), drops[0], drops[-1]) == (28, 0, pytest.approx(0.1))
    assert drops == sorted(drops)


def test_half_the_input_is_the_small_pipeline(net: Segmenter) -> None:
    """S1 of FocalClick: the same weights on an image and maps of half the size."""
    small = build_segmenter(**SEGFORMER, scale=0.5, radius_px=3).eval()
    small.load_state_dict(net.state_dict())
    image, clicks, prev = batch(128, 192)
    with torch.inference_mode():
        out = small.outputs(image, clicks, prev)
        refined = small.refine(image, clicks, out, torch.tensor([[0.0, 0, 192, 128]] * 2))
    assert out.logits.shape == refined.logits.shape == (2, 1, 128, 192)
    assert out.feature.shape == (2, 256, 16, 24)


def imagenet() -> dict[str, torch.Tensor]:
    """An ImageNet checkpoint of MiT-B0 with seeded numbers."""
    generator = torch.Generator().manual_seed(2)
    state = segformer.build("b0").state_dict()
    shapes = {key: value.shape for key, value in state.items()} | {"head.weight": (1000, 256), "head.bias": (1000,)}
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def test_an_imagenet_checkpoint_fills_the_backbone() -> None:
    source, backbone = imagenet(), segformer.build("b0")
    segformer.load_pretrained(backbone, source)
    assert all(torch.equal(value, source[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: d.pop("block3.1.attn.sr.weight"), "lacks block3.1.attn.sr.weight"),
        (lambda d: d.update({"block1.2.norm1.weight": torch.zeros(32)}), "also has block1.2.norm1.weight"),
        (lambda d: d.update({"norm4.bias": torch.zeros(512)}), r"norm4.bias is \(512,\), wanted \(256,\)"),
    ],
)
def test_another_checkpoint_is_refused_and_changes_nothing(spoil, says: str) -> None:
    source, backbone = imagenet(), segformer.build("b0")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    spoil(source)
    with pytest.raises(CheckpointError, match=says):
        segformer.load_pretrained(backbone, source)
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


def test_unknown_names_are_answered_with_the_choices() -> None:
    with pytest.raises(UnknownName, match="no segformer of size 'b1'; there are: b0, b3"):
        build_segmenter("segformer", "b1")
    with pytest.raises(UnknownName, match="no refiner 'x'; there are: focalclick, focalclick_gate"):
        build_segmenter("segformer", refiner="x")


def bilinear(plane: torch.Tensor, y: float, x: float) -> float:
    """One sample of HxW, pixel centres at integers; zero beyond a pixel outside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = floor(y), floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, over = y - top, x - left
    upper = (1 - over) * plane[top, left] + over * plane[top, right]
    lower = (1 - over) * plane[bottom, left] + over * plane[bottom, right]
    return float((1 - down) * upper + down * lower)


@pytest.mark.parametrize("box", [(0, 0, 7, 5), (1.3, 0.4, 4.1, 4.9), (-3, 2, 9, 8), (2, 2, 2.5, 2.5), (5, 4, 40, 30)])
@pytest.mark.parametrize("hw", [(5, 7), (3, 2), (8, 9)])
def test_roi_align_is_the_mean_of_samples_in_each_bin(box: tuple[float, ...], hw: tuple[int, int]) -> None:
    plane = torch.rand(5, 7, generator=torch.Generator().manual_seed(3))
    left, top, right, bottom = box
    bin_h, bin_w = (bottom - top) / hw[0], (right - left) / hw[1]
    per_h, per_w = ceil(bin_h), ceil(bin_w)
    wanted = torch.zeros(hw)
    for i in range(hw[0]):
        for j in range(hw[1]):
            samples = [
                bilinear(
                    plane, top - 0.5 + bin_h * (i + (a + 0.5) / per_h), left - 0.5 + bin_w * (j + (b + 0.5) / per_w)
                )
                for a in range(per_h)
                for b in range(per_w)
            ]
            wanted[i, j] = sum(samples) / len(samples)
    got = roi_align(plane[None, None], torch.tensor([box]), hw)
    torch.testing.assert_close(got[0, 0], wanted, rtol=1e-4, atol=1e-5)


def test_an_hrnet_refines_too() -> None:
    """S1: its feature is at 1/8 of the image. A box of the whole leaves the coarse logits in their place."""
    torch.manual_seed(0)
    net = build_segmenter(**HRNET, size="18s", scale=0.5, radius_px=2).eval()
    image, clicks, prev = batch()
    with torch.inference_mode():
        coarse = net.outputs(image, clicks, prev)
        refined = net.refine(image, clicks, coarse, torch.tensor([[0.0, 0, 96, 64]] * 2))
    assert coarse.feature.shape == (2, 96, 8, 12)
    torch.testing.assert_close(refined.coarse, coarse.logits)
    assert not torch.allclose(refined.logits, refined.coarse)


def test_each_picture_has_its_own_box() -> None:
    planes = torch.arange(2 * 16.0).view(2, 1, 4, 4)
    cut = roi_align(planes, torch.tensor([[0.0, 0, 2, 2], [2, 2, 4, 4]]), (2, 2))
    assert cut[:, 0].tolist() == [[[0, 1], [4, 5]], [[26, 27], [30, 31]]]


def test_the_feature_is_cut_where_the_logits_are() -> None:
    """A feature that marks one quarter of the picture reaches the refiner of that quarter alone."""
    torch.manual_seed(0)
    refiner = Refiner(4).eval()
    feature = torch.zeros(1, 4, 16, 16)
    feature[..., :8, :8] = 1
    image, clicks, logits = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 3) - 1, torch.zeros(1, 1, 64, 64)

    def trimap(box: list[float], feature: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return refiner(image, clicks, feature, logits, torch.tensor([box])).trimap

    for box, marked in (([0.0, 0, 28, 28], 1.0), ([36.0, 36, 64, 64], 0.0)):
        torch.testing.assert_close(trimap(box, feature), trimap(box, torch.full_like(feature, marked)))


def test_the_trimap_decides_between_detail_and_coarse_mask() -> None:
    refiner = Refiner(4).eval()
    torch.nn.init.constant_(refiner.refine_pred.bias, 7.0)
    for weight in (refiner.refine_pred.weight, refiner.refine_trimap.weight):
        torch.nn.init.zeros_(weight)
    image, clicks = torch.rand(1, 3, 32, 32), torch.tensor([[[5.0, 6, 1]]])
    boxes = torch.tensor([[0.0, 0, 16, 16]])
    coarse = Outputs(torch.full((1, 1, 32, 32), -2.0), feature=torch.rand(1, 4, 8, 8))
    for bias, wanted in ((50.0, 7.0), (-50.0, -2.0), (0.0, 2.5)):
        torch.nn.init.constant_(refiner.refine_trimap.bias, bias)
        with torch.inference_mode():
            out = refiner(image, clicks, coarse.feature, coarse.logits, boxes)
        torch.testing.assert_close(out.logits, torch.full((1, 1, 32, 32), wanted))


def test_refine_needs_a_refiner_and_a_box_for_each_image(net: Segmenter) -> None:
    image, clicks, prev = batch()
    with torch.inference_mode():
        coarse = net.outputs(image, clicks, prev)
    with pytest.raises(InputError, match="one box"):
        net.refine(image, clicks, coarse, torch.zeros(1, 4))
    with pytest.raises(InputError, match="no refiner"):
        build_segmenter("segformer").refine(image, clicks, coarse, torch.zeros(2, 4))


def test_fresh_weights_follow_the_seed() -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(segformer.MiT(replace(segformer.SIZES["b0"], depths=(1, 1, 1, 1))).state_dict())
    key = "block1.0.attn.q.weight"
    assert torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[0][key], states[2][key])
    assert states[0]["block4.0.mlp.fc1.weight"].std().item() == pytest.approx(0.02, rel=0.05)
