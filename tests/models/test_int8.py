"""Linear layers in 8 bits, and the plain formulation that the speed of the ViT is measured against."""

import copy
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fewclicks
from fewclicks import Click, Clicks
from fewclicks.checkpoints import checkpoint
from fewclicks.errors import InputError
from fewclicks.models.int8 import Int8Linear, quantize
from fewclicks.models.segmenter import build_segmenter

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("vit_speed", ROOT / "benchmarks" / "vit_speed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return build_segmenter("vit", "xtiny").eval()


def test_values_of_8_bits_are_exact():
    linear = nn.Linear(32, 48)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        linear.weight.copy_(torch.randint(-127, 128, (48, 32), generator=generator))
        linear.weight[:, 0] = 127  # the scale of every channel is one
    x = torch.randint(-127, 128, (2, 20, 32), generator=generator).float()
    x[..., 0] = -127
    exact = (x.double() @ linear.weight.double().t()).float() + linear.bias
    assert torch.equal(Int8Linear(linear)(x), exact)


def test_the_error_is_that_of_rounding():
    torch.manual_seed(1)
    linear = nn.Linear(64, 80)
    x = torch.randn(50, 64) * torch.logspace(-3, 3, 50)[:, None]  # rows of very different sizes
    with torch.no_grad():
        true, rounded = linear(x) - linear.bias, Int8Linear(linear)(x) - linear.bias
    step = x.abs().amax(1, keepdim=True) / 127 * linear.weight.abs().sum(1) / 2
    step = step + x.abs().sum(1, keepdim=True) * linear.weight.abs().amax(1) / 127 / 2
    assert ((true - rounded).abs() <= 1.01 * step).all()
    assert (rounded - true).abs().max() > 0


def test_an_empty_row_stays_empty():
    linear = nn.Linear(32, 32, bias=False)
    assert not Int8Linear(linear)(torch.zeros(20, 32)).any()


@torch.inference_mode()
def test_the_plain_formulation_gives_the_same_logits(benchmark, net):
    arguments = benchmark.inputs()
    assert (benchmark.plain(net, *arguments) - net(*arguments)).abs().max() < 1e-4


@torch.inference_mode()
def test_a_network_in_8_bits_follows_that_in_32(benchmark, net):
    small = quantize(copy.deepcopy(net))
    assert not any(isinstance(module, nn.Linear) for module in small.modules())
    assert any(isinstance(module, nn.Linear) for module in net.modules())
    logits = torch.stack([one(*benchmark.inputs()).flatten() for one in (net, small)])
    assert torch.corrcoef(logits)[0, 1] > 0.99
    assert not torch.equal(logits[0], logits[1])


def test_the_option_takes_a_checkpoint_in_8_bits(net, tmp_path):
    config = {"network": {"backbone": "vit", "size": "xtiny"}, "predictor": {"zoom": 224, "fit": "square"}}
    checkpoint.save(tmp_path / "vit", {checkpoint.WEIGHTS: net.state_dict()}, config)
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    probs = []
    for int8 in (False, True):
        predictor = fewclicks.load(tmp_path / "vit", int8=int8, threads=1, anchor=False)
        probs.append(predictor.step(predictor.start(image), Clicks((Click(40, 30),))).prob)
    assert 0 < np.abs(probs[0] - probs[1]).max() < 0.05
    with pytest.raises(InputError, match="int8 is for the CPU"):
        fewclicks.load(tmp_path / "vit", int8=True, device="cuda")


def test_the_default_model_has_no_8_bits():
    with pytest.raises(InputError, match="int8 is for checkpoint folders"):
        fewclicks.load(int8=True)
