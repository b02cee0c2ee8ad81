"""The compact network: ImageNet weights, the prompt, sizes, and the same answer from torch and ONNX."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fakes import gradient
from fewclicks.checkpoints import checkpoint
from fewclicks.clicks import Click, Clicks
from fewclicks.engines import onnx
from fewclicks.engines import torch as torch_engine
from fewclicks.engines.network import Network
from fewclicks.engines.onnx_metadata import read_metadata
from fewclicks.errors import CheckpointError, InputError
from fewclicks.methods import default
from fewclicks.models import compact
from fewclicks.models.segmenter import Segmenter, build_segmenter
from fewclicks.training.export import export_onnx


def lively(seed: int = 0, size: str = "lite0") -> Segmenter:
    """A compact network whose prompt has an effect and whose BatchNorm has statistics; both start trivial."""
    torch.manual_seed(seed)
    net = build_segmenter("compact", size)
    for parameter in net.patch_embed_coords.parameters():
        nn.init.normal_(parameter, std=0.3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.normal_(net.head.weight)
    return net.eval()


def inputs(hw: tuple[int, int], clicks: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(hw[0] + clicks)
    points = rng.random((1, clicks, 3), np.float32) * (hw[1], hw[0], 1)
    points[..., 2] = np.arange(clicks) % 3 - 1  # pads, negatives, positives
    made = (rng.random((1, 3, *hw), np.float32), points.astype(np.float32), rng.random((1, 1, *hw), np.float32))
    return tuple(torch.from_numpy(array) for array in made)


def test_size_and_stages():
    net = build_segmenter("compact")
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(3.17e6, rel=0.01)
    features = net.backbone(torch.zeros(1, 3, 64, 96), torch.zeros(1, 32, 32, 48))
    assert [tuple(f.shape[1:]) for f in features] == [
        (16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)
    ]  # fmt: skip
    with pytest.raises(InputError, match="lite0"):
        build_segmenter("compact", "lite9")


def test_the_larger_size_begins_as_the_smaller_one_and_learns_what_it_adds():
    small, large = lively(), build_segmenter("compact", "plus").eval()
    assert sum(p.numel() for p in large.parameters()) == pytest.approx(5.17e6, rel=0.01)
    large.load_state_dict({**large.state_dict(), **small.state_dict()})
    tensors = inputs((64, 96))
    torch.testing.assert_close(large(*tensors), small(*tensors))
    large(*tensors).square().sum().backward()
    for part in (large.backbone.stages[3][-1].layers[-1], large.backbone.prompts[2], large.neck.again[0].layers[-1]):
        assert part.weight.grad.abs().sum() > 0


def test_the_prompt_starts_silent_and_learns():
    net = build_segmenter("compact").eval()
    image, clicks, prev = inputs((64, 64))
    assert torch.equal(net(image, clicks, prev), net(image, -torch.ones_like(clicks), torch.zeros_like(prev)))
    net(image, clicks, prev).sum().backward()
    assert net.patch_embed_coords[-1].weight.grad.abs().sum() > 0
    spoken = lively()
    assert not torch.allclose(spoken(image, clicks, prev), spoken(image, clicks, torch.zeros_like(prev)), atol=1e-3)


def test_batch_equals_single_and_any_size_comes_back():
    net = lively()
    pairs = [inputs((70, 90)) for _ in range(2)]
    pairs[1][0].mul_(0.5)
    together = net(*(torch.cat(tensors) for tensors in zip(*pairs, strict=True)))
    assert together.shape == (2, 1, 70, 90)
    for row, pair in zip(together, pairs, strict=True):
        torch.testing.assert_close(row, net(*pair)[0], rtol=1e-4, atol=1e-4)


def test_imagenet_weights_are_those_of_the_published_network():
    """The folded stem and first block answer as convolution and BatchNorm do on the published input scale."""
    source = torch.load(compact._wheel_file(), map_location="cpu", weights_only=True)
    backbone = compact.build()
    compact.load_imagenet(backbone)
    rgb = torch.rand(2, 3, 64, 64)
    mean, std = torch.tensor(compact.IMAGENET_MEAN).view(3, 1, 1), torch.tensor(compact.IMAGENET_STD).view(3, 1, 1)

    def published(x: torch.Tensor, conv: str, norm: str, pad: tuple[int, ...], **how: int) -> torch.Tensor:
        x = F.conv2d(F.pad(x, pad), source[f"{conv}.weight"], **how)
        moments = source[f"{norm}.running_mean"], source[f"{norm}.running_var"]
        return F.batch_norm(x, *moments, source[f"{norm}.weight"], source[f"{norm}.bias"], eps=1e-3)

    x = published((255 * rgb - 127) / 128, "_conv_stem", "_bn0", (0, 1, 0, 1), stride=2).clamp(0, 6)
    ours = backbone.stem((rgb - mean) / std)
    torch.testing.assert_close(ours[..., :-1, :-1], x[..., :-1, :-1], rtol=1e-3, atol=1e-3)  # the pad differs
    y = published(x, "_blocks.0._depthwise_conv", "_blocks.0._bn1", (1, 1, 1, 1), groups=32).clamp(0, 6)
    y = published(y, "_blocks.0._project_conv", "_blocks.0._bn2", (0, 0, 0, 0))
    torch.testing.assert_close(backbone.stages[0](x), y, rtol=1e-3, atol=1e-3)


def test_other_weights_are_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="EfficientNet-Lite0"):
        compact.load_imagenet(compact.build(), tmp_path / "other.pth")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A checkpoint folder and its ONNX file."""
    base = tmp_path_factory.mktemp("export")
    config = {"network": {"backbone": "compact", "size": "lite0", "radius_px": 5.0}, "step": 3}
    checkpoint.save(base / "net", {checkpoint.WEIGHTS: lively().state_dict()}, config)
    return base / "net", export_onnx(base / "net", base / "net.onnx")


def test_a_method_that_does_more_than_its_network_is_not_exported(tmp_path):
    config = {"network": {"backbone": "compact"}, "method": "ucp_net"}
    checkpoint.save(tmp_path / "net", {checkpoint.WEIGHTS: {}}, config)
    with pytest.raises(InputError, match="run by the method 'ucp_net', which does more"):
        export_onnx(tmp_path / "net", tmp_path / "net.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(("hw", "clicks"), [((96, 128), 1), ((64, 64), 20), ((100, 130), 3), ((384, 224), 5)])
def test_onnx_equals_torch_at_any_size(exported, hw, clicks):
    arrays = [tensor.numpy() for tensor in inputs(hw, clicks)]
    theirs = torch_engine.load(exported[0], "cpu")(*arrays)
    ours = onnx.load(exported[1], threads=1)(*arrays)
    assert theirs.std() > 0.01
    assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.slow
def test_weights_in_16_bits_are_half_of_the_file_and_nearly_the_same_network(exported, tmp_path):
    small = export_onnx(exported[0], tmp_path / "half.onnx", half=True)
    assert small.stat().st_size < 0.55 * exported[1].stat().st_size
    arrays = [tensor.numpy() for tensor in inputs((96, 128))]
    one, other = (onnx.load(path, threads=1)(*arrays) for path in (exported[1], small))
    assert np.abs(one - other).max() < 0.02 * np.abs(one).max()
    assert read_metadata(small) == read_metadata(exported[1])


@pytest.mark.slow
def test_the_onnx_file_says_what_it_is(exported):
    about = read_metadata(exported[1])
    assert about["step"] == "3"
    assert str(Path(compact.__file__).parents[1]).encode() not in exported[1].read_bytes(), "no path of this machine"
    assert about["checkpoint_sha256"] == checkpoint.sha256(exported[0] / checkpoint.WEIGHTS)


@pytest.mark.slow
def test_network_is_a_predictor(exported):
    network = Network(onnx.load(exported[1], threads=1))
    image = gradient(50, 70)
    start = network.start(image)
    state = network.step(start, Clicks((Click(20, 30),)))
    assert start.prob.max() == 0
    assert state.prob.shape == (50, 70)
    assert state.prob.dtype == np.float32
    assert 0 <= state.prob.min() <= state.prob.max() <= 1
    assert network.step(start, Clicks()).prob.shape == (50, 70)


def test_damaged_and_foreign_onnx_files_are_refused(tmp_path):
    (tmp_path / "cut.onnx").write_bytes(default.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="no ONNX network"):
        onnx.load(tmp_path / "cut.onnx")
    with pytest.raises(CheckpointError, match="no weight file"):
        onnx.load(tmp_path / "none.onnx")


@pytest.mark.parametrize(("kernel", "stride", "side"), [(5, 1, 9), (5, 2, 12), (3, 1, 8), (3, 2, 8)])
def test_a_depthwise_convolution_has_the_gradients_of_the_plain_one(kernel, stride, side):
    torch.manual_seed(0)
    conv = compact.SameConv(4, 4, kernel, stride, groups=4)
    x = torch.randn(2, 4, side, side, requires_grad=True)
    conv(x).square().sum().backward()
    plain = [one.grad.clone() for one in (x, conv.weight, conv.bias)]
    low = x.detach().bfloat16().requires_grad_()
    conv.zero_grad()
    y = conv(low)
    assert y.dtype == torch.bfloat16
    assert torch.allclose(y.float(), conv(x), atol=0.05)
    y.float().square().sum().backward()
    for found, wanted in zip((low.grad.float(), conv.weight.grad, conv.bias.grad), plain, strict=True):
        assert found.shape == wanted.shape
        assert (found - wanted).norm() < 0.02 * wanted.norm(), "as far as bfloat16 goes"
    if kernel == 5:
        padded = torch.nn.functional.pad(x.detach(), conv.same or (2,) * 4)
        grad = 2 * conv(x.detach())
        exact = compact.weight_gradient_5x5(padded, grad, stride)
        assert torch.allclose(exact, plain[1], rtol=1e-4, atol=1e-4)
