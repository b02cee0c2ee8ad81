"""Heads that say more than a mask: where it is wrong (PseudoClick), and what else may be meant (latent diversity).

Each stands on the head of a backbone, whatever it is, and reads the same feature. It brings the loss that teaches it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError, UnknownName
from fewclicks.models.fpn import ConvBNReLU
from fewclicks.models.prompt import disk_maps
from fewclicks.models.segmenter import Outputs

Loss = Callable[[Tensor, Tensor], Tensor]
"""Bx1xHxW logits and BxHxW truth {1, 0, -1} -> B losses."""

WIDTH = 32
MASKS = 6
"""Candidates of latent diversity."""
CLICK_PX, CLICK_WEIGHT = 5.0, 1.0
"""A candidate is held to the clicks within this radius, and so much of the loss is that."""


def with_extra(name: str, head: nn.Module) -> nn.Module:
    """The head with "errors" (PseudoClick) or "latent" (latent diversity) on it; UnknownName for anything else."""
    kinds = {"errors": ErrorHead, "latent": LatentHead}
    if name not in kinds:
        raise UnknownName(f"no head '{name}'; there are: {', '.join(kinds)}")
    channels = getattr(head, "feature_channels", 0) or getattr(head, "in_channels", 0)
    if not channels:
        raise InputError(
            f"the head '{name}' needs a head below it that gives a feature; take hrnet, context or compact"
        )
    return kinds[name](head, channels)


class _OnHead(nn.Module):
    """A head, and the feature that it reads."""

    def __init__(self, head: nn.Module, channels: int) -> None:
        super().__init__()
        self.head, self.feature_channels = head, channels

    def below(self, x: Tensor) -> tuple[Outputs, Tensor]:
        """Tell what the head says of BxCxhxw, and the feature."""
        out = self.head(x)
        out = out if isinstance(out, Outputs) else Outputs(out)
        return out, x if out.feature is None else out.feature


class ErrorHead(_OnHead):
    """PseudoClick (Liu et al., ECCV 2022): where the object was missed, and where something else was taken for it."""

    def __init__(self, head: nn.Module, channels: int) -> None:
        super().__init__(head, channels)
        self.errors = nn.Sequential(ConvBNReLU(channels + 1, WIDTH), nn.Conv2d(WIDTH, 2, 1))

    def forward(self, x: Tensor) -> Outputs:
        """BxCxhxw -> logits, and `maps` Bx2xhxw: logits of missed (false negative) and of wrong (false positive)."""
        out, feature = self.below(x)
        # The errors are those of this mask: it is read too, and not taught by them.
        errors = self.errors(torch.cat((feature, out.logits.detach().sigmoid()), 1))
        return Outputs(out.logits, out.aux, feature, errors)

    def losses(self, outputs: Outputs, clicks: Tensor, truth: Tensor, loss: Loss) -> Tensor:
        """That of the mask, and of the two maps against its errors -> B."""
        assert outputs.maps is not None
        mask = outputs.logits.detach()[:, 0] > 0
        ignored = truth < 0
        missed = ((truth == 1) & ~mask).to(truth.dtype).masked_fill(ignored, -1)
        wrong = ((truth == 0) & mask).to(truth.dtype).masked_fill(ignored, -1)
        total = loss(outputs.logits, truth)
        for i, error in enumerate((missed, wrong)):
            total = total + loss(outputs.maps[:, i : i + 1], error)
        return total


class LatentHead(_OnHead):
    """Latent diversity (Li et al., CVPR 2018): six masks that differ, and a selector that says which one is meant."""

    def __init__(self, head: nn.Module, channels: int) -> None:
        super().__init__(head, channels)
        self.candidates = nn.Sequential(ConvBNReLU(channels, WIDTH), nn.Conv2d(WIDTH, MASKS, 1))
        self.look = nn.Sequential(ConvBNReLU(channels + MASKS, WIDTH), ConvBNReLU(WIDTH, WIDTH))
        self.choose = nn.Linear(2 * WIDTH, MASKS)

    def forward(self, x: Tensor) -> Outputs:
        """BxCxhxw -> the chosen logits, `maps` Bx6xhxw of all candidates, and `scores` Bx6 of the selector."""
        out, feature = self.below(x)
        masks = out.logits + self.candidates(feature)  # each is the head's mask and what is its own
        looked = self.look(torch.cat((feature, masks.sigmoid()), 1).detach())
        scores = self.choose(torch.cat((looked.mean((2, 3)), looked.amax((2, 3))), 1))
        best = scores.argmax(1).view(-1, 1, 1, 1).expand(-1, 1, *masks.shape[-2:])
        return Outputs(masks.gather(1, best), out.aux, feature, masks, scores)

    def losses(self, outputs: Outputs, clicks: Tensor, truth: Tensor, loss: Loss) -> Tensor:
        """Hindsight: the best candidate counts, others ever less; all keep to the clicks; the selector learns -> B."""
        assert outputs.maps is not None
        assert outputs.scores is not None
        each = torch.stack([loss(outputs.maps[:, i : i + 1], truth) for i in range(MASKS)], 1)  # BxM
        ordered = each.sort(1).values
        weights = 2.0 ** -torch.arange(MASKS, device=each.device, dtype=each.dtype)
        total = (ordered * weights).sum(1)
        # A soft constraint: near each click every candidate says what the user said.
        said = disk_maps(clicks, (truth.shape[1], truth.shape[2]), CLICK_PX)
        probs = outputs.maps.float().sigmoid()
        astray = said[:, :1] * (1 - probs).square() + said[:, 1:] * probs.square()
        total = total + CLICK_WEIGHT * astray.sum((1, 2, 3)) / (MASKS * said.sum((1, 2, 3)).clamp(min=1))
        return total + F.cross_entropy(outputs.scores.float(), each.detach().argmin(1), reduction="none")
