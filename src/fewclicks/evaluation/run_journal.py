"""The objects that a run of the benchmark has finished, kept while it runs, so that it can go on after a stop.

A file of JSON lines beside the report, FILE.partial: first the settings, then a line for each object that was finished.
It is removed when the report is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from fewclicks.clicks import Click
from fewclicks.errors import InputError
from fewclicks.evaluation.rollout import ClickResult, ObjectResult
from fewclicks.formats import rle

FORMAT = 1


class RunJournal:
    """Keep the finished objects of a run. `done[dataset]` holds those of an earlier one, by position."""

    def __init__(self, report: Path, settings: Mapping[str, Any], resume: bool) -> None:
        """Begin a run, or with `resume` go on with one. InputError if that one had other settings, naming them."""
        self.path = report.with_name(report.name + ".partial")
        self.done: dict[str, dict[int, ObjectResult]] = {}
        header: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, "settings": dict(settings)}, default=str))
        if resume and self.path.is_file():
            self._read(header)
            self._file: TextIO = self.path.open("a", encoding="utf-8")
        else:
            self._file = self.path.open("w", encoding="utf-8")
            self._write(header)

    def add(self, dataset: str, position: int, trace: ObjectResult) -> None:
        """Keep a finished object; it is on the disk when this returns."""
        self._write({"dataset": dataset, "position": position, **_plain(trace)})

    def close(self, finished: bool = False) -> None:
        """Stop keeping; `finished`: the report is written, and nothing needs to go on."""
        self._file.close()
        if finished:
            self.path.unlink(missing_ok=True)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, header: Mapping[str, Any]) -> None:
        kept, whole = [], 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    kept.append(json.loads(line))
                except ValueError:  # the process was killed while it wrote this line
                    break
                whole += len(line)
        if not kept or kept[0].get("format") != FORMAT:
            raise InputError(f"'{self.path}' holds no run that can go on; remove it, or leave --resume out")
        before, now = kept[0]["settings"], header["settings"]
        other = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if other:
            told = ", ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in other)
            raise InputError(f"the run in '{self.path}' had other settings: {told}; repeat them, or leave --resume out")
        for line in kept[1:]:
            self.done.setdefault(line["dataset"], {})[line["position"]] = _trace(line)
        os.truncate(self.path, whole)


def _plain(trace: ObjectResult) -> dict[str, Any]:
    turns = [
        [t.click.x, t.click.y, t.click.positive, t.iou, t.step_s, t.robot_s, t.metric_s, t.boundary_iou, dict(t.own)]
        for t in trace.turns
    ]
    mask = None if trace.mask is None else {"hw": trace.mask.shape, "runs": rle.text(rle.runs(trace.mask))}
    times = {"start_s": trace.start_s, "load_s": trace.load_s}
    about = {"name": trace.name, "group": trace.group, "initial_iou": trace.initial_iou, "robot": trace.robot}
    return {**about, **times, "turns": turns, "mask": mask}


def _trace(line: Mapping[str, Any]) -> ObjectResult:
    turns = tuple(ClickResult(Click(x, y, positive), *rest) for x, y, positive, *rest in line["turns"])
    kept = line["mask"]
    mask = rle.mask_of(rle.runs_of_text(kept["runs"]), tuple(kept["hw"])) if kept else None
    initial, robot = line.get("initial_iou"), line.get("robot", "")
    return ObjectResult(line["name"], turns, line["start_s"], mask, line["load_s"], line["group"], initial, robot)
