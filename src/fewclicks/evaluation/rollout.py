"""Count the clicks: a robot user drives a predictor over a dataset until every object is good enough.

    predictor, dataset, robot ──rollout──▶ ObjectResult ──evaluate──▶ Result (one dataset) ──▶ Report ──▶ JSON

The protocol is that of RITM, SimpleClick and CFR-ICL: 20 clicks at most, stop at IoU 0.95, failures count 20 clicks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from time import perf_counter
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.evaluation.metrics import (
    THRESHOLDS,
    ClickEffect,
    Metric,
    boundary_iou,
    click_effect,
    interval,
    iou,
    noc,
    reached,
    value_of,
)
from fewclicks.evaluation.robot import Robot, deepest_error, name_of, robot_of
from fewclicks.predictor import Predictor
from fewclicks.types import Dataset, Mask, Sample

NO_METRICS: Mapping[str, Metric] = MappingProxyType({})

WORST = 10
"""Of how many cases a Result keeps the final mask, for the gallery."""


@dataclass(frozen=True, slots=True)
class ClickResult:
    """One click of the robot, the IoU after it, and where the time went."""

    click: Click
    iou: float
    step_s: float
    robot_s: float
    metric_s: float
    boundary_iou: float | None = None
    """None where it was not asked for."""
    own: Mapping[str, float] = field(default_factory=dict)
    """The user's own metrics after it, by name; NaN where one means nothing."""


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """Holds what happened on one object. `mask` is the final mask, kept for the worst cases only."""

    name: str
    turns: tuple[ClickResult, ...]
    start_s: float
    mask: Mask | None = None
    load_s: float = 0.0
    """What reading the photo and its truth took."""
    group: str = ""
    """The video or photo that it shares with others (`Sample.group`)."""
    initial_iou: float | None = None
    """The IoU of the mask that it began with; None where it began with an empty one."""
    robot: str = ""
    """Who clicked."""

    @property
    def ious(self) -> tuple[float, ...]:
        """The IoU after each click."""
        return tuple(turn.iou for turn in self.turns)

    @property
    def clicks(self) -> Clicks:
        """The clicks of the robot."""
        return Clicks(tuple(turn.click for turn in self.turns))

    @property
    def badness(self) -> tuple[bool, float, int]:
        """Sorts the worst case last: IoU 0.9 never reached, then lowest final IoU, then most clicks."""
        return not reached(self.ious, 0.9, len(self.turns)), -self.ious[-1], len(self.turns)


def rollout(
    predictor: Predictor,
    sample: Sample,
    robot: Robot = deepest_error,
    max_clicks: int = 20,
    stop_iou: float | None = 0.95,
    boundary: bool = False,
    metrics: Mapping[str, Metric] = NO_METRICS,
) -> ObjectResult:
    """Click on one object until its mask comes to `stop_iou` or `max_clicks` are spent.

    `stop_iou` None: all `max_clicks` clicks are made. `boundary`: measure the boundary IoU too, which takes time, and
    `metrics` of the user's own. An object that has an initial mask begins with it: the first click is on its largest
    error, and is made whatever its IoU is (as in FocalClick's evaluation of DAVIS-585). InputError when the sample has
    no object pixel.
    """
    if max_clicks < 1:
        raise InputError(f"max_clicks must be at least 1, got {max_clicks}")
    if not (sample.truth == 1).any():
        raise InputError(f"the sample '{sample.name}' has no object pixel; nothing can be clicked there")
    began = perf_counter()
    state = predictor.start(sample.image)
    start_s = perf_counter() - began
    initial_iou = None
    if sample.initial is not None:
        initial_iou = iou(sample.initial, sample.truth)
        state = replace(state, prob=sample.initial.astype(np.float32))
    mask, clicks, turns = state.mask, Clicks(), list[ClickResult]()
    while len(turns) < max_clicks:
        looks = perf_counter()
        click = robot(sample.truth, mask, clicks)
        if not isinstance(click, Click):
            raise InputError(
                f"the robot {name_of(robot)} gives {click!r:.40}; return a fewclicks.Click(x, y, positive)"
            )
        steps = perf_counter()
        clicks = clicks + click
        state = predictor.step(state, clicks)
        mask = state.mask
        measures = perf_counter()
        value = iou(mask, sample.truth)
        edge = boundary_iou(mask, sample.truth) if boundary else None
        own = {name: value_of(name, metric, mask, sample.truth, sample.name) for name, metric in metrics.items()}
        ends = perf_counter()
        turns.append(ClickResult(click, value, measures - steps, steps - looks, ends - measures, edge, own))
        if stop_iou is not None and value >= stop_iou:
            break
    return ObjectResult(
        sample.name, tuple(turns), start_s, mask, group=sample.group, initial_iou=initial_iou, robot=name_of(robot)
    )


OnTrace: TypeAlias = Callable[[int, ObjectResult], None]
"""Called with the position of an object in the dataset and what happened on it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A dataset's traces, in its order, and the rules they were made under."""

    dataset: str
    traces: tuple[ObjectResult, ...]
    robot: str
    max_clicks: int
    stop_iou: float | None

    @property
    def levels(self) -> list[float]:
        """The IoU levels of NoC that were reached for: those of the field up to `stop_iou`, and that one itself.

        Above `stop_iou` there are none: the clicking stopped before. A level has two digits.
        """
        if self.stop_iou is None:
            return list(THRESHOLDS)
        own = [self.stop_iou] if self.stop_iou < 1 and round(self.stop_iou, 2) == self.stop_iou else []
        return sorted({*(level for level in THRESHOLDS if level <= self.stop_iou), *own})

    @property
    def groups(self) -> list[str]:
        """Per object, what it shares with others that are not independent of it; "" for nothing."""
        return [trace.group for trace in self.traces]

    def clicks_to(self, threshold: float) -> list[int]:
        """Per object, the number of clicks to the IoU threshold; `max_clicks` where it never got there."""
        return [noc(trace.ious, threshold, self.max_clicks) for trace in self.traces]

    def noc(self, threshold: float) -> float:
        """Mean number of clicks to the IoU threshold; an object that never gets there counts `max_clicks`."""
        return fmean(self.clicks_to(threshold))

    def failures(self, threshold: float) -> int:
        """How many objects never came to the IoU threshold."""
        return sum(not reached(trace.ious, threshold, self.max_clicks) for trace in self.traces)

    def spent(self, threshold: float) -> int:
        """How many objects took all `max_clicks`: the ">=20" of the peers, for whom a success at click 20 is none."""
        return sum(clicks == self.max_clicks for clicks in self.clicks_to(threshold))

    def iou_at_click(self) -> list[float]:
        """Mean IoU after 1 ... `max_clicks` clicks; an object that was finished earlier keeps its last IoU.

        With `stop_iou` None no object is finished earlier, and nothing is carried on.
        """
        return self._mean_curve([trace.ious for trace in self.traces])

    def boundary_iou_at_click(self) -> list[float] | None:
        """Mean boundary IoU after 1 ... `max_clicks` clicks, as `iou_at_click`; None where it was not measured."""
        curves = [[turn.boundary_iou for turn in trace.turns if turn.boundary_iou is not None] for trace in self.traces]
        return self._mean_curve(curves) if all(curves) else None

    def own_at_click(self) -> dict[str, list[float | None]]:
        """Mean of each of the user's own metrics after 1 ... `max_clicks` clicks, as `iou_at_click`.

        Objects for which a metric means nothing (NaN) are left out of its mean; None where no object is left.
        """
        names = {name: None for trace in self.traces for turn in trace.turns for name in turn.own}
        return {name: self._own_curve([[turn.own[name] for turn in t.turns] for t in self.traces]) for name in names}

    def _own_curve(self, curves: Sequence[Sequence[float]]) -> list[float | None]:
        found: list[float | None] = []
        for i in range(self.max_clicks):
            values = [value for curve in curves if not math.isnan(value := curve[min(i, len(curve) - 1)])]
            found.append(fmean(values) if values else None)
        return found

    def initial_iou(self) -> float | None:
        """Mean IoU of the masks that objects began with; None where all began with empty ones."""
        values = [trace.initial_iou for trace in self.traces if trace.initial_iou is not None]
        return fmean(values) if values else None

    def _mean_curve(self, curves: Sequence[Sequence[float]]) -> list[float]:
        return [fmean(curve[min(i, len(curve) - 1)] for curve in curves) for i in range(self.max_clicks)]

    def click_effect(self) -> ClickEffect:
        """Tell what the clicks after the first did to the IoU: more clicks must help."""
        return click_effect([trace.ious for trace in self.traces])

    def seconds_per_click(self) -> float:
        """Tell what a user waits for: predictor start and steps, over the number of clicks."""
        profile = self.profile()
        return profile["start"] + profile["step"]

    def profile(self) -> dict[str, float]:
        """Tell where the time of a click goes, in seconds: predictor (start, step), robot, metric, reading files."""
        turns = [turn for trace in self.traces for turn in trace.turns]
        totals = {
            "start": math.fsum(trace.start_s for trace in self.traces),
            "step": math.fsum(turn.step_s for turn in turns),
            "robot": math.fsum(turn.robot_s for turn in turns),
            "metric": math.fsum(turn.metric_s for turn in turns),
            "load": math.fsum(trace.load_s for trace in self.traces),
        }
        return {part: seconds / len(turns) for part, seconds in totals.items()}

    def share_outside_predictor(self) -> float:
        """The share of the time that went neither into start nor into step."""
        return 1 - self.seconds_per_click() / math.fsum(self.profile().values())

    def worst(self, count: int = WORST) -> list[int]:
        """The positions of the worst cases in the dataset, the worst first."""
        order = sorted(range(len(self.traces)), key=lambda i: self.traces[i].badness, reverse=True)
        return order[:count]

    def protocol(self) -> dict[str, Any]:
        """The rules as plain data."""
        return {"robot": self.robot, "max_clicks": self.max_clicks, "stop_iou": self.stop_iou}

    def to_json(self, full: bool = False) -> dict[str, Any]:
        """The figures as plain data; with `full` also the course of every object, under "per_object".

        "noc_interval", "iou_at_1_interval": bootstrap 95 % intervals of the mean, in which the frames of a video and
        the objects of a photo ("groups": how many of these there are) are drawn together; "failures": see `failures`;
        "failures_peers": see `spent`; "click_effect": see `metrics.ClickEffect`, of clicks 2, 3, ...
        """
        effect, groups, edges = self.click_effect(), self.groups, self.boundary_iou_at_click()
        levels = {f"{threshold:.2f}": threshold for threshold in self.levels}
        figures = {
            "objects": len(self.traces),
            "groups": len({group or i for i, group in enumerate(groups)}),
            "noc": {name: round(self.noc(level), 4) for name, level in levels.items()},
            "noc_interval": {
                name: [round(end, 4) for end in interval(self.clicks_to(level), groups)]
                for name, level in levels.items()
            },
            "failures": {name: self.failures(level) for name, level in levels.items()},
            "failures_peers": {name: self.spent(level) for name, level in levels.items()},
            "iou_at_click": [round(value, 5) for value in self.iou_at_click()],
            "iou_at_1_interval": [round(end, 5) for end in interval([trace.ious[0] for trace in self.traces], groups)],
            "click_effect": {
                "clicks": list(effect.clicks),
                "mean_change": [round(change, 5) for change in effect.mean_change],
                "lowered": list(effect.lowered),
                "worst_mean_change": round(effect.worst_mean_change, 5),
                "share_lowered": round(effect.share_lowered, 5),
            },
            "seconds_per_click": round(self.seconds_per_click(), 5),
            "profile": {part: round(seconds, 6) for part, seconds in self.profile().items()},
            "share_outside_predictor": round(self.share_outside_predictor(), 4),
        }
        if edges is not None:
            figures["boundary_iou_at_click"] = [round(value, 5) for value in edges]
        if own := self.own_at_click():
            figures["metrics_at_click"] = {name: [_rounded(value) for value in curve] for name, curve in own.items()}
        if (initial := self.initial_iou()) is not None:
            figures["initial_iou"] = round(initial, 5)
        return {**figures, "per_object": self.per_object()} if full else figures

    def per_object(self) -> dict[str, Any]:
        """One list entry per object: name, group, NoC at each level, IoUs, clicks as [x, y, positive]."""
        found: dict[str, Any] = {
            "name": [trace.name for trace in self.traces],
            "group": self.groups,
            "noc": {f"{threshold:.2f}": self.clicks_to(threshold) for threshold in self.levels},
            "ious": [list(trace.ious) for trace in self.traces],
            "clicks": [[[click.x, click.y, click.positive] for click in trace.clicks] for trace in self.traces],
        }
        if any(trace.initial_iou is not None for trace in self.traces):
            found["initial_iou"] = [trace.initial_iou for trace in self.traces]
        if any(turn.boundary_iou is not None for trace in self.traces for turn in trace.turns):
            found["boundary_ious"] = [[turn.boundary_iou for turn in trace.turns] for trace in self.traces]
        if own := self.own_at_click():
            found["metrics"] = {
                name: [[_number(turn.own[name]) for turn in trace.turns] for trace in self.traces] for name in own
            }
        return found


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    robot: Robot | None = None,
    max_clicks: int = 20,
    stop_iou: float | None = 0.95,
    boundary: bool = False,
    on_trace: OnTrace | None = None,
    metrics: Mapping[str, Metric] = NO_METRICS,
) -> Result:
    """Roll out every object of a dataset (see `rollout`). `on_trace` is called after each, with its position.

    `robot` None: the predictor's own, else `deepest_error` (see `robot_of`).

    InputError when the dataset is empty.
    """
    if len(dataset) == 0:
        raise InputError(f"the dataset '{dataset.name}' is empty; there is nothing to measure")
    robot = robot or robot_of(predictor)
    traces: list[ObjectResult] = []
    for i in range(len(dataset)):
        began = perf_counter()
        sample = dataset[i]
        load_s = perf_counter() - began
        done = rollout(predictor, sample, robot, max_clicks, stop_iou, boundary, metrics)
        traces.append(replace(done, load_s=load_s))
        if on_trace is not None:
            on_trace(i, traces[i])
        forget_masks(traces)
    return Result(dataset.name, tuple(traces), name_of(robot), max_clicks, stop_iou)


def _number(value: float) -> float | None:
    """A value for JSON, which has no NaN."""
    return None if math.isnan(value) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def forget_masks(traces: list[ObjectResult]) -> None:
    """Take the final masks from all but the worst traces, in place: those of a large dataset would fill the memory."""
    kept = [i for i, trace in enumerate(traces) if trace.mask is not None]
    for i in sorted(kept, key=lambda i: traces[i].badness, reverse=True)[WORST:]:
        traces[i] = replace(traces[i], mask=None)


def merged(results: Sequence[Result]) -> Result:
    """The result of a dataset from those of its shards (`shards.Shard`), in the dataset's order."""
    traces: list[ObjectResult] = [
        result.traces[i] for i in range(max(len(result.traces) for result in results))
        for result in results if i < len(result.traces)
    ]  # fmt: skip
    forget_masks(traces)
    return replace(results[0], traces=tuple(traces))


@dataclass(frozen=True, slots=True)
class Report:
    """A run of the benchmark. `settings` names the predictor: method, weights hash, CFR, flip, zoom, threshold."""

    settings: Mapping[str, Any]
    results: tuple[Result, ...]
    own: Sequence[Mapping[str, Any]] = ()
    """Per result, the settings that it does not share with the others (a preset's zoom for DAVIS)."""

    def to_json(self, full: bool = False) -> dict[str, Any]:
        """Plain data: {"settings": {...}, "datasets": {"GrabCut": {"objects", "noc", "failures", ...}}}.

        With `full` each dataset also has "per_object": see `Result.per_object`.
        """
        protocol = self.results[0].protocol() if self.results else {}
        datasets = {result.dataset: result.to_json(full) for result in self.results}
        for result, own in zip(self.results, self.own, strict=False):
            if own:
                datasets[result.dataset] |= {"settings": dict(own)}
        return {"settings": {**self.settings, **protocol}, "datasets": datasets}
