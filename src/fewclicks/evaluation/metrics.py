"""How good a mask is, and how many clicks it took. Pixels whose truth is -1 count nowhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError, UnknownName
from fewclicks.plugins import is_own, own_part
from fewclicks.types import Mask, Truth

THRESHOLDS = (0.80, 0.85, 0.90, 0.95)
"""The IoU levels of NoC@80 ... NoC@95."""

DROP = 0.05
"""A click that lowers the IoU by more than this has done harm."""


class Metric(Protocol):
    """A measure of your own: HxW mask and HxW truth -> a number, or NaN where it means nothing."""

    def __call__(self, mask: Mask, truth: Truth) -> float: ...


def metric_named(name: str) -> Metric:
    """Return a metric of your own: "my_lab.metrics:dice" is a function of a module, "my_lab.metrics" its `metric`.

    The module is imported, so a name must be the user's own words. UnknownName if there is none; InputError at once
    where it does not give a number.
    """
    if not is_own(name):
        raise UnknownName(
            f"no metric named '{name}'; name one of your own, my_lab.metrics:dice. The IoU is measured anyway, the "
            "boundary IoU with --boundary-iou"
        )
    metric: Metric = own_part(name, "metric", ("mask", "truth"))
    truth = np.zeros((64, 64), np.int8)
    truth[16:40, 16:40] = 1
    truth[:, -2:] = -1
    mask = np.zeros((64, 64), bool)
    mask[20:44, 20:44] = True
    _ = value_of(name, metric, mask, truth, "a square of 24x24 pixels")
    return metric


def value_of(name: str, metric: Metric, mask: Mask, truth: Truth, where: str) -> float:
    """Apply a metric of the user's own. InputError, which names it, where it fails or gives no number."""
    try:
        value = metric(mask, truth)
        number = float(value)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise InputError(f"the metric {name} failed on {where} ({reason}); mend it: mask, truth -> a number") from error
    if math.isinf(number):
        raise InputError(f"the metric {name} gives {number} on {where}; give a finite number, or NaN where it has none")
    return number


def iou(mask: Mask, truth: Truth) -> float:
    """Intersection over union of HxW mask and HxW truth; NaN when the union is empty, as in the peers' scripts."""
    _require_same_size(mask, truth)
    wanted = truth == 1
    intersection = np.count_nonzero(mask & wanted)
    union = np.count_nonzero(wanted) + np.count_nonzero(mask & (truth == 0))
    return intersection / union if union else float("nan")


def boundary_iou(mask: Mask, truth: Truth, dilation_ratio: float = 0.02) -> float:
    """IoU of the two bands inside the contours (Cheng et al., "Boundary IoU", CVPR 2021, Eq. 2).

    The bands are `dilation_ratio` of the image diagonal wide, at least one pixel. NaN when both are empty.
    """
    _require_same_size(mask, truth)
    wanted = truth == 1
    width_px = max(1, round(dilation_ratio * float(np.hypot(*truth.shape))))
    counted = truth != -1
    band, wanted_band = _band(mask, width_px) & counted, _band(wanted, width_px) & counted
    union = np.count_nonzero(band | wanted_band)
    return np.count_nonzero(band & wanted_band) / union if union else float("nan")


def reached(curve: Sequence[float], threshold: float, max_clicks: int = 20) -> bool:
    """Tell whether the IoU ever came to the threshold within `max_clicks`. `curve[i]` is the IoU after click i + 1."""
    return any(value >= threshold for value in curve[:max_clicks])


def noc(curve: Sequence[float], threshold: float, max_clicks: int = 20) -> int:
    """Number of clicks until the IoU first came to the threshold; `max_clicks` when it never did."""
    hits = (i for i, value in enumerate(curve[:max_clicks], start=1) if value >= threshold)
    return next(hits, max_clicks)


@dataclass(frozen=True, slots=True)
class ClickEffect:
    """Holds what the clicks after the first did to the IoU, an entry per click number: the first is of click 2."""

    clicks: tuple[int, ...]
    """How many objects took this click: those that were finished before are not in it."""
    mean_change: tuple[float, ...]
    """Mean change of their IoU by it."""
    lowered: tuple[int, ...]
    """How many of them it cost more than `DROP`."""

    @property
    def worst_mean_change(self) -> float:
        """The least of the mean changes; 0 when no object took a second click."""
        return min(self.mean_change, default=0.0)

    @property
    def share_lowered(self) -> float:
        """The share of all clicks after the first that cost more than `DROP`; 0 when there was none."""
        return sum(self.lowered) / sum(self.clicks) if self.clicks else 0.0


def click_effect(curves: Sequence[Sequence[float]]) -> ClickEffect:
    """The effect of each click after the first on the IoU. `curves[o][i]` is the IoU of object o after click i + 1."""
    most = max((len(curve) for curve in curves), default=0)
    changes = [[curve[i] - curve[i - 1] for curve in curves if len(curve) > i] for i in range(1, most)]
    return ClickEffect(
        tuple(len(one) for one in changes),
        tuple(fmean(one) for one in changes),
        tuple(len([change for change in one if change < -DROP]) for one in changes),
    )


def interval(
    values: Sequence[float], groups: Sequence[str] | None = None, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Bound the mean by its 95 % percentile bootstrap interval (Efron, "Bootstrap Methods", Ann. Stat. 1979).

    Values are drawn anew, with replacement, `resamples` times. Those of one group are not independent (the frames of a
    video, the objects of a photo), so whole groups are drawn (cluster bootstrap: Field and Welsh, JRSS B 2007); a value
    whose group is "" stands alone. InputError when there are no values.
    """
    low, high = np.quantile(resampled_means(values, groups, resamples, seed), (0.025, 0.975))
    return float(low), float(high)


def resampled_means(
    values: Sequence[float], groups: Sequence[str] | None = None, resamples: int = 10_000, seed: int = 0
) -> NDArray[np.float64]:
    """Return the mean of each bootstrap resample, as `interval` draws them."""
    if len(values) == 0:
        raise InputError("an interval needs at least one value; measure an object first")
    rng = np.random.default_rng(seed)
    # How often each of the distinct clusters is drawn is multinomial: the clusters themselves need not be drawn.
    distinct, counts = np.unique(_clusters(values, groups), axis=0, return_counts=True)
    clusters = int(counts.sum())
    block = max(1, 2**22 // len(distinct))  # bounds the memory
    means = []
    for begin in range(0, resamples, block):
        drawn = rng.multinomial(clusters, counts / clusters, size=min(block, resamples - begin)) @ distinct
        means.append(drawn[:, 0] / drawn[:, 1])
    return np.concatenate(means)


def interval_over_runs(
    runs: Sequence[Sequence[float]], groups: Sequence[str] | None = None, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Bound the mean of several trainings' values of the same objects: `runs[r][o]`, 95 %.

    Both are drawn anew, independently: which runs, and which groups of objects (see `interval`); the value of a run on
    an object counts as often as both were drawn (Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 2007, which shows
    that it is not too narrow). For a comparison, pass the changes of each run. InputError when the runs differ in
    length or are empty.
    """
    if not runs or len({len(run) for run in runs}) > 1:
        raise InputError("an interval over runs needs at least one run, and the same objects in each")
    if not len(runs[0]):
        raise InputError("an interval needs at least one value; measure an object first")
    clusters = [_clusters(run, groups) for run in runs]
    sums = np.stack([one[:, 0] for one in clusters])  # runs x clusters
    sizes = clusters[0][:, 1]
    rng = np.random.default_rng(seed)
    of_runs = rng.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=resamples)
    of_clusters = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=resamples)
    means = ((of_runs @ sums) * of_clusters).sum(1) / (len(runs) * (of_clusters @ sizes))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _clusters(values: Sequence[float], groups: Sequence[str] | None) -> NDArray[np.float64]:
    """The sum and the number of the values of each cluster, a row each."""
    alone = np.stack([np.asarray(values, np.float64), np.ones(len(values))], axis=1)
    if groups is None or not any(groups):
        return alone
    names = [group or f"\0{i}" for i, group in enumerate(groups)]
    _, cluster = np.unique(names, return_inverse=True)
    sums = np.zeros((int(cluster.max()) + 1, 2))
    np.add.at(sums, cluster, alone)
    return sums


def _band(mask: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    """The pixels of a mask that lie within `width_px` of its outside; the image border counts as outside."""
    # A square window is what `width_px` rounds of 3x3 erosion, as in the paper's code, come to.
    window = np.ones((2 * width_px + 1,) * 2, np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask & (inner == 0))


def _require_same_size(mask: NDArray[Any], truth: NDArray[Any]) -> None:
    if mask.shape != truth.shape:
        raise InputError(f"the mask is {mask.shape}, the truth {truth.shape}; compare masks of one size")
