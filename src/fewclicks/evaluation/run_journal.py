"""The objects that a run of the benchmark has finished, kept while it runs, so that it can go on after a stop.

A file of JSON lines beside the report, FILE.partial: first the settings, then a line for each object that was finished.
It is removed when the report is written, which then says what the settings were (`finished`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from fewclicks.clicks import Click
from fewclicks.errors import InputError
from fewclicks.evaluation.report import read_json
from fewclicks.evaluation.rollout import ClickResult, ObjectResult
from fewclicks.formats import rle

FORMAT = 1


class RunJournal:
    """Keep the finished objects of a run. `done[dataset]` holds those of an earlier one, by position."""

    def __init__(self, report: Path, settings: Mapping[str, Any], resume: bool) -> None:
        """Begin a run, or with `resume` go on with one. InputError if that one had other settings, naming them."""
        self.path = partial(report)
        self.done: dict[str, dict[int, ObjectResult]] = {}
        self.count = 0
        """Objects in it."""
        header: dict[str, Any] = {"format": FORMAT, "settings": _as_read(settings)}
        if resume and self.path.is_file():
            self._read(header)
            self._file: TextIO = self.path.open("a", encoding="utf-8")
        else:
            self._file = self.path.open("w", encoding="utf-8")
            self._write(header)

    def add(self, dataset: str, position: int, trace: ObjectResult) -> None:
        """Keep a finished object; it is on the disk when this returns."""
        self._write({"dataset": dataset, "position": position, **_plain(trace)})
        self.count += 1

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
        _require_same(self.path, kept[0]["settings"], header["settings"])
        for line in kept[1:]:
            self.done.setdefault(line["dataset"], {})[line["position"]] = _trace(line)
        self.count = len(kept) - 1
        os.truncate(self.path, whole)


def partial(report: Path) -> Path:
    """Tell where the objects of a run lie while its report is not written."""
    return report.with_name(report.name + ".partial")


def finished(report: Path, settings: Mapping[str, Any], full: bool) -> dict[str, Any] | None:
    """Read the report of a run that is over; None where there is none, or a run goes on into it.

    InputError if that run had other `settings`, naming them; if it was written without every object where they are
    asked for (`full`); and if the file is no report.
    """
    if not report.is_file() or partial(report).is_file():
        return None
    figures = read_json(report)
    _require_same(report, _settings_of(figures), _as_read(settings))
    if full and not all("per_object" in row for row in figures["datasets"].values()):
        raise InputError(f"the run in '{report}' is finished, and was without --full; leave --resume out, or --full")
    return figures


def _settings_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was asked for, as `RunJournal` keeps it, from its report."""
    settings, rows = figures["settings"], figures["datasets"]
    told = {key: value for key, value in settings.items() if key not in ("threads", "processes", "opened_as")}
    each = list(rows.values())
    return told | {
        "datasets": list(settings.get("opened_as", {}).values()),
        "names": list(rows),
        "objects": [row["objects"] for row in each],
        "own": [row.get("settings", {}) for row in each],
        "boundary": any("boundary_iou_at_click" in row for row in each),
        "metrics": list(dict.fromkeys(name for row in each for name in row.get("metrics_at_click", {}))),
    }


def _as_read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they come back from a file: tuples are lists, paths are texts."""
    read: dict[str, Any] = json.loads(json.dumps(dict(settings), default=str))
    return read


def _require_same(place: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """InputError that names what was other in the run in a file."""
    if other := [key for key in {**before, **now} if before.get(key) != now.get(key)]:
        both = [key for key in other if key in before and key in now] or other  # another method has other options
        told = ", ".join(f"{key} was {_brief(before.get(key))} and is {_brief(now.get(key))}" for key in both)
        raise InputError(f"the run in '{place}' had other settings: {told}; repeat them, or leave --resume out")


def _brief(value: Any) -> str:
    """A setting in an error: a network by its name."""
    return repr(value.get("name", value) if isinstance(value, Mapping) else value)


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
