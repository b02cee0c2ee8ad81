"""An exported .onnx file as a network that can be trained on: what `fewclicks export-onnx` did, backwards.

The exporter keeps the names of the weights but folds each BatchNorm into the convolution before it. Evaluated, the
network is the same with a BatchNorm that does nothing (`read`); to train on it needs the statistics of what runs
through it, which `settle` measures on photos and takes out of the convolution again, so that the network still answers
the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from fewclicks.checkpoints import checkpoint
from fewclicks.errors import CheckpointError, MissingExtra
from fewclicks.models.segmenter import Segmenter, build_segmenter
from fewclicks.training.export import whole
from fewclicks.training.objectives import Batch
from fewclicks.training.recipe import Recipe


def read(path: str | Path) -> tuple[Recipe, Segmenter]:
    """The recipe that an exported file tells of, and its network in eval mode, whose logits are those of the file.

    CheckpointError for a file that is damaged, in 8 bits, or of a network whose weights do not all stand in it.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtra(f"reading {path} needs {error.name}; run: pip install 'fewclicks[train]'") from None
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"no weight file {file}; pass an .onnx file that `fewclicks export-onnx` wrote")
    try:
        model = onnx.load_model_from_string(file.read_bytes())
    except Exception as error:  # protobuf's own, whose module differs between its versions
        raise CheckpointError(f"{file} is no ONNX network ({error}); copy the file again") from None
    about = {entry.key: entry.value for entry in model.metadata_props}
    try:
        recipe = Recipe.from_json(about["recipe"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{file} does not tell which network it holds ({error}); train on from its checkpoint folder"
        ) from None
    whole(model)
    found = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in model.graph.initializer}
    for node in model.graph.node:  # of tensors that are equal the exporter keeps one
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] in found:
            found.setdefault(node.input[1].removesuffix("weight") + "bias", found[node.input[2]])
    net = build_segmenter(recipe.backbone, recipe.size, radius_px=recipe.radius_px)
    tensors = {name: found[name] for name in net.state_dict() if name in found}
    for place, _, norm in folded(net):
        tensors |= undone(norm, f"{place}.1", found.get(f"{place}.0.weight_bias"))
    checkpoint.fill(net, tensors, f"{file}, which may be in 8 bits,")
    return recipe, net.eval()


def folded(net: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """The convolutions with the BatchNorm that follows them, and the name of the nn.Sequential that both begin."""
    for name, module in net.named_modules():
        match list(module) if isinstance(module, nn.Sequential) else []:
            case [nn.Conv2d() as conv, nn.BatchNorm2d() as norm, *_]:
                yield name, conv, norm


def undone(norm: nn.BatchNorm2d, place: str, bias: Tensor | None) -> dict[str, Tensor]:
    """The tensors of a BatchNorm that only adds a bias; none where the file has no such bias."""
    if bias is None:
        return {}
    ones = torch.ones_like(bias)
    return {
        f"{place}.weight": ones,
        f"{place}.bias": bias,
        f"{place}.running_mean": torch.zeros_like(bias),
        f"{place}.running_var": ones - norm.eps,
        f"{place}.num_batches_tracked": torch.tensor(0),
    }


@torch.no_grad()
def settle(net: Segmenter, batches: Iterable[Batch]) -> None:
    """Give each BatchNorm of a network that `read` returned the mean and the variance of what reaches it.

    The convolutions before them get weights of the size of fresh ones, since what the exporter multiplied into them
    says nothing of how far a step of Adam may move them. What the network answers in eval mode stays as it is.
    """
    sums = {id(conv): torch.zeros(3, conv.out_channels, dtype=torch.float64) for _, conv, _ in folded(net)}

    def add(conv: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        flat = out.double().transpose(0, 1).flatten(1)
        sums[id(conv)] += torch.stack((torch.full((len(flat),), flat.shape[1]), flat.sum(1), flat.square().sum(1)))

    with ExitStack() as stack:
        for _, conv, _ in folded(net):
            stack.enter_context(conv.register_forward_hook(add))
        for batch in (one.to(net.mean.device) for one in batches):
            prev = torch.zeros_like(batch.image[:, :1]) if batch.prev is None else batch.prev
            net.eval()(batch.image, batch.clicks, prev)
    for _, conv, norm in folded(net):
        count, total, squares = sums[id(conv)]
        mean, var = total / count, (squares / count - (total / count) ** 2).clamp(min=0)
        fresh = 1 / math.sqrt(3 * conv.weight[0].numel())  # PyTorch's own initialisation
        scale = fresh / conv.weight.double().flatten(1).square().mean(1).sqrt().clamp(min=1e-12)
        conv.weight.mul_(scale.to(conv.weight).view(-1, 1, 1, 1))
        norm.running_mean.copy_(mean * scale)  # type: ignore[union-attr]
        norm.running_var.copy_(var * scale**2)  # type: ignore[union-attr]
        norm.weight.copy_((var * scale**2 + norm.eps).sqrt() / scale)
        norm.bias.add_(mean.to(norm.bias))
