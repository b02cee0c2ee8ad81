"""The SimpleClick networks: published names and shapes, golden numbers, and what every backbone must keep."""

import json
from dataclasses import replace

import pytest
import torch

from fakes import shared
from fewclicks.errors import CheckpointError, UnknownName
from fewclicks.models import vit
from fewclicks.models.segmenter import Segmenter, build_segmenter
from fewclicks.models.simple_fpn import SimpleFPN
from fewclicks.models.simple_head import SimpleHead
from goldens import check_summary, golden_inputs, golden_net
from quick import quick

MODELS = {
    "simpleclick_vit_xtiny": "xtiny",
    "simpleclick_vit_base": "base",
    "simpleclick_vit_large": "large",
    "simpleclick_vit_huge": "huge",
    "cfricl_vit_base": "base",
    "cfricl_vit_huge": "huge",
}
NEVER_RUN = ("backbone.cls_token", "backbone.fc_norm", "backbone.head", "head.up_conv1", "head.up_conv2")


@pytest.fixture(scope="module")
def net() -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter("vit", "xtiny").eval()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 224, 448, generator=generator)
    prev = torch.rand(2, 1, 224, 448, generator=generator)
    clicks = torch.tensor([[[30.5, 40, 1], [200, 100, 0]], [[430, 210, 1], [-1, -1, -1]]])
    return image, clicks, prev


@pytest.mark.parametrize("model", MODELS)
def test_keys_order_shapes_and_types_are_the_published_ones(model: str) -> None:
    lines = shared("golden", "keys", f"{model}.txt").read_text().splitlines()
    with torch.device("meta"):
        state = build_segmenter("vit", MODELS[model]).state_dict()
    ours = [f"{k}\t{tuple(v.shape)}\t{str(v.dtype).removeprefix('torch.')}" for k, v in state.items()]
    assert ours == [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("size", quick(["xtiny"], ["xtiny", "base"]))
def test_golden_numbers(size: str) -> None:
    wanted = json.loads(shared("golden", "forward.json").read_text())[f"sc:{size}"]
    net = golden_net("simpleclick", backbone="vit", size=size)
    for side, name in ((448, "instances"), (672, "instances_672_interp_pos")):
        with torch.inference_mode():
            check_summary(net(*golden_inputs(side, side)), wanted[name])


@pytest.mark.parametrize("hw", [(224, 224), (448, 448), (672, 448)])
@pytest.mark.parametrize("size", quick(["xtiny", "base"], vit.SIZES))
def test_logits_have_the_size_of_the_image(size: str, hw: tuple[int, int]) -> None:
    with torch.device("meta"):
        net = build_segmenter("vit", size)
        logits = net(torch.rand(2, 3, *hw), torch.zeros(2, 1, 3), torch.rand(2, 1, *hw))
    assert logits.shape == (2, 1, *hw)


def test_windows_hold_neighbouring_patches_and_come_back() -> None:
    grid = torch.arange(4 * 6).view(1, 1, 4, 6)
    tokens = vit.to_windows(grid, 2, 3)
    assert tokens[0, :8, 0].tolist() == [0, 1, 6, 7, 2, 3, 8, 9]
    assert torch.equal(vit.from_windows(tokens, (4, 6), 2, 3), grid)


def test_only_a_global_block_sees_beyond_the_window() -> None:
    torch.manual_seed(0)
    windowed = replace(vit.SIZES["xtiny"], depth=1, global_every=2)
    coords = torch.zeros(1, windowed.dim, 14, 28)
    black, white = torch.zeros(1, 3, 224, 448), torch.zeros(1, 3, 224, 448)
    white[..., :16, :16] = 1.0  # one patch of the left window
    for size, reaches in ((windowed, False), (replace(windowed, global_every=1), True)):
        net = vit.ViT(size).eval()
        with torch.inference_mode():
            changed = (net(black, coords)[0] != net(white, coords)[0]).any(1)[0]
        assert changed[:, :14].all()
        assert changed[:, 14:].any() == reaches


def test_batch_equals_single(net: Segmenter, batch: tuple[torch.Tensor, ...]) -> None:
    with torch.inference_mode():
        together = net(*batch)
        alone = torch.cat([net(*(part[i : i + 1] for part in batch)) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_clicks_their_labels_and_the_previous_mask_matter(net: Segmenter, batch: tuple[torch.Tensor, ...]) -> None:
    image, clicks, prev = batch
    moved, other = clicks.clone(), clicks.clone()
    moved[..., 0] += 50
    other[:, 0, 2] = 0
    with torch.inference_mode():
        before = net(image, clicks, prev)
        for changed in ((image, moved, prev), (image, other, prev), (image, clicks, torch.zeros_like(prev))):
            difference = (net(*changed) - before).abs().amax((1, 2, 3))
            assert (difference > 1e-4).all()


def test_gradients_reach_all_that_runs(batch: tuple[torch.Tensor, ...]) -> None:
    net = build_segmenter("vit", "xtiny")
    net(*batch).square().mean().backward()
    still = {name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert still == {name for name, _ in net.named_parameters() if name.startswith(NEVER_RUN)}


def test_another_image_size_leaves_the_network_as_it_was(net: Segmenter) -> None:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.inference_mode():
        first = net(*golden_inputs(448, 448))
        net(*golden_inputs(672, 672))
        again = net(*golden_inputs(448, 448))
    assert torch.equal(first, again)
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_fresh_weights_follow_the_seed_and_are_those_of_a_vit() -> None:
    nets = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        nets.append(build_segmenter("vit", "xtiny"))
    first, same, other = (net.backbone.pos_embed for net in nets)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.std().item() == pytest.approx(0.02, rel=0.05)
    qkv = nets[0].backbone.blocks[0].attn.qkv
    assert qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not qkv.bias.any()
    for embed in (nets[0].backbone.patch_embed, nets[0].patch_embed_coords):
        xavier = (2 / (3 * 16 * 16 + 160)) ** 0.5
        assert embed.proj.weight.std().item() == pytest.approx(xavier, rel=0.05)


@pytest.mark.parametrize("hw", [(112, 112), (224, 480), (464, 448), (600, 431)])
def test_any_size_is_taken(net: Segmenter, hw: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = net(torch.rand(1, 3, *hw), torch.zeros(1, 1, 3), torch.rand(1, 1, *hw))
    assert logits.shape == (1, 1, *hw)
    assert logits.isfinite().all()


@pytest.mark.parametrize("patch", [14, 16])
def test_windows_hold_every_patch_and_are_the_published_ones_where_those_divide(patch: int) -> None:
    with torch.device("meta"):
        backbone = vit.ViT(replace(vit.SIZES["xtiny"], patch_px=patch))
    assert [backbone.windows(side // patch) for side in (224, 448, 672, 896)] == [1, 2, 3, 4]
    for patches in range(1, 500):
        count = backbone.windows(patches)
        height = -(-patches // count)
        assert (count - 1) * height < patches <= count * height  # the last window is not all padding
        published = max(1, patches // (224 // patch))
        assert count == published or patches % published


def test_nobody_attends_to_the_padding_of_windows() -> None:
    """One windowed, one global block on 15 x 29 patches, against the same blocks on each window without padding."""
    torch.manual_seed(0)
    size = replace(vit.SIZES["xtiny"], depth=2)
    net = vit.ViT(size).eval()
    image, coords = torch.rand(1, 3, 15 * 16, 29 * 16), torch.zeros(1, size.dim, 15, 29)
    with torch.inference_mode():
        x = net.patch_embed(image) + net.positions((15, 29))
        halves = [net.blocks[0](half.flatten(2).transpose(1, 2)) for half in (x[..., :15], x[..., 15:])]
        rows = torch.cat([half.unflatten(1, (15, -1)) for half in halves], 2)
        wanted = net.blocks[1](rows.flatten(1, 2)).transpose(1, 2).unflatten(2, (15, 29))
        torch.testing.assert_close(net(image, coords)[0], wanted)


def test_an_odd_grid_keeps_its_scales_aligned() -> None:
    """A ramp on the coarsest scale of 3 x 3 patches reaches the finest one where it lies."""
    neck, head = SimpleFPN(8, (4, 4, 4, 4)), SimpleHead((1, 1, 1, 1), 4)
    levels = neck([torch.rand(1, 8, 3, 3)])
    assert [tuple(level.shape[-2:]) for level in levels] == [(12, 12), (6, 6), (3, 3), (2, 2)]
    for weight in (head.convs[3].conv.weight, head.fusion_conv.conv.weight, head.conv_seg.weight):
        torch.nn.init.ones_(weight)
    for part in (*(conv.conv for conv in head.convs), head.fusion_conv.conv, head.conv_seg):
        torch.nn.init.zeros_(part.bias)
    blank = [torch.zeros(1, 1, side, side) for side in (12, 6, 3)]
    logits = head.eval()([*blank, torch.tensor([0.0, 1.0]).expand(1, 1, 2, 2)])
    columns = (torch.arange(12) + 0.5) / 8 - 0.5  # in patches of the coarsest scale
    torch.testing.assert_close(logits[0, 0, 5], 16 * columns.clamp(0, 1))


def mae(size: str, side: int) -> dict[str, torch.Tensor]:
    """Encoder and some decoder of an MAE checkpoint, seeded; the position embedding has side x side patches."""
    generator = torch.Generator().manual_seed(2)
    own = vit.build(size).state_dict()
    names = [key for key in own if not key.startswith(("fc_norm", "head"))]
    shapes = {key: own[key].shape for key in names}
    shapes["pos_embed"] = torch.Size((1, 1 + side**2, vit.SIZES[size].dim))
    shapes |= {
        "norm.weight": torch.Size((160,)),
        "mask_token": torch.Size((1, 1, 8)),
        "decoder_embed.bias": torch.Size((8,)),
    }
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


@pytest.mark.parametrize("prefix", ["", "model."])
def test_an_mae_checkpoint_fills_the_encoder(prefix: str) -> None:
    source = mae("xtiny", 14)
    backbone = vit.build("xtiny")
    vit.load_pretrained(backbone, {prefix + key: value for key, value in source.items()})
    state = backbone.state_dict()
    untouched = {key for key in state if key.startswith(("fc_norm", "head"))}
    for key in state.keys() - untouched - {"pos_embed"}:
        assert torch.equal(state[key], source[key]), key
    assert torch.equal(state["pos_embed"][:, 0], source["pos_embed"][:, 0])
    grid = source["pos_embed"][0, 1:].T.reshape(1, 160, 14, 14)
    bicubic = torch.nn.functional.interpolate(grid, (28, 28), mode="bicubic", align_corners=False)
    torch.testing.assert_close(backbone.positions((28, 28)), bicubic)


def test_the_huge_position_embedding_grows_from_16_to_32() -> None:
    huge = vit.ViT(replace(vit.SIZES["xtiny"], patch_px=14, depth=1))
    source = {key: value for key, value in huge.state_dict().items() if not key.startswith(("fc_norm", "head"))}
    vit.load_pretrained(huge, source | {"pos_embed": torch.full((1, 1 + 16 * 16, 160), 0.5)})
    assert huge.pos_embed.shape == (1, 1 + 32 * 32, 160)
    torch.testing.assert_close(huge.pos_embed.detach(), torch.full((1, 1025, 160), 0.5))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: d.pop("blocks.3.attn.qkv.weight"), "lacks blocks.3.attn.qkv.weight"),
        (lambda d: d.update({"layer1.0.conv1.weight": torch.zeros(1)}), "also has layer1.0.conv1.weight"),
        (
            lambda d: d.update({"cls_token": torch.zeros(1, 1, 192)}),
            r"cls_token is \(1, 1, 192\), wanted \(1, 1, 160\)",
        ),
        (lambda d: d.update({"pos_embed": torch.zeros(1, 180, 160)}), "pos_embed is"),
        (lambda d: d.update({"pos_embed": torch.zeros(160)}), "pos_embed is"),
        (lambda d: d.update({"pos_embed": torch.zeros(1, 0, 160)}), "pos_embed is"),
        (lambda d: d.clear(), "lacks"),
    ],
)
def test_another_checkpoint_is_refused_and_changes_nothing(spoil, says: str) -> None:
    source, backbone = mae("xtiny", 14), vit.build("xtiny")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    spoil(source)
    with pytest.raises(CheckpointError, match=says):
        vit.load_pretrained(backbone, source)
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


def test_layers_count_from_the_tokens_to_the_head(net: Segmenter) -> None:
    backbone = net.backbone
    assert backbone.layers == 9
    wanted = {
        "backbone.cls_token": 0,
        "backbone.pos_embed": 0,
        "backbone.patch_embed.proj.weight": 0,
        "backbone.blocks.0.norm1.weight": 1,
        "backbone.blocks.7.mlp.fc2.bias": 8,
        "backbone.fc_norm.weight": 9,
        "patch_embed_coords.proj.weight": 9,
        "neck.down_4.0.weight": 9,
        "head.conv_seg.weight": 9,
    }
    assert {name: backbone.layer_of(name) for name in wanted} == wanted
    assert {backbone.layer_of(name) for name, _ in net.named_parameters()} == set(range(10))


@pytest.mark.parametrize("size", ["b", "giant", ""])
def test_an_unknown_size_is_answered_with_the_choices(size: str) -> None:
    with pytest.raises(UnknownName, match=f"no vit of size '{size}'; there are: xtiny, base, large, huge"):
        build_segmenter("vit", size)
