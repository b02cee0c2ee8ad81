"""The figures of docs/reliability.md from results/reliability.json, which `benchmarks/tables.py` writes there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attack.record import misses

ATTACKS = {
    "kills": "`kill -9` while three clients act",
    "replacing": "`kill -9` while something is replaced",
    "disturbances": "full disk, read-only folder, two servers, clock",
    "inputs": "files that no one wrote by hand",
    "requests": "requests that no one wrote by hand",
    "load": "64 annotators",
    "connections": "500 idle and 240 slow connections",
}


def overview(parts: Mapping[str, Any]) -> str:
    """List everything that is wanted of a part of the attacks, and what came out."""
    rows = ["| | wanted | found |", "|---|---|---|"]
    for title, part in titled(parts):
        missed = {miss.partition(" is ")[0] for miss in misses(part)}
        rows.append(f"| **{title}** | | {part['date']} |")
        for count, (kind, limit) in part["wanted"].items():
            value = number(part["counts"].get(count, 0))
            sign = "≥" if kind == "at least" else "≤"
            rows.append(f"| {count} | {sign} {number(limit)} | {f'**{value}**' if count in missed else value} |")
    return "\n".join(rows)


def details(parts: Mapping[str, Any]) -> str:
    """List in a line all counts of each part that are not in the overview."""
    found = []
    for title, part in titled(parts):
        told = [key for key in part["counts"] if key not in part["wanted"] and not key.startswith("batches")]
        said = "; ".join(f"{key} {number(part['counts'][key])}" for key in told)
        settings = ", ".join(f"{key} {number(value)}" for key, value in part["settings"].items())
        found.append(f"- **{title}** (version {part['version']}; {settings}): {said}.")
    return "\n".join(found)


def faults(parts: Mapping[str, Any]) -> str:
    """List the faults that are open, each with how to see it again."""
    rows = [
        f"- {title}: {fault['count']} ({fault['times']}): {escaped(fault['what'])}. To see it: {escaped(fault['how'])}"
        for title, part in titled(parts)
        for fault in part["faults"]
    ]
    return "\n".join(rows) or "None."


def titled(parts: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Order the parts that were run, each with its title."""
    return [(title, parts[name]) for name, title in ATTACKS.items() if name in parts]


def number(value: Any) -> str:
    """Write a number, or several, as people read them."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def escaped(text: str) -> str:
    """Quote a text so that Markdown leaves it as it is."""
    return "`" + text[:200].replace("`", "'") + "`"
