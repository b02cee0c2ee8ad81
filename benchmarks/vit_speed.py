"""One click of SimpleClick ViT-B at 448x448: our network, its 8-bit form, and the plain formulation, in turn.

The plain formulation is the reference: the whole attention matrix by matmul, softmax and matmul; windows cut out and
joined again around each block; every 1x1 convolution after its upsampling; nothing kept from click to click.

    python benchmarks/vit_speed.py --threads 2 --json results/vit_speed.json
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fewclicks.files.replace import write_text
from fewclicks.models.int8 import quantize
from fewclicks.models.segmenter import Segmenter, build_segmenter

SIDE, WINDOW = 448, 14


def plain(net: Segmenter, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
    """The reference: image 1x3x448x448, clicks 1xNx3, prev 1x1x448x448 -> logits 1x1x448x448."""
    vit: Any = net.backbone
    x = vit.patch_embed((image - net.mean) / net.std) + net.patch_embed_coords(net.prompt(clicks, prev))
    grid = x.shape[-1]
    x = x.flatten(2).transpose(1, 2) + vit.pos_embed[:, 1:]
    for i, block in enumerate(vit.blocks, 1):
        whole = i % vit.size.global_every == 0
        x = x if whole else cut(x, grid)
        x = x + attend(block.attn, block.norm1(x))
        x = x + block.mlp(block.norm2(x))
        x = x if whole else join(x, grid)
    levels = net.neck([x.transpose(1, 2).reshape(1, -1, grid, grid)])
    return F.interpolate(head(net.head, levels), (SIDE, SIDE), mode="bilinear", align_corners=True)


def attend(attention: Any, x: Tensor) -> Tensor:
    """Attention with the whole matrix in memory."""
    batch, count, dim = x.shape
    query, key, value = attention.qkv(x).reshape(batch, count, 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
    matrix = (query @ key.transpose(-2, -1) * (dim // attention.heads) ** -0.5).softmax(-1)
    mixed: Tensor = attention.proj((matrix @ value).transpose(1, 2).reshape(batch, count, dim))
    return mixed


def cut(x: Tensor, grid: int) -> Tensor:
    """Tokens in rows -> tokens of each window, windows in the batch."""
    n = grid // WINDOW
    return x.reshape(n, WINDOW, n, WINDOW, -1).permute(0, 2, 1, 3, 4).reshape(n * n, WINDOW * WINDOW, -1)


def join(x: Tensor, grid: int) -> Tensor:
    """The inverse of `cut`."""
    n = grid // WINDOW
    return x.reshape(n, n, WINDOW, WINDOW, -1).permute(0, 2, 1, 3, 4).reshape(1, grid * grid, -1)


def head(module: Any, levels: list[Tensor]) -> Tensor:
    """Every scale enlarged first, then joined and fused."""
    features = [conv(level) for conv, level in zip(module.convs, levels, strict=True)]
    size = features[0].shape[-2:]
    features = [F.interpolate(f, size, mode="bilinear", align_corners=False) for f in features]
    logits: Tensor = module.conv_seg(module.fusion_conv(torch.cat(features, 1)))
    return logits


def products(net: Segmenter) -> list[Callable[[], Any]]:
    """The matrix products of one forward alone, on random numbers: what no formulation can do without."""
    shapes: dict[tuple[int, int, int], int] = {}

    def note(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, torch.nn.Linear):
            shape = (inputs[0].numel() // module.in_features, module.in_features, module.out_features)
        else:
            taps = module.weight.numel() // (module.in_channels * module.out_channels)
            up = isinstance(module, torch.nn.ConvTranspose2d)  # each input makes `taps` outputs
            spots = (inputs[0] if up else output)[0, 0].numel()
            inner, outer = (1, taps) if up else (taps, 1)
            shape = (spots, module.in_channels * inner, module.out_channels * outer)
        shapes[shape] = shapes.get(shape, 0) + 1

    kinds = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kinds)]
    net(*inputs())
    for hook in hooks:
        hook.remove()
    made = []
    for (rows, inner, columns), count in shapes.items():
        a, b = torch.randn(rows, inner), torch.randn(columns, inner)
        made += [lambda a=a, b=b: F.linear(a, b)] * count
    vit: Any = net.backbone
    heads, dim, tokens = vit.size.heads, vit.size.dim // vit.size.heads, (SIDE // vit.size.patch_px) ** 2
    for i in range(1, vit.size.depth + 1):
        groups = 1 if i % vit.size.global_every == 0 else 4
        q = torch.randn(groups * heads, tokens // groups, dim)
        matrix = torch.randn(groups * heads, tokens // groups, tokens // groups)
        made += [lambda q=q: q @ q.transpose(1, 2), lambda q=q, matrix=matrix: matrix @ q]
    return made


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """A photo-like image, one click, an empty mask."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    image = torch.stack([0.5 + 0.5 * torch.sin(0.07 * rows + 0.05 * columns + c) for c in range(3)])[None]
    return image, torch.tensor([[[224.0, 200.0, 1.0]]]), torch.zeros(1, 1, SIDE, SIDE)


def fastest(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The shortest time of each, in milliseconds; they run in turn, so that all see the same machine."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return best


@torch.inference_mode()
def measure(threads: int, rounds: int) -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    naive = build_segmenter("vit", "base").eval()
    net = copy.deepcopy(naive).to(memory_format=torch.channels_last)  # as engines/torch.py loads it
    small = quantize(copy.deepcopy(net))
    arguments, gemms = inputs(), products(net)
    reference, ours, eight = plain(naive, *arguments), net(*arguments), small(*arguments)
    times = fastest(
        {
            "plain": lambda: plain(naive, *arguments),
            "ours": lambda: net(*arguments),
            "int8": lambda: small(*arguments),
            "products": lambda: [gemm() for gemm in gemms],
        },
        rounds,
    )
    return {
        "command": f"python benchmarks/vit_speed.py --threads {threads}",
        "network": "SimpleClick ViT-B, 448x448, one click, batch 1",
        "torch": torch.__version__.split("+")[0],
        "machine": f"{platform.machine()}, {threads} threads",
        "milliseconds": {name: round(value, 1) for name, value in times.items()},
        "ours_over_plain": round(times["ours"] / times["plain"], 3),
        "int8_over_plain": round(times["int8"] / times["plain"], 3),
        "products_over_plain": round(times["products"] / times["plain"], 3),
        "share_of_gemm_limit": round(times["products"] / times["ours"], 3),
        "largest_logit_difference": float(f"{(ours - reference).abs().max():.2g}"),
        "logit_spread": float(f"{reference.std():.3g}"),
        "int8_logit_correlation": round(float(torch.corrcoef(torch.stack((eight, reference)).flatten(1))[0, 1]), 5),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.threads, options.rounds)
    text = json.dumps(figures, indent=1)
    print(text)
    if options.json:
        write_text(options.json, text + "\n")
