"""Table 4 measured here: every row for which there are weights, each by its own `fewclicks bench`, several at a time.

    table4_rows.json, --weights-dir ──planned──▶ Entry ... ──measured──▶ FOLDER/table4/*.json ──summary──▶ table4.json

What an entry found lies in a report of its own. One that is complete is not measured again, one that was stopped goes
on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

from fewclicks.child_process import start_module
from fewclicks.config import resolve
from fewclicks.errors import FewClicksError, InputError, UnknownName
from fewclicks.evaluation.comparison import Runs
from fewclicks.evaluation.report import read_json
from fewclicks.files import bounded
from fewclicks.plugins import file_name, names

ROWS = Path(__file__).with_name("table4_rows.json")
NO_WEIGHTS, NO_METHOD, MEASURED = "no weights here", "no such method here", "measured"
NOT_YET = "not measured yet"
"""What has become of an entry; besides these "failed: ..." with the reason."""
PUBLISHED = (".pth", ".pt")
MEASURE = "NoC@90"
"""By which two rows are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of the table, and what runs it."""

    name: str
    method: str
    trained_on: str = ""
    files: tuple[str, ...] = ()
    """The authors' weight files, without their ending; () for a method that needs none."""
    options: tuple[str, ...] = ()
    """What `fewclicks bench` is told beside the method."""
    published: Mapping[str, Mapping[str, float]] | None = None
    """NoC by dataset and IoU level."""
    source: str = ""
    weights: Path | None = None
    state: str = ""
    """Why it cannot be measured; "" where it can."""

    @property
    def title(self) -> str:
        """The name, and what it was trained on."""
        return f"{self.name} ({self.trained_on})" if self.trained_on else self.name

    def arguments(self, datasets: Sequence[str]) -> list[str]:
        """The arguments of the command that measures it."""
        preset = ["--preset", "released"] if self.weights and self.trained_on != "here" else []
        method = str(self.weights) if self.weights else self.method
        return ["bench", *datasets, "--method", method, *preset, *self.options]

    def report(self, folder: Path, arguments: Sequence[str]) -> Path:
        """Tell where its report lies; other arguments or other weights have another one."""
        key = json.dumps([*arguments, self._weights_hash()])
        plain = "".join(letter if letter.isalnum() else "-" for letter in self.title.lower()).strip("-")
        return folder / f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.json"

    def _weights_hash(self) -> Any:
        """Tell what config.json says of its weights."""
        return _config(self.weights).get("sha256", {}) if self.weights else {}


def rows() -> list[Entry]:
    """Every row of the table, before anybody has looked for weights."""
    data = bounded.read_json(ROWS)
    found = []
    for row in data["rows"]:
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        found.append(Entry(**{**values, "source": data["sources"].get(row.get("source", ""), "")}))
    return found


def planned(methods: Sequence[str], weights: Path | None, folder: Path) -> list[Entry]:
    """Every row of these methods (none: all), each with its weights, and a row for each weights that belong to none.

    Published files in `weights` are converted into `folder`. UnknownName for a method that no row has.
    """
    known = rows()
    wanted = [file_name(name) for name in methods]
    for name in wanted:
        if name not in names("methods") and not any(row.method == name for row in known):
            raise UnknownName(f"no method named '{name}'; there are: {', '.join(names('methods'))}")
    found = weights_in(weights, folder) if weights else {}
    entries: list[Entry] = []
    for row in known:
        stem = next((stem for stem in row.files if stem in found), None)
        there = found.get(stem) if stem else None
        if isinstance(there, Path):
            entries.append(replace(row, weights=there))
        elif there is not None:
            entries.append(replace(row, state=f"failed: {there}"))
        elif row.method not in names("methods"):
            entries.append(replace(row, state=NO_METHOD))
        else:
            entries.append(replace(row, state=NO_WEIGHTS) if row.files else row)
    claimed = {stem for row in known for stem in row.files}
    for stem, there in found.items():
        if stem not in claimed:
            entries.append(own(stem, there))
    return [entry for entry in entries if not wanted or entry.method in wanted]


def own(stem: str, there: Path | FewClicksError) -> Entry:
    """The row of weights that no author published under this name."""
    if isinstance(there, FewClicksError):
        return Entry(name=stem, method="", state=f"failed: {there}")
    config = _config(there)
    method = str(config.get("method", "default"))
    trained_on = "here" if "recipe" in config else ""
    return Entry(name=f"{method}, {stem}", method=method, weights=there, trained_on=trained_on)


def _config(weights: Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder; empty where it cannot be read, which the run will tell."""
    try:
        config = bounded.read_json(weights / "config.json")
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def weights_in(weights: Path, folder: Path) -> dict[str, Path | FewClicksError]:
    """Every checkpoint folder in a folder by its name, published files among them converted, or why they cannot be."""
    if not weights.is_dir():
        raise InputError(f"there is no folder '{weights}' of weights; name one with published files or checkpoints")
    found: dict[str, Path | FewClicksError] = {}
    for item in sorted(weights.iterdir()):
        if item.suffix in PUBLISHED and item.is_file():
            found[item.stem] = converted(item, folder / "weights" / item.stem)
        elif (item / "config.json").is_file():
            found[item.name] = item
        elif (item / "last" / "config.json").is_file():  # a run of training
            found[item.name] = item / "last"
    return found


def converted(file: Path, out: Path) -> Path | FewClicksError:
    """The checkpoint folder made of a published file, or the reason why there is none."""
    if (out / "config.json").is_file():
        return out
    from fewclicks.checkpoints.convert import convert

    try:
        return convert(file, out)
    except FewClicksError as error:
        return error


OnProgress = Callable[[Entry, int, str], None]
"""Called with an entry, how many of its objects are finished, and what has become of it ("" while it runs)."""


def measure(
    entries: Sequence[Entry],
    datasets: Sequence[str],
    folder: Path,
    *,
    processes: int,
    more: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> dict[str, str]:
    """Measure what can be, `processes` at a time -> what has become of each entry, by its title.

    One that fails costs only itself.
    """  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    states = {entry.title: entry.state for entry in entries}
    waiting = [entry for entry in entries if not entry.state]
    running: dict[str, tuple[Entry, Popen[Any], Path]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                entry = waiting.pop(0)
                report = report_of(entry, datasets, folder, more)
                if is_complete(report):
                    states[entry.title] = MEASURED
                    _tell(on_progress, entry, report, MEASURED)
                else:
                    running[entry.title] = entry, _start(entry, datasets, report, more), report
            for title, (entry, process, report) in list(running.items()):
                code = process.poll()
                if code is not None:
                    del running[title]
                    states[title] = MEASURED if code == 0 else f"failed: {_reason(report, code)}"
                _tell(on_progress, entry, report, states[title])
            time.sleep(0.2 if running else 0)
    finally:
        for _, process, _ in running.values():
            process.terminate()
        for _, process, _ in running.values():
            process.wait()
    return states


def measured_so_far(
    entries: Sequence[Entry], datasets: Sequence[str], folder: Path, more: Sequence[str] = ()
) -> dict[str, str]:
    """Tell what has become of each entry, by its title, and measure nothing."""
    return {
        entry.title: entry.state
        or (MEASURED if is_complete(report_of(entry, datasets, folder, more)) else NOT_YET)
        for entry in entries
    }  # fmt: skip


def report_of(entry: Entry, datasets: Sequence[str], folder: Path, more: Sequence[str]) -> Path:
    """Tell where the report of an entry lies."""
    return entry.report(folder, [*entry.arguments(datasets), *more])


def _start(entry: Entry, datasets: Sequence[str], report: Path, more: Sequence[str]) -> Popen[Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with report.with_suffix(".log").open("wb") as log:
        return start_module(
            "fewclicks", *entry.arguments(datasets), *more, "--threads", "1", "--full", "--resume",
            "--json", str(report),
            environment=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=log,
        )  # fmt: skip


def is_complete(report: Path) -> bool:
    """Tell whether a report was written to its end."""
    try:
        read_json(report)
    except InputError:
        return False
    return True


def _tell(on_progress: OnProgress | None, entry: Entry, report: Path, state: str) -> None:
    if on_progress is not None:
        on_progress(entry, finished(report), state)


def finished(report: Path) -> int:
    """How many objects a run has finished: the lines of its journal, or all of a complete report."""
    with suppress(OSError), report.with_name(report.name + ".partial").open("rb") as journal:
        return max(0, sum(1 for _ in journal) - 1)
    with suppress(InputError):
        return sum(row["objects"] for row in read_json(report)["datasets"].values())
    return 0


def _reason(report: Path, code: int) -> str:
    """Why a run ended: the last line that it said."""
    with suppress(OSError):
        lines = report.with_suffix(".log").read_text("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("fewclicks: ")[:300]
    return f"it ended with code {code}"


def summary(
    entries: Sequence[Entry],
    states: Mapping[str, str],
    datasets: Sequence[str],
    folder: Path,
    more: Sequence[str] = (),
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Tell what table4.json holds: {"rows": [...], "pairs": [...]}, all of it from the reports of the entries.

    And from the table that was there `before`: its rows that these runs do not measure, see `kept`.
    """
    found, files = [], {}
    for entry in entries:
        state = states.get(entry.title, entry.state) or NO_WEIGHTS
        row: dict[str, Any] = {
            "name": entry.title, "method": entry.method, "state": state,
            "published": entry.published or {}, "source": entry.source,
        }  # fmt: skip
        report = report_of(entry, datasets, folder, more)
        if state == MEASURED:
            figures = read_json(report)
            files[entry.title] = report
            row["command"] = " ".join(["fewclicks", *_short(entry, datasets), *more])
            row["settings"] = figures["settings"]
            row["datasets"] = {
                name: {key: value for key, value in one.items() if key != "per_object"}
                for name, one in figures["datasets"].items()
            }
        found.append(row)
    table = {"format": 1, "datasets": list(datasets), "options": list(more), "rows": found, "pairs": pairs(files)}
    return _with(table, kept(before or {}, entries, states, datasets, more), before or {})


def read_table(file: Path) -> dict[str, Any]:
    """An earlier table4.json; {} where there is none. InputError for a file that is none, which is not written over."""
    try:
        found = bounded.read_json(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); move it away, or name another folder with --out") from None
    if not isinstance(found, dict) or found.get("format") != 1 or not _are_rows(found.get("rows")):
        raise InputError(f"{file} is no table of `fewclicks table4`; move it away, or name another folder with --out")
    return found


def _are_rows(found: object) -> bool:
    """Tell whether these are rows that `summary` wrote."""
    wanted = {"name": str, "method": str, "state": str}
    return isinstance(found, list) and all(
        isinstance(row, dict)
        and all(isinstance(row.get(key), kind) for key, kind in wanted.items())
        and (
            row["state"] != MEASURED
            or (isinstance(row.get("settings"), dict) and isinstance(row.get("datasets"), dict))
        )
        for row in found
    )


def kept(
    before: Mapping[str, Any],
    entries: Sequence[Entry],
    states: Mapping[str, str],
    datasets: Sequence[str],
    more: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """The rows of an earlier table of the same objects that still hold, by name: those that are not measured now.

    One of weights that are here is measured anew, and one of the shipped model only holds for the model that ships now.
    Of those that are not asked for now, the ones without weights stay too.
    """
    if before.get("datasets") != list(datasets) or before.get("options") != list(more):
        return {}
    here = {entry.title: entry for entry in entries}
    found = {}
    for row in before["rows"]:
        entry, is_measured = here.get(row["name"]), row["state"] == MEASURED
        if entry is None:
            stays = row["state"] in (NO_WEIGHTS, NO_METHOD) or is_measured
        else:
            stays = is_measured and states.get(entry.title) != MEASURED and entry.weights is None
        if stays and not (is_measured and _is_of_older_weights(row)):
            found[row["name"]] = row
    return found


def _is_of_older_weights(row: Mapping[str, Any]) -> bool:
    """Tell whether the shipped model of a row has other weights now."""
    wanted = row["settings"].get("weights_sha256")
    if wanted is None or row["method"] not in names("methods"):
        return False
    try:
        return bool(resolve(row["method"]).describe().get("weights_sha256", wanted) != wanted)
    except FewClicksError:  # a method without weights of its own: they were a file of the user
        return False


def _with(table: dict[str, Any], earlier: Mapping[str, dict[str, Any]], before: Mapping[str, Any]) -> dict[str, Any]:
    """The table with earlier rows in their places, and the earlier comparisons of rows that are as they were."""
    places = {entry.title: number for number, entry in enumerate(rows())}
    found = [earlier.get(row["name"], row) for row in table["rows"]]
    there = {row["name"] for row in found}
    found += [row for name, row in earlier.items() if name not in there]
    found.sort(key=lambda row: places.get(row["name"], len(places)))
    clicks = {row["name"]: _clicks(row) for row in found}
    same = {row["name"] for row in before.get("rows", ()) if earlier and clicks.get(row["name"]) == _clicks(row)}
    new = {(pair["first"], pair["second"]) for pair in table["pairs"]}
    old = [
        pair for pair in before.get("pairs", ())
        if {pair["first"], pair["second"]} <= same and (pair["first"], pair["second"]) not in new
    ]  # fmt: skip
    return {**table, "rows": found, "pairs": [*old, *table["pairs"]]}


def _clicks(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row measured, without the seconds that it took."""
    return {name: (one["objects"], one["noc"]) for name, one in row.get("datasets", {}).items()}


def _short(entry: Entry, datasets: Sequence[str]) -> list[str]:
    """The arguments without the place of the weights, which is one of this machine."""
    whole = str(entry.weights)
    return [entry.weights.name if entry.weights and one == whole else one for one in entry.arguments(datasets)]


def pairs(files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The paired bootstrap of any two measured rows: how many clicks to 0.90 the second takes more than the first.

    A method with a robot of its own (UCP-Net) is compared too, as papers do: each click counts, whoever makes it.
    """
    reports = {title: read_json(file) for title, file in files.items()}
    titles, found = list(reports), []
    for i, first in enumerate(titles):
        for second in titles[i + 1 :]:
            runs = Runs({first: reports[first], second: reports[second]})
            found += [
                {
                    "first": first, "second": second, "dataset": d.dataset, "measure": d.measure,
                    "change": round(d.change, 4), "low": round(d.low, 4), "high": round(d.high, 4),
                    "better": d.better, "worse": d.worse,
                }
                for d in runs.differences(second)
                if d.measure == MEASURE
            ]  # fmt: skip
    return found
