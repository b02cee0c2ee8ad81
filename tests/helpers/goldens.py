"""The weights and inputs of the golden runs, and how their numbers are compared."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fakes import shared
from fewclicks.checkpoints import checkpoint
from fewclicks.models.key_maps import RENAMES, ours, published
from fewclicks.models.networks import build_network
from fewclicks.models.segmenter import Segmenter, build_segmenter
from fewclicks.plugins import find
from fewclicks.predictor import Predictor


def drawn(key: str, value: torch.Tensor) -> torch.Tensor:
    """The weight of the golden runs for a published key: drawn from its name and shape."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros_like(value)
    draw = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(value.numel()).astype(np.float32)
    if key.endswith("running_var"):
        draw = 1 + np.float32(0.1) * abs(draw)
    elif key.endswith("running_mean"):
        draw *= np.float32(0.05)
    elif key.endswith(("pos_embed", "cls_token")):
        draw *= np.float32(0.02)
    elif value.ndim > 1:
        draw /= np.float32(np.sqrt(value[0].numel()))
    else:
        draw = 1 + np.float32(0.05) * draw if key.endswith("weight") else np.float32(0.02) * draw
    return torch.from_numpy(draw).view_as(value)


def golden_net(family: str, **network: Any) -> Segmenter:
    """The Segmenter of a family in nets/names.py with the weights of the golden runs."""
    net = build_segmenter(**network)
    net.load_state_dict({key: drawn(published(key, RENAMES[family]), v) for key, v in net.state_dict().items()})
    return net.eval()


def small_weights(method: str, folder: Path) -> Path:
    """A checkpoint folder with the small network that a method names, its weights drawn from a seed."""
    small = find("methods", method).SMALL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build_network(small)
    checkpoint.save(folder, {checkpoint.WEIGHTS: net.state_dict()}, {"network": small, "method": method})
    return folder


def small_predictor(method: str, folder: Path) -> Predictor:
    """The method on the small network that it names; `folder` is where its weights are written."""
    module = find("methods", method)
    options = {key: 64 for key in ("zoom", "side_px") if getattr(module.chosen(), key, 0)}
    return module.build(weights=small_weights(method, folder), device="cpu", threads=1, **options)


def golden_inputs(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, clicks and previous mask, one of each."""
    rows, cols = np.mgrid[:height, :width]
    image = np.stack([0.5 + 0.5 * np.sin(0.07 * rows + 0.05 * cols + c) for c in range(3)])
    prev = 0.8 * ((rows - height / 2) ** 2 + (cols - width / 2) ** 2 < (min(height, width) / 4) ** 2)
    clicks = [[width // 2, height // 2, 1], [-1, -1, -1], [12, 10, 0], [width - 15, height - 9, 0]]
    return (
        torch.from_numpy(image).float()[None],
        torch.tensor(clicks, dtype=torch.float32)[None],
        torch.from_numpy(prev).float()[None, None],
    )


def check_summary(values: torch.Tensor, wanted: dict[str, Any], atol: float = 2e-5) -> None:
    """1x1xHxW against shape, mean, std and the grid at {0, n/4, n/2, 3n/4, n-1}."""
    height, width = values.shape[-2:]
    assert [height, width] == wanted["shape"]
    rows, cols = ([0, n // 4, n // 2, 3 * n // 4, n - 1] for n in (height, width))
    summary = values[0, 0].numpy()
    np.testing.assert_allclose(summary.mean(), wanted["mean"], rtol=0, atol=atol)
    np.testing.assert_allclose(summary.std(ddof=1), wanted["std"], rtol=0, atol=atol)
    np.testing.assert_allclose(summary[np.ix_(rows, cols)], wanted["grid"], rtol=0, atol=2 * atol)


def published_shapes(model: str) -> dict[str, tuple[str, str]]:
    """{name: (shape, type)} of a published checkpoint."""
    lines = shared("golden", "keys", f"{model}.txt").read_text().splitlines()
    return {key: (shape, kind) for key, shape, kind in (line.split("\t") for line in lines if line[0] != "#")}


def own_shapes(net: Segmenter, family: str) -> dict[str, tuple[str, str]]:
    """{published name: (shape, type)} of a Segmenter."""
    return {
        published(key, RENAMES[family]): (str(tuple(value.shape)), str(value.dtype).removeprefix("torch."))
        for key, value in net.state_dict().items()
    }


def check_names(model: str, family: str, network: dict[str, Any]) -> None:
    """The names, shapes and types of a network are those of a published checkpoint, and the way back leads back."""
    wanted = published_shapes(model)
    with torch.device("meta"):
        net = build_segmenter(**network)
    assert own_shapes(net, family) == wanted
    assert {ours(key, RENAMES[family]) for key in wanted} == net.state_dict().keys()
