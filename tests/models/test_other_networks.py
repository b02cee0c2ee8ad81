"""SAM and its kin, EMC-Click, FCA-Net, SegNext: published names, golden numbers, and what holds for any network."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fakes import shared
from fewclicks.errors import InputError, UnknownName
from fewclicks.models.fcanet import FIRST_SIGMA_PX, SIGMA_PX, gaussians
from fewclicks.models.key_maps import RENAMES, ours, published
from fewclicks.models.networks import NETS, build_network
from fewclicks.models.prompt import squared_distances
from fewclicks.models.sam2 import steadied
from fewclicks.models.vit_relative import RelativeAttention
from fewclicks.recipes import rivals
from fewclicks.training.objectives import nfl
from fewclicks.training.trainer import network
from goldens import check_summary, drawn, golden_inputs, published_shapes

PUBLISHED = {
    "sam_vit_b": ("own", {"net": "sam", "size": "b"}),
    "sam_vit_l": ("own", {"net": "sam", "size": "l"}),
    "sam_vit_h": ("own", {"net": "sam", "size": "h"}),
    "fcanet_resnet": ("own", {"net": "fcanet", "size": "resnet"}),
    "fcanet_res2net": ("own", {"net": "fcanet", "size": "res2net"}),
    "emcclick_hrnet18s": ("emcclick_hrnet", {"net": "emcclick", "backbone": "hrnet", "size": "18s"}),
    "emcclick_hrnet18": ("emcclick_hrnet", {"net": "emcclick", "backbone": "hrnet", "size": "18"}),
    "emcclick_hrnet32": ("emcclick_hrnet", {"net": "emcclick", "backbone": "hrnet", "size": "32"}),
    "emcclick_segformerB0": ("emcclick_segformer", {"net": "emcclick", "backbone": "segformer", "size": "b0"}),
    "emcclick_segformerB3": ("emcclick_segformer", {"net": "emcclick", "backbone": "segformer", "size": "b3"}),
}
SMALL = {
    "sam": {"size": "tiny"},
    "fcanet": {"size": "tiny"},
    "segnext": {"size": "tiny"},
    "hq_sam": {"size": "tiny"},
    "sam2": {"size": "mini"},
    "emcclick": {"backbone": "segformer", "size": "b0"},
}


def golden(model):
    """The network of a published model with the weights of the golden runs."""
    family, network = PUBLISHED[model]
    net = build_network(network)
    state = net.state_dict()
    net.load_state_dict({key: drawn(published(key, RENAMES[family]), value) for key, value in state.items()})
    return net.eval()


def numbers(entry):
    return json.loads(shared("golden", "forward.json").read_text())[entry]


def close(wanted):
    return 1e-3 * max(1e-3, wanted["std"])


@pytest.mark.parametrize("model", PUBLISHED)
def test_names_shapes_and_types_are_the_published_ones(model):
    family, network = PUBLISHED[model]
    with torch.device("meta"):
        state = build_network(network).state_dict()
    own = {
        published(key, RENAMES[family]): (str(tuple(value.shape)), str(value.dtype).removeprefix("torch."))
        for key, value in state.items()
    }
    assert own == published_shapes(model)


def test_golden_numbers_of_emcclick():
    net, wanted = golden("emcclick_hrnet18s"), numbers("emc:hrnet18s")
    image, clicks, prev = golden_inputs(192, 192)
    with torch.inference_mode():
        found = net.base.outputs(image, clicks, prev)
        first = net.correct(image, clicks, found.logits.sigmoid(), found)
        second = net.correct(image, clicks, first.sigmoid(), found)
        assert torch.equal(net(image, clicks, torch.zeros_like(prev)), first)
    for logits, name in ((found.logits, "instances"), (first, "refined_1"), (second, "refined_2_cached")):
        check_summary(logits, wanted[name], atol=close(wanted[name]))


@pytest.mark.slow  # 73 million weights are drawn
def test_golden_numbers_of_fcanet():
    net, (wanted,) = golden("fcanet_resnet"), numbers("fca:resnet").values()
    image, clicks, prev = golden_inputs(160, 192)
    with torch.inference_mode():
        check_summary(net(image, clicks, prev), wanted, atol=close(wanted))


@pytest.mark.slow  # a forward at 1024x1024
def test_golden_numbers_of_sam():
    net, wanted = golden("sam_vit_b"), numbers("sam:vit_b")
    with torch.inference_mode():
        embedding = net.embed(golden_inputs(1024, 1024)[0])
        low, expected = net.decode(embedding, torch.tensor([[[512.0, 512, 1], [40, 60, 0]]]))
    assert list(embedding.shape) == wanted["embedding_shape"]
    np.testing.assert_allclose(embedding.mean().item(), wanted["embedding_mean"], atol=1e-6)
    np.testing.assert_allclose(embedding.std().item(), wanted["embedding_std"], rtol=1e-5)
    np.testing.assert_allclose(expected[0, 0].item(), wanted["iou"], rtol=1e-3)
    check_summary(low[:, :1], wanted["low_res_logits"], atol=close(wanted["low_res_logits"]))


def test_the_attention_of_sam_is_that_of_the_plain_formula(monkeypatch):
    """Also where it is computed in many parts."""
    torch.manual_seed(0)
    attention = RelativeAttention(12, 3, 5)
    for weight in (attention.rel_pos_h, attention.rel_pos_w):
        torch.nn.init.normal_(weight)
    qkv = torch.randn(2, 5, 5, 36)
    q, k, v = qkv.reshape(2, 25, 3, 3, 4).permute(2, 0, 3, 1, 4)
    rows, cols = torch.arange(25) // 5, torch.arange(25) % 5
    bias = torch.einsum("bnqd,qkd->bnqk", q, attention.rel_pos_h[rows[:, None] - rows + 4])
    bias = bias + torch.einsum("bnqd,qkd->bnqk", q, attention.rel_pos_w[cols[:, None] - cols + 4])
    wanted = ((q @ k.transpose(-2, -1) / 2 + bias).softmax(-1) @ v).transpose(1, 2).reshape(2, 5, 5, 12)
    for room in (2**22, 700, 1):
        monkeypatch.setattr("fewclicks.models.vit_relative.BIAS_ELEMENTS", room)
        torch.testing.assert_close(attention.mix(qkv), wanted)


SAM2_SHAPES = {
    "image_encoder.trunk.pos_embed": (1, 96, 7, 7),
    "image_encoder.trunk.pos_embed_window": (1, 96, 8, 8),
    "image_encoder.trunk.patch_embed.proj.weight": (96, 3, 7, 7),
    "image_encoder.trunk.blocks.1.attn.qkv.weight": (576, 96),
    "image_encoder.trunk.blocks.1.proj.weight": (192, 96),
    "image_encoder.trunk.blocks.11.mlp.layers.1.weight": (768, 3072),
    "image_encoder.neck.convs.0.conv.weight": (256, 768, 1, 1),
    "no_mem_embed": (1, 1, 256),
    "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128),
    "sam_mask_decoder.transformer.layers.1.mlp.layers.0.weight": (2048, 256),
    "sam_mask_decoder.obj_score_token.weight": (1, 256),
    "sam_mask_decoder.conv_s0.weight": (32, 256, 1, 1),
    "sam_mask_decoder.iou_prediction_head.layers.2.weight": (4, 256),
}
"""Names and shapes of SAM 2.1 Hiera-T, as its authors' files have them."""


def test_names_of_sam2_are_the_published_ones():
    with torch.device("meta"):
        state = build_network({"net": "sam2", "size": "tiny"}).state_dict()
    own = {published(key, RENAMES["sam2"]): tuple(value.shape) for key, value in state.items()}
    assert {key: own.get(key) for key in SAM2_SHAPES} == SAM2_SHAPES
    assert {ours(key, RENAMES["sam2"]) for key in own} == state.keys()
    assert not any(".lin1." in key for key in own)


@pytest.mark.parametrize(
    ("size", "millions"), [("tiny", 26.85), ("small", 33.95), ("base_plus", 68.68), ("large", 212.15)]
)
def test_hieras_are_as_large_as_published(size, millions):
    with torch.device("meta"):
        trunk = build_network({"net": "sam2", "size": size}).image_encoder.trunk
    assert sum(weight.numel() for weight in trunk.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_a_mask_that_is_not_stable_gives_way_to_the_best_of_three():
    logits, expected = torch.zeros(2, 4, 4, 4), torch.tensor([[0.1, 0.2, 0.9, 0.3]]).expand(2, -1)
    logits[0, 0], logits[:, 2] = 50.0, 7.0  # the first photo's single mask is sure of itself, the other's is not
    found, ious = steadied(logits, expected)
    assert found[:, 0, 0, 0].tolist() == [32.0, 7.0]
    assert ious[:, 0].tolist() == pytest.approx([0.1, 0.9])


def test_hq_sam_adds_a_fine_mask_to_those_of_sam():
    torch.manual_seed(0)
    net = build_network({"net": "hq_sam", "size": "tiny"}).eval()
    points = torch.tensor([[[30.0, 20, 1]]])
    with torch.inference_mode():
        embedding, fine = net.embed(torch.rand(1, 3, 256, 256))
        with_fine, _ = net.decode((embedding, fine), points)
        for weight in net.mask_decoder.hf_mlp.layers[-1].parameters():
            weight.zero_()
        without, _ = net.decode((embedding, fine), points)
    added = with_fine - without
    assert added.abs().max() > 1e-4
    torch.testing.assert_close(added, added[:, :1].expand_as(added), rtol=0, atol=1e-5)


def test_gaussians_halve_at_half_their_width():
    clicks = torch.tensor([[[20.0, 10, 1], [3, 3, 0]]])
    squared = squared_distances(clicks, (20, 40))
    assert gaussians(squared, SIGMA_PX)[0, 0, 10, 25] == pytest.approx(0.5)
    assert gaussians(squared, FIRST_SIGMA_PX)[0, 0, 10, 35] == pytest.approx(0.5)
    assert gaussians(squared_distances(clicks[:, 1:], (20, 40)), SIGMA_PX)[0, 0].max() < 1e-6


@pytest.mark.parametrize("name", NETS)
def test_batch_equals_single_and_clicks_and_gradients_reach_what_runs(name):
    torch.manual_seed(0)
    net = build_network({"net": name, **SMALL[name]}).eval()
    image = torch.rand(2, 3, 45, 66)
    prev = torch.zeros(2, 1, 45, 66)
    prev[1, :, 10:30, 20:40] = 0.9
    clicks = torch.tensor([[[30.5, 40, 1], [50, 10, 0]], [[20, 30, 1], [-1, -1, -1]]])
    with torch.inference_mode():
        together = net(image, clicks, prev)
        alone = torch.cat([net(image[i : i + 1], clicks[i : i + 1], prev[i : i + 1]) for i in range(2)])
        moved = clicks.clone()
        moved[..., 0] += 10
        changed = (net(image, moved, prev) - together).abs().amax((1, 2, 3))
    assert together.shape == (2, 1, 45, 66)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
    assert (changed > 0).all()
    net.train()
    out = net.outputs(image, clicks, prev)
    F.binary_cross_entropy_with_logits(out.logits, torch.ones_like(prev)).backward()
    assert sum(weight.grad is not None for weight in net.parameters()) > len(list(net.parameters())) // 2


def test_what_no_network_takes_is_refused():
    with pytest.raises(UnknownName, match="no network 'sam3'; there are: emcclick, fcanet, hq_sam, sam, sam2, segnext"):
        build_network({"net": "sam3"})
    with pytest.raises(UnknownName, match="no sam of size 'x'; there are: b, l, h, tiny"):
        build_network({"net": "sam", "size": "x"})
    with pytest.raises(InputError, match="the network 'sam' does not take these values"):
        build_network({"net": "sam", "depth": 3})
    with pytest.raises(InputError, match="EMC-Click is made on hrnet or segformer, got the backbone 'vit'"):
        build_network({"net": "emcclick", "backbone": "vit"})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam", "hq_sam", "sam2", "emcclick", "focalclick", "fbrs"])
def test_recipes_lower_the_loss_of_what_they_see(name):
    """On one small drawn batch, over and over; the networks are those of the recipe's config.json."""
    recipe = getattr(rivals, name)()
    recipe = replace(recipe, size={"fbrs": "tiny"}.get(name, recipe.size))
    torch.manual_seed(0)
    net = build_network(network(recipe)).train()
    image, truth = torch.rand(2, 3, 64, 64), torch.zeros(2, 64, 64, dtype=torch.int8)
    truth[:, 16:48, 20:40] = 1
    image[:, :, 16:48, 20:40] += 1
    clicks = torch.tensor([[[30.0, 30, 1], [5, 5, 0]]] * 2)
    adam, losses = torch.optim.Adam(net.parameters(), {"hq_sam": 3e-4}.get(name, 1e-3)), []
    for _ in range(6):
        adam.zero_grad()
        loss = nfl(net.outputs(image, clicks, torch.zeros(2, 1, 64, 64)).logits, truth).mean()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]
