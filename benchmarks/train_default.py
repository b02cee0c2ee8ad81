"""Train the default model: every phase of recipes/compact.py, and the averages between them. About nine hours.

    python benchmarks/train_default.py [--out runs/default]

What is finished is kept, so that the command can be stopped and called again. It ends with OUT/third, a checkpoint
folder, and OUT/default.onnx. Two branches of a phase can be trained side by side: call it twice, with --only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from fewclicks.checkpoints import checkpoint

ROOT = Path(__file__).resolve().parents[1]


PHASES = {  # a recipe of recipes/compact.py: the phase or average that it starts from
    "compact": "",
    "branch_256": "compact",
    "branch_352": "compact",
    "branch_foreign": "branch_352",
    "late": "early",
    "late_foreign": "early",
    "foreign_everywhere": "second",
}
AVERAGES = {
    "early": ("branch_256", "branch_foreign"),
    "second": ("late", "late_foreign"),
    "third": ("second", "foreign_everywhere"),
}
FINAL = "third"


def run(out: Path, phase: str) -> None:
    """Train what is missing of a phase."""
    last = out / phase / "last"
    resume = last.is_dir()
    if resume:
        config = checkpoint.read_config(last)
        if config["step"] >= config["recipe"]["steps"]:
            return
    start = PHASES[phase]
    init = [f"init={weights(out, start)}"] if start else []
    command = ["train", f"compact:{phase}", *init, "--out", str(out / phase), "--workers", "0"]
    fewclicks(*command, *(["--resume"] if resume else []))


def weights(out: Path, name: str) -> Path:
    """The checkpoint of a phase, or that of an average, which is made here."""
    if name in PHASES:
        return out / name / "last"
    checkpoint.average([weights(out, part) for part in AVERAGES[name]], out / name)
    return out / name


def fewclicks(*arguments: str) -> None:
    """Run a command of the package; stop if it fails."""
    if subprocess.run([sys.executable, "-m", "fewclicks", *arguments], check=False).returncode:
        sys.exit(f"stopped at: fewclicks {' '.join(arguments)}; call again to go on")


def finish(out: Path) -> None:
    """Export the last average; the recipe in the file names no folder."""
    model = weights(out, FINAL)
    config = checkpoint.read_config(model)
    config["recipe"]["init"] = ""
    (model / checkpoint.CONFIG).write_text(json.dumps(config, indent=1), "utf-8")
    fewclicks("export-onnx", str(model), str(out / "default.onnx"))


def main() -> None:
    """All phases in order, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "default")
    parser.add_argument("--only", choices=list(PHASES))
    arguments = parser.parse_args()
    for phase in PHASES:
        if arguments.only in (None, phase):
            run(arguments.out, phase)
    if arguments.only is None:
        finish(arguments.out)


if __name__ == "__main__":
    main()
