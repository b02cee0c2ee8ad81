"""The counts of the attacks: results/reliability.json, whole and on disk after every step."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fewclicks.files.replace import write_json

MAX_FAULTS = 40
"""Faults of a part that are told one by one; the others are only counted."""
Limits = Mapping[str, tuple[str, float]]
"""Count -> ("at least" or "at most", how much): what is wanted of a part."""


class Entry:
    """One part of the attacks: its settings, counts, faults, and what is wanted of it. Threads may share it."""

    def __init__(self, record: Record, data: dict[str, Any]) -> None:
        self._record, self.data = record, data
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[str, Any]:
        """How often each thing was done, or happened."""
        found: dict[str, Any] = self.data["counts"]
        return found

    def add(self, **counts: int) -> None:
        """Count, and keep the file."""
        with self._lock:
            for name, value in counts.items():
                self.counts[name] = self.counts.get(name, 0) + value
        self.keep()

    def put(self, **values: Any) -> None:
        """Set counts that are no sums, such as percentiles and peaks."""
        self.counts.update(values)
        self.keep()

    def fault(self, count: str, what: str, how: str) -> None:
        """Count a fault, and tell how to see it again; of those that differ in numbers and names only, the first."""
        what = " ".join(what.split())[:3000]
        kind = re.sub(r"'[^']*'|[0-9a-f]*[0-9][0-9a-f]*", "_", what)[:120]
        with self._lock:
            self.counts[count] = self.counts.get(count, 0) + 1
            alike = [fault for fault in self.data["faults"] if (fault["count"], fault["kind"]) == (count, kind)]
            if alike:
                alike[0]["times"] += 1
            elif len(self.data["faults"]) < MAX_FAULTS:
                self.data["faults"].append({"count": count, "what": what, "how": how, "times": 1, "kind": kind})
        if not alike:
            print(f"  FAULT {count}: {what[:300]}  [{how}]", flush=True)
        self.keep()

    def keep(self) -> None:
        """Write the file, with the present moment."""
        self.data["date"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        self._record.save()


class Record:
    """All parts, in a file. A part that was run with other settings, or of another version, begins anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.parts: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def entry(self, name: str, settings: Mapping[str, Any], wanted: Limits) -> Entry:
        """A part as it was left, or a new one."""
        same = {"version": version("fewclicks"), "settings": dict(settings)}
        found = self.parts.get(name, {})
        if {key: found.get(key) for key in same} != same:
            found = {"date": "", **same, "counts": {}, "faults": []}
        found["wanted"] = {count: list(limit) for count, limit in wanted.items()}
        for count, (kind, _) in wanted.items():
            if kind == "at most":
                found["counts"].setdefault(count, 0)
        self.parts[name] = found
        return Entry(self, found)

    def save(self) -> None:
        """Write it: the file is whole at any instant."""
        with self._lock:
            write_json(self._path, dict(sorted(self.parts.items())))


def misses(part: Mapping[str, Any]) -> list[str]:
    """What is wanted of a part and not so, in words."""
    found = []
    for count, (kind, limit) in part["wanted"].items():
        value = part["counts"].get(count, 0)
        if value < limit if kind == "at least" else value > limit:
            found.append(f"{count} is {value:,}, wanted {kind} {limit:,}")
    return found
