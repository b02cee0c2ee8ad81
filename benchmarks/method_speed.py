"""What f-BRS, SAM, EMC-Click and SegNext save, beside plain formulations of them that are kept here as references.

    python benchmarks/method_speed.py PHOTO [--only fbrs] [--json FILE]

Random weights, one thread, seconds of CPU time, so that other work on the machine counts for little:

fbrs      a click of f-BRS-B on DeepLabV3+ ResNet-34, against one that computes the backbone anew in each evaluation and
          keeps its variables as float64 in NumPy, for scipy's L-BFGS-B
sam       SAM ViT-B's embedding of a photo, against attention whose products and biases are whole matrices
later     a later click of EMC-Click, SAM and SegNext, against the first one with the start before it
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

import fewclicks
from fewclicks.checkpoints import checkpoint
from fewclicks.clicks import Click, Clicks
from fewclicks.images import read_image
from fewclicks.models.brs import EVALUATIONS, GRADIENT, MEMORY, Found, Refinement, Search
from fewclicks.models.networks import build_network
from fewclicks.models.sam import SAM
from fewclicks.models.vit_relative import RelativeAttention, RelativeBlock
from fewclicks.types import Image

FBRS = {"backbone": "resnet", "size": "34", "maps": "tanh", "radius_px": 260.0, "with_prev": False, "fusion": "input"}
LATER = {
    "EMC-Click HRNet18s": {"net": "emcclick", "backbone": "hrnet", "size": "18s"},
    "EMC-Click SegFormer-B0": {"net": "emcclick", "backbone": "segformer", "size": "b0"},
    "SAM ViT-B": {"net": "sam", "size": "b"},
    "SegNext ViT-B": {"net": "segnext", "size": "base_sa1"},
}
CLICKS = 5
ROUNDS, LONG_S = 12, 12.0
"""So many times the clicks are made, or until they have taken so long."""


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def seeded(network: dict[str, Any]) -> Any:
    """A network with weights drawn from a seed, for inference."""
    torch.manual_seed(0)
    return build_network(network).eval().requires_grad_(False)


class PlainRefinement(Refinement):
    """f-BRS as it is written down: every evaluation computes the whole network; NumPy keeps the variables."""

    def answer(self, photo: Any, clicks: Any, prev: Any, variables: Any = None, rest: Any = None) -> Found:
        """As Refinement, variables float64."""
        with torch.no_grad():
            rest = self.computed(photo, clicks, prev)
        shape = (2, rest.x.shape[1], 1, 1)
        start = np.zeros(shape) if variables is None else variables
        search = Search(self, rest, clicks, photo.shape[:2], torch.zeros(shape))

        def evaluate(values: Any) -> tuple[float, Any]:
            search.variables = torch.from_numpy(values.reshape(shape)).float().requires_grad_()
            with torch.no_grad():
                search.rest = self.computed(photo, clicks, prev)
            with torch.enable_grad():
                loss = search.loss()
            if search.enough():
                return float(loss.detach()), np.zeros(values.size)
            (gradient,) = torch.autograd.grad(loss, [search.variables])
            return float(loss.detach()), gradient.double().numpy().ravel()

        found, _, _ = fmin_l_bfgs_b(
            evaluate, start.ravel(), m=MEMORY, factr=0, pgtol=GRADIENT, maxfun=EVALUATIONS, maxiter=2 * EVALUATIONS
        )
        return Found(search.best.mean(0)[0].numpy(), found.reshape(shape), None, search.evaluations)


def of_fbrs(photo: Image) -> dict[str, Any]:
    """CPU seconds a click, from the second on, of both, and the evaluations that they took."""
    small = np.ascontiguousarray(photo[:256, :400])
    points = np.array([[200, 120, 1], [20, 20, 0], [300, 200, 1], [380, 240, 0], [150, 80, 1]], np.float32)
    prev = np.zeros(small.shape[:2], np.float32)
    net, told = seeded(FBRS), {}
    for name, kind in (("ours", Refinement), ("plain", PlainRefinement)):
        how, variables, spent, evaluations = kind(net, flip=True, same_iou=2.0), None, [], []
        for count in range(1, CLICKS + 1):
            begin = time.process_time()
            found = how.answer(small, points[:count], prev, variables)
            spent.append(time.process_time() - begin)
            variables = found.variables
            evaluations.append(found.evaluations)
        told[name] = {"s_per_click": round(statistics.median(spent[1:]), 3), "evaluations": evaluations[1:]}
    return told | {"ratio": round(told["ours"]["s_per_click"] / told["plain"]["s_per_click"], 3)}


def plain_mix(attention: RelativeAttention, qkv: Tensor) -> Tensor:
    """Attention as it is written down, with all products and all biases at once."""
    batch, side, heads = len(qkv), attention.side, attention.heads
    query, key, value = qkv.reshape(batch, side * side, 3, heads, -1).permute(2, 0, 3, 1, 4)
    offset = torch.arange(side)
    offset = offset[:, None] - offset[None] + side - 1
    grid = query.reshape(batch, heads, side, side, -1)
    by_row = torch.einsum("bnhwd,hkd->bnhwk", grid, attention.rel_pos_h[offset])
    by_col = torch.einsum("bnhwd,wkd->bnhwk", grid, attention.rel_pos_w[offset])
    products = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    products = products.view(batch, heads, side, side, side, side)
    products = products + by_row[..., :, None] + by_col[..., None, :]
    mixed = products.view(batch, heads, side**2, side**2).softmax(-1) @ value
    return mixed.transpose(1, 2).reshape(batch, side, side, -1)


def plain_block(block: RelativeBlock, x: Tensor) -> Tensor:
    """A block as it is written down: windows are padded before the first linear layer, and cut after the second."""
    _, height, width, dim = x.shape
    y = block.norm1(x)
    if not block.window:
        y = block.attn.proj(plain_mix(block.attn, block.attn.qkv(y)))
    else:
        side = block.window
        y = F.pad(y, (0, 0, 0, -width % side, 0, -height % side))
        rows, cols = y.shape[1] // side, y.shape[2] // side
        windows = y.view(-1, rows, side, cols, side, dim).transpose(2, 3).reshape(-1, side, side, dim)
        windows = block.attn.proj(plain_mix(block.attn, block.attn.qkv(windows)))
        y = windows.view(-1, rows, cols, side, side, dim).transpose(2, 3).reshape(-1, rows * side, cols * side, dim)
        y = y[:, :height, :width]
    x = x + y
    mixed: Tensor = x + block.mlp(block.norm2(x))
    return mixed


def of_sam() -> dict[str, Any]:
    """CPU seconds of the image encoder, and how far both results are from each other."""
    net: SAM = seeded({"net": "sam", "size": "b"})
    for name, weight in net.image_encoder.named_parameters():
        if "rel_pos" in name:
            torch.nn.init.normal_(weight, std=0.2)
    image, results, spent = torch.rand(1, 3, 1024, 1024), {}, {}

    def plain() -> Tensor:
        x = net.image_encoder.patch_embed(image) + net.image_encoder.pos_embed
        for block in net.image_encoder.blocks:
            x = plain_block(block, x)  # type: ignore[arg-type]
        embedding: Tensor = net.image_encoder.neck(x.permute(0, 3, 1, 2))
        return embedding

    with torch.inference_mode():
        for name, run in (("ours", lambda: net.image_encoder(image)), ("plain", plain)):
            spent[name] = min(seconds(lambda: results.__setitem__(name, run())) for _ in range(2))  # noqa: B023
    apart = float((results["ours"] - results["plain"]).abs().max())
    return {
        **{key: round(value, 2) for key, value in spent.items()},
        "ratio": round(spent["ours"] / spent["plain"], 3), "largest_difference": apart,
    }  # fmt: skip


def of_later(photo: Image) -> dict[str, Any]:
    """CPU seconds of the start with the first click, and of later clicks: the least of several rounds.

    Other work on the machine makes rounds longer, never shorter. In the first one memory is fetched, and what torch
    prepares is prepared; it does not count.
    """
    told = {}
    height, width = photo.shape[:2]
    clicks = Clicks(tuple(Click(width * (0.3 + 0.1 * i), height * 0.5, i % 3 != 2) for i in range(CLICKS)))
    for title, network in LATER.items():
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(folder, {checkpoint.WEIGHTS: seeded(network).state_dict()}, {"network": network})
            predictor = fewclicks.load(network["net"], weights=folder, device="cpu", threads=1)
        rounds = list[list[float]]()
        while len(rounds) < 2 or (len(rounds) < ROUNDS and sum(map(sum, rounds)) < LONG_S):
            state, spent = None, []
            for count in range(1, CLICKS + 1):
                begin = time.process_time()
                state = predictor.step(state or predictor.start(photo), Clicks(clicks.items[:count]))
                spent.append(time.process_time() - begin)
            rounds.append(spent)
        first, each = min(one[0] for one in rounds[1:]), min(min(one[1:]) for one in rounds[1:])
        told[title] = {"first_s": round(first, 3), "later_s": round(each, 3), "ratio": round(each / first, 3)}
    return told


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--only", choices=("fbrs", "sam", "later"), nargs="*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    photo = read_image(options.photo)
    runs = {"fbrs": lambda: of_fbrs(photo), "sam": of_sam, "later": lambda: of_later(photo)}
    told: dict[str, Any] = {}
    if options.json and options.json.is_file():  # the other parts stay
        told = json.loads(options.json.read_text("utf-8"))
    for name, run in runs.items():
        if not options.only or name in options.only:
            told[name] = run()
            told.setdefault("load_average", {})[name] = round(os.getloadavg()[0], 1)
    print(json.dumps(told, indent=1))
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
