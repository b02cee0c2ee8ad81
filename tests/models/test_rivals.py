"""The networks of DIOS, LD, BRS, UCP-Net and PseudoClick: what they read, what they say, what teaches them."""

import numpy as np
import pytest
import torch

from fewclicks.errors import CheckpointError, InputError, UnknownName
from fewclicks.models import context, densenet, extra_heads, unet, vgg
from fewclicks.models.extra_heads import MASKS
from fewclicks.models.networks import build_network
from fewclicks.models.prompt import contour_maps, proximity_maps, truncated_maps
from fewclicks.models.segmenter import Outputs
from fewclicks.plugins import find
from fewclicks.training.objectives import nfl

RIVALS = ("dios", "ld", "brs", "ucp_net", "pseudoclick")
CLICKS = torch.tensor([[[10.0, 8.0, 1.0], [30.0, 20.0, 0.0], [0.0, 0.0, -1.0]]])


def small(method, **more):
    torch.manual_seed(0)
    return build_network({**find("methods", method).SMALL, **more}).eval()


def inputs(height=64, width=96):
    torch.manual_seed(1)
    return torch.rand(1, 3, height, width), CLICKS, torch.zeros(1, 1, height, width)


def test_truncated_distances_end_where_they_are_cut_off():
    maps = truncated_maps(CLICKS, (40, 600), 255.0)
    assert maps[0, 0, 8, 10] == 0
    assert maps[0, 0, 8, 13] == pytest.approx(3 / 255)
    assert maps[0, 1, 20, 599] == 1
    torch.testing.assert_close(proximity_maps(CLICKS, (40, 600)), 1 - maps)
    assert (truncated_maps(CLICKS[:, 2:], (8, 8)) == 1).all()


def test_clicks_on_an_outline_have_one_map_whatever_their_label():
    maps = contour_maps(CLICKS, (40, 60), 3.0)
    assert maps.shape == (1, 1, 40, 60)
    assert maps[0, 0, 8, 10] == maps[0, 0, 20, 30] == 1
    assert maps[0, 0, 8, 13] == pytest.approx(np.exp(-0.5))
    assert contour_maps(CLICKS[:, 2:], (8, 8)).abs().max() == 0


@pytest.mark.parametrize("method", RIVALS)
@pytest.mark.parametrize("hw", [(64, 96), (50, 41)])
def test_logits_have_the_size_of_the_image(method, hw):
    net = small(method)
    image, clicks, prev = inputs(*hw)
    with torch.inference_mode():
        out = net.outputs(image, clicks, prev)
        torch.testing.assert_close(out.logits, net(image, clicks, prev))
    assert out.logits.shape == (1, 1, *hw)
    if out.maps is not None:
        assert out.maps.shape[2:] == hw


@pytest.mark.parametrize("method", RIVALS)
def test_a_batch_says_what_each_of_its_members_says(method):
    net = small(method)
    image, clicks, prev = inputs()
    images = torch.cat((image, image.flip(-1)))
    several = torch.cat((clicks, torch.tensor([[[50.0, 30.0, 1.0], [0, 0, -1], [0, 0, -1]]])))
    with torch.inference_mode():
        together = net(images, several, prev.repeat(2, 1, 1, 1))
        for i in range(2):
            alone = net(images[i : i + 1], several[i : i + 1], prev)
            torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["dios", "ld", "brs", "ucp_net"])
def test_those_without_a_previous_mask_do_not_look_at_it(method):
    net = small(method)
    image, clicks, prev = inputs()
    with torch.inference_mode():
        torch.testing.assert_close(net(image, clicks, prev), net(image, clicks, prev + 1))


def test_new_filters_of_the_first_layer_begin_at_zero():
    """DIOS: before it has learnt anything of clicks, the network is the one of ImageNet."""
    net = small("dios")
    image, clicks, prev = inputs()
    with torch.inference_mode():
        torch.testing.assert_close(net(image, clicks, prev), net(image, clicks.flip(1) + 5, prev))
        net.patch_embed_coords.weight.normal_()
        assert not torch.allclose(net(image, clicks, prev), net(image, clicks + 5, prev))


def test_the_selector_chooses_one_of_six_masks_that_differ():
    net = small("ld")
    with torch.inference_mode():
        out = net.outputs(*inputs())
    assert out.maps.shape[1] == out.scores.shape[1] == MASKS
    best = int(out.scores.argmax())
    torch.testing.assert_close(out.logits[:, 0], out.maps[:, best])
    assert out.maps.std(1).min() > 0


def latent(*bests):
    """Outputs whose candidate b of each sample is the truth, all others its opposite; the truth."""
    truth = torch.zeros(len(bests), 12, 12, dtype=torch.int8)
    truth[:, 3:9, 3:9] = 1
    maps = (-8.0 * (2 * truth.float() - 1)).unsqueeze(1).repeat(1, MASKS, 1, 1)
    for i, best in enumerate(bests):
        maps[i, best] *= -1
    return maps.requires_grad_(), truth


def test_hindsight_asks_one_candidate_to_be_right_and_the_selector_to_find_it():
    head = extra_heads.with_extra("latent", torch.nn.Conv2d(4, 1, 1))
    maps, truth = latent(2, 4)
    nowhere = torch.full((2, 1, 3), -1.0)
    told = []
    for right in (True, False):
        scores = torch.zeros(2, MASKS)
        for i, best in enumerate((2, 4)):
            scores[i, best if right else 0] = 9.0
        told.append(head.losses(Outputs(maps[:, :1], None, None, maps, scores), nowhere, truth, nfl))
    assert (told[0] < told[1]).all()
    (gradient,) = torch.autograd.grad(told[0].sum(), [maps])
    assert gradient[0, 2].abs().sum() < gradient[0, 0].abs().sum()


def test_every_candidate_is_held_to_the_clicks(monkeypatch):
    monkeypatch.setattr(extra_heads, "CLICK_PX", 0.0)
    head = extra_heads.with_extra("latent", torch.nn.Conv2d(4, 1, 1))
    maps, truth = latent(1)
    scores = torch.zeros(1, MASKS)
    outputs = Outputs(maps[:, :1], None, None, maps, scores)
    without = head.losses(outputs, torch.full((1, 1, 3), -1.0), truth, nfl)
    with_click = head.losses(outputs, torch.tensor([[[5.0, 5.0, 1.0]]]), truth, nfl)
    assert float((with_click - without).detach()) == pytest.approx((MASKS - 1) / MASKS, abs=0.02)


def test_errors_are_taught_by_the_mistakes_of_the_mask():
    head = extra_heads.with_extra("errors", torch.nn.Conv2d(4, 1, 1))
    truth = torch.zeros(1, 8, 8, dtype=torch.int8)
    truth[0, :, :4] = 1
    truth[0, 0] = -1
    logits = torch.full((1, 1, 8, 8), -5.0)
    logits[..., 6:] = 5.0  # the object is missed, two columns are wrong
    perfect = torch.full((1, 2, 8, 8), -8.0)
    perfect[0, 0, :, :4] = perfect[0, 1, :, 6:] = 8.0
    clicks = torch.full((1, 1, 3), -1.0)
    good = head.losses(Outputs(logits, None, None, perfect), clicks, truth, nfl)
    swapped = head.losses(Outputs(logits, None, None, perfect.flip(1)), clicks, truth, nfl)
    assert float(good) == pytest.approx(float(nfl(logits, truth)), abs=0.01)
    assert float(swapped) > float(good) + 1


def test_the_errors_do_not_teach_the_mask():
    net = small("pseudoclick").train()
    out = net.outputs(*(torch.cat((x, x)) for x in inputs()))
    out.maps.sum().backward()
    assert net.head.head.cls_head.weight.grad is None


@pytest.mark.parametrize("module", [vgg, densenet, context, unet])
def test_an_unknown_size_is_told(module):
    with pytest.raises(UnknownName, match=r"there (are|is): "):
        module.build("21")


def test_heads_that_do_not_fit_are_told():
    with pytest.raises(UnknownName, match="there are: errors, latent"):
        build_network({"backbone": "compact", "extra": "eror"})
    with pytest.raises(InputError, match="gives a feature"):
        build_network({"backbone": "vgg", "size": "tiny", "extra": "errors"})


def test_imagenet_weights_of_vgg_are_taken_by_their_published_names():
    net = vgg.build("tiny")
    source = {key: torch.randn_like(value) for key, value in vgg.build("tiny").state_dict().items()}
    source["classifier.0.weight"] = torch.zeros(4096, 25088)  # VGG's own, which is no convolution
    vgg.load_pretrained(net, source)
    torch.testing.assert_close(net.features[0].weight, source["features.0.weight"])
    with pytest.raises(CheckpointError, match="ImageNet-trained VGG"):
        vgg.load_pretrained(vgg.build("16"), source)


def test_imagenet_weights_of_densenet_are_taken_by_their_published_names():
    """In the names of torchvision, older and newer: `norm.1` and `norm1`."""
    own = densenet.build("tiny")
    source = {}
    for key, value in own.state_dict().items():
        parts = key.split(".")
        if parts[0] == "blocks":
            layer, kind = parts[3][:-1], parts[3][-1]
            parts = [f"denseblock{int(parts[1]) + 1}", f"denselayer{int(parts[2]) + 1}", layer, kind, parts[4]]
        elif parts[0] == "transitions":
            parts = [f"transition{int(parts[1]) + 1}", {"0": "norm", "2": "conv"}[parts[2]], *parts[3:]]
        source[".".join(["features", *parts])] = torch.randn_like(value.float()).to(value.dtype)
    densenet.load_pretrained(own, source)
    torch.testing.assert_close(own.conv0.weight, source["features.conv0.weight"])
    torch.testing.assert_close(own.blocks[1][0].conv2.weight, source["features.denseblock2.denselayer1.conv.2.weight"])
