"""The tables of docs/annotator.md, from results/."""

from __future__ import annotations

from tables import markdown, stored

UNITS = {"ms": "ms", "median_ms": "ms median", "p95_ms": "ms at the 95th percentile", "frames_per_s": "frames a second",
         "memory_mb": "MB", "peak_mb": "MB at its most"}  # fmt: skip


def figures() -> str:
    """List what is wanted of the annotator's page and server, and what was measured."""
    from page import WANTED

    page, server = stored("annotator_page.json"), stored("annotator_server.json")
    rows = []
    for name, wanted in WANTED.items():
        has = ", ".join(f"{page[name][unit]:,.0f} {UNITS[unit]}" for unit in wanted) if name in page else "not yet"
        bounds = " / ".join(f"{value:,}" for value in dict.fromkeys(wanted.values()))
        rows.append((name, has, f"{'≥' if 'frames_per_s' in wanted else '≤'} {bounds}"))
    p95 = "ms at the 95th percentile"
    for name, run in ((key, run) for key, run in server.items() if "annotators" in key):
        lost = f"{len(run['errors'])} errors, {run['lost']} lost"
        rows.append((name, f"{run['trip']['p95']:,.0f} {p95}, {lost}", f"≤ {run['bound_ms']:,.0f}, 0, 0"))
    clicks, memory = server["endurance"]["clicks"], server["endurance"]["memory_mb"]
    halves = max(memory[: len(memory) // 2]), max(memory[len(memory) // 2 :])
    flat = "{} MB in the first half, {} MB in the second".format(*halves)
    rows.append((f"server over {clicks:,} clicks", flat, "flat"))
    times = server["100 megapixels"]["trip"]
    large = f"{times['median']:,.0f} ms median, {times['p95']:,.0f} {p95}"
    rows.append(("clicks on 100 megapixels, without the page", large, ""))
    return "| | measured | wanted |\n|---|---|---|\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def work() -> str:
    """Tell what an object took the robot annotator, on each kind of job and with each kind of prompts."""
    modes = (stored("annotator_work.json") or {"modes": {}})["modes"]
    if not modes:
        return "Not measured yet; `python benchmarks/annotator.py` does it."
    rows = [
        (mode, kind, one["objects"], one["right"], one["actions"], one["hand_s"], one["waits_s"])
        for mode, told in modes.items()
        for kind, one in told["means"].items()
    ]
    table = markdown(("with", "on", "objects", "right", "actions", "s of the hand", "s of waiting"), rows, 2)
    first, last = next(iter(modes)), list(modes)[-1]
    before, now = modes[first]["means"]["all"], modes[last]["means"]["all"]
    return (
        f"{table}\n\nWith {last} an object takes {now['actions'] / before['actions']:.2f} times the actions of {first} "
        f"and {now['hand_s'] / before['hand_s']:.1f} times the seconds of the hand; {now['right']} of {now['objects']} "
        f"are right in the end where {before['right']} were."
    )
