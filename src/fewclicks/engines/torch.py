"""Execution by torch: checkpoints, on a GPU where there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fewclicks.engines.network import Floats
from fewclicks.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from fewclicks.models.segmenter import ClickNet


@dataclass(frozen=True, slots=True)
class TorchForward:
    """A Forward (see engines/network.py) around a network in eval mode."""

    net: ClickNet
    device: str = "cpu"
    batches: ClassVar = True

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        """image Bx3xHxW in [0, 1], clicks BxNx3, prev Bx1xHxW -> logits Bx1xHxW."""
        import torch

        with torch.inference_mode():
            tensors = (torch.from_numpy(array).to(self.device) for array in (image, clicks, prev))
            logits: Floats = self.net(*tensors).float().cpu().numpy()
            return logits


def load(
    folder: str | os.PathLike[str], device: str = "auto", threads: int | None = None, int8: bool = False
) -> TorchForward:
    """The network of a checkpoint folder. `device`: "auto" (a GPU where there is one), "cpu", "cuda", "mps".

    `int8`: its linear layers in 8 bits, on the CPU; a ViT then takes half of the time.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtra("checkpoint folders need torch; run: pip install 'fewclicks[torch]'") from None
    from fewclicks.checkpoints import checkpoint

    if device == "auto":
        device = "cpu" if int8 else _best_device()
    if int8 and device != "cpu":
        raise InputError(f"int8 is for the CPU, got device='{device}'; leave one of the two out")
    if threads:
        torch.set_num_threads(threads)
    net = checkpoint.load(folder)
    if int8:
        from fewclicks.models.int8 import quantize

        quantize(net)
    try:
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # convolutions like it
        return TorchForward(net, device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use the device '{device}' ({str(error).splitlines()[0]}); try device='cpu'") from None


def _best_device() -> str:
    """A GPU where there is one. Of several processes (LOCAL_RANK, as torchrun sets it) each takes its own."""
    import torch

    if torch.cuda.is_available():
        return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"
