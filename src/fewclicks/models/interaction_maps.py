"""BRS (Jang & Kim, CVPR 2019): the maps of clicks are changed until the network's mask agrees with every click."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor
from fewclicks.models.brs import cut
from fewclicks.models.segmenter import Segmenter
from fewclicks.types import Image, Prob

REGULARIZED = 1e-3
"""Weight of the squared change of the maps."""
MEMORY, GRADIENT = 20, 1e-9
"""Steps that L-BFGS remembers, and the gradient below which it stops."""
WRONG = 0.5
"""An error of a click's pixel from which the click is not met."""

ProbOf = Callable[[Tensor], Tensor]
"""Of what is added to the maps -> prob HxW."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Holds what the network says of a view."""

    prob: Prob
    """HxW."""
    change: NDArray[np.float16] | None
    """2xHxW: what was added to the maps, and is added again at the next click; None: nothing."""


def answer(
    net: Segmenter, photo: Image, clicks: NDArray[np.float32], change: NDArray[np.float16] | None, iterations: int
) -> Answer:
    """Photo HxWx3, clicks Nx3 (x, y, label), change of the maps so far -> prob HxW, and the change from here on.

    With `iterations` the change is searched for, by at most so many of L-BFGS; with 0 it is taken as it is.
    """
    device = net.mean.device
    prev = np.zeros(photo.shape[:2], np.float32)
    points = clicks_tensor(clicks, device)
    with torch.no_grad():
        inputs = net.inputs(image_tensor(photo, device), points, map_tensor(prev, device))
        rest = cut(net, "distmap", *inputs, points)
    hw = (photo.shape[0], photo.shape[1])
    start = torch.zeros_like(rest.x)
    if change is not None:
        start[0, :, : hw[0], : hw[1]] = torch.from_numpy(change.astype(np.float32))

    def prob_of(variables: Tensor) -> Tensor:
        return net.enlarged(rest.after(rest.x + variables), hw).sigmoid()[0, 0]

    if not iterations:
        with torch.inference_mode():
            return Answer(prob_of(start).cpu().numpy(), change)
    found, prob = _search(prob_of, start, clicks, hw, iterations)
    return Answer(prob, found[0, :, : hw[0], : hw[1]].cpu().numpy().astype(np.float16))


def _search(
    prob_of: ProbOf,
    start: Tensor,
    clicks: NDArray[np.float32],
    hw: tuple[int, int],
    iterations: int,
) -> tuple[Tensor, Prob]:
    """L-BFGS from `start` -> the variables of the least loss, and the prob that they give."""
    rows = torch.from_numpy(np.rint(clicks[:, 1]).astype(np.int64)).clamp(0, hw[0] - 1).to(start.device)
    columns = torch.from_numpy(np.rint(clicks[:, 0]).astype(np.int64)).clamp(0, hw[1] - 1).to(start.device)
    wanted = torch.from_numpy(clicks[:, 2]).to(start.device)
    variables = start.clone().requires_grad_()
    solver = torch.optim.LBFGS(
        [variables], max_iter=iterations, max_eval=2 * iterations, history_size=MEMORY, tolerance_grad=GRADIENT,
        tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    least, best, best_prob = float("inf"), start, np.zeros(hw, np.float32)

    def evaluate() -> Tensor:
        nonlocal least, best, best_prob
        with torch.enable_grad():
            prob = prob_of(variables)
            errors = prob[rows, columns] - wanted
            loss = errors.square().sum() + REGULARIZED * (variables - start).square().sum()
        if float(loss.detach()) < least:
            least, best = float(loss.detach()), variables.detach().clone()
            best_prob = prob.detach().cpu().numpy()
        if float(errors.detach().abs().max()) < WRONG:
            raise _Met
        (variables.grad,) = torch.autograd.grad(loss, [variables])
        return loss.detach()

    with suppress(_Met):
        solver.step(evaluate)  # type: ignore[no-untyped-call]
    return best, best_prob


class _Met(Exception):
    """Every click is met."""
