"""What a training run cost and how it went: RUN/metrics.jsonl -> a small JSON file.

python benchmarks/training_summary.py runs/compact results/training.json
"""

import json
import sys
from pathlib import Path
from statistics import fmean


def summary(run: Path, every: int = 200) -> dict:
    """Totals, and the means of loss and IoU over windows of `every` steps."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    recipe = json.loads((run / "recipe.json").read_text("utf-8"))
    weights = recipe["click_weights"]
    windows = []
    for begin in range(0, len(rows), every):
        part = rows[begin : begin + every]
        loss = fmean(row["loss"] / sum(weights[: int(row["terms"])]) for row in part)
        windows.append(
            {"to_step": part[-1]["step"], "loss": round(loss, 4), "iou": round(fmean(r["iou"] for r in part), 4)}
        )
    return {
        "recipe": recipe["name"],
        "steps": len(rows),
        "samples": len(rows) * recipe["batch"],
        "forwards": int(sum(row["terms"] for row in rows)) * recipe["batch"],
        "hours": round(sum(row["seconds"] for row in rows) / 3600, 2),
        "windows": windows,
    }


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(summary(Path(sys.argv[1])), indent=1) + "\n", "utf-8")
