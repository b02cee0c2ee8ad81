"""Train the default model: every phase of recipes/compact.py, and the averages between them. About seven hours.

    python benchmarks/train_default.py [--out runs/default]

What is finished is kept, so that the command can be stopped and called again. It ends with OUT/model, a checkpoint
folder, and OUT/default.onnx. Two branches of a phase can be trained side by side: call it twice, with --only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fewclicks import checkpoint

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Phase:
    """A recipe of recipes/compact.py, and what it starts from: the mean of the phases named."""

    recipe: str
    start: tuple[str, ...] = ()


PHASES = (
    Phase("compact"),
    Phase("branch_256", ("compact",)),
    Phase("branch_352", ("compact",)),
    Phase("branch_foreign", ("branch_352",)),
    Phase("late", ("branch_256", "branch_foreign")),
    Phase("late_foreign", ("branch_256", "branch_foreign")),
)
FINAL = ("late", "late_foreign")


def run(out: Path, phase: Phase) -> None:
    """Train what is missing of a phase."""
    last = out / phase.recipe / "last"
    resume = last.is_dir()
    if resume:
        config = checkpoint.read_config(last)
        if config["step"] >= config["recipe"]["steps"]:
            return
    init = [f"init={mean(out, phase.start)}"] if phase.start else []
    command = ["train", f"compact:{phase.recipe}", *init, "--out", str(out / phase.recipe), "--workers", "0"]
    fewclicks(*command, *(["--resume"] if resume else []))


def mean(out: Path, names: tuple[str, ...]) -> Path:
    """The checkpoint of a phase, or of the average of several."""
    folders = [out / name / "last" for name in names]
    if len(folders) == 1:
        return folders[0]
    target = out / "+".join(names)
    checkpoint.average(folders, target)
    return target


def fewclicks(*arguments: str) -> None:
    """Run a command of the package; stop if it fails."""
    if subprocess.run([sys.executable, "-m", "fewclicks", *arguments], check=False).returncode:
        sys.exit(f"stopped at: fewclicks {' '.join(arguments)}; call again to go on")


def finish(out: Path) -> None:
    """Average the last branches and export them; the recipe in the file names no folder."""
    model = mean(out, FINAL).rename(out / "model") if not (out / "model").is_dir() else out / "model"
    config = checkpoint.read_config(model)
    config["recipe"]["init"] = ""
    (model / checkpoint.CONFIG).write_text(json.dumps(config, indent=1), "utf-8")
    fewclicks("export-onnx", str(model), str(out / "default.onnx"))


def main() -> None:
    """All phases in order, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "default")
    parser.add_argument("--only", choices=[phase.recipe for phase in PHASES])
    arguments = parser.parse_args()
    for phase in PHASES:
        if arguments.only in (None, phase.recipe):
            run(arguments.out, phase)
    if arguments.only is None:
        finish(arguments.out)


if __name__ == "__main__":
    main()
