"""Train on a machine with a GPU and no network, from the parts that lie beside this file. Needs Python and torch.

    python3 run.py collect STORE                       after each transfer: check and unpack the parts that came
    python3 run.py train STORE --minutes 8 --out OUT   a smoke test, the training, its evaluation; results in OUT

STORE is a folder on that machine that outlasts a transfer. `train` goes on where an earlier one was stopped. Only the
standard library is used here, since this file is what installs the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NEEDED = {
    "torch": "torch", "numpy": "numpy", "cv2": "opencv-python-headless", "PIL": "pillow", "safetensors": "safetensors",
    "lightning_fabric": "lightning-fabric", "onnx": "onnx", "onnxruntime": "onnxruntime", "onnxscript": "onnxscript",
    "typer": "typer", "rich": "rich", "yaml": "PyYAML", "tifffile": "tifffile",
}  # fmt: skip
LARGEST = 15_000_000
"""Bytes of a file that is left in OUT."""


class KitError(Exception):
    """What is wrong, and what to do."""


def collect(store: Path) -> list[str]:
    """Unpack the parts that lie here and are whole; returns the names of those that never came."""
    manifest = read_manifest(HERE)
    (store / "arrived").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "manifest.json", store / "manifest.json")
    for part in manifest["parts"]:
        file, mark = HERE / part["name"], store / "arrived" / f"{part['name']}-{part['sha256'][:16]}"
        if mark.exists() or not file.is_file():
            continue
        found = sha256(file)
        if found != part["sha256"]:
            size = f"{file.stat().st_size:,} of {part['bytes']:,} bytes"
            print(f"{part['name']} is damaged ({size}); carry it again", file=sys.stderr)
            continue
        with tarfile.open(file) as tar:
            tar.extractall(store, filter="data")
        mark.touch()  # after all is unpacked: a part that was interrupted is unpacked again
        print(f"{part['name']}: {part['files']} files")
    return missing(store)


def missing(store: Path) -> list[str]:
    """The parts of the manifest that were not unpacked."""
    parts = read_manifest(store)["parts"]
    return [p["name"] for p in parts if not (store / "arrived" / f"{p['name']}-{p['sha256'][:16]}").exists()]


def read_manifest(folder: Path) -> Any:
    """What the kit holds."""
    try:
        return json.loads((folder / "manifest.json").read_text("utf-8"))
    except FileNotFoundError:
        raise KitError(f"no manifest.json in {folder}; carry it with each part, and call `collect` first") from None


def sha256(file: Path) -> str:
    """Hex digest."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def install(store: Path) -> Path:
    """Unpack the wheel of fewclicks, and those of what this machine lacks, into a folder of the store."""
    site = store / "site"
    wheels = sorted((store / "wheels").glob("*.whl"))
    own = [wheel for wheel in wheels if wheel.name.startswith("fewclicks-")]
    if not own:
        raise KitError("the wheel of fewclicks is in the first part, which has not come; carry it, then `collect`")
    shutil.rmtree(site, ignore_errors=True)
    lacking = {name for name in NEEDED if importlib.util.find_spec(name) is None}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as content:
            tops = {entry.partition("/")[0] for entry in content.namelist()}
            wanted = wheel in own or tops & lacking or ("lightning_utilities" in tops and "lightning_fabric" in lacking)
            if wanted:
                content.extractall(site)
                lacking -= tops
    if lacking:
        names = " ".join(sorted(NEEDED[name] for name in lacking))
        raise KitError(f"this machine lacks {names}; put wheels of them into {store / 'wheels'} and call again")
    return site


def train(store: Path, out: Path, minutes: float, arguments: argparse.Namespace) -> None:
    """Smoke test, training, evaluation; what is worth keeping is copied into `out`, whatever happens."""
    absent = missing(store)
    if absent and not arguments.partial:
        raise KitError(f"{', '.join(absent)} did not come; carry them and `collect`, or train on the rest: --partial")
    manifest = read_manifest(store)
    out.mkdir(parents=True, exist_ok=True)
    run = store / "runs" / "run"
    summary: dict[str, Any] = {"recipe": manifest["recipe"], "missing_parts": absent, "minutes": minutes}
    with (out / "log.txt").open("a") as log:
        try:
            job = Job(manifest, store, install(store), log)
            summary["device"] = job.device()
            print(f"device: {summary['device']}")
            workers = ["--workers", str(arguments.workers), "--cache", str(store / "decoded")]
            if not (run / "last").is_dir():
                summary["smoke"] = job.smoke(arguments.smoke_steps, workers)
                print(f"smoke test: {summary['smoke']}", flush=True)
            resume = ["--resume"] if (run / "last").is_dir() else []
            job.fewclicks(
                "train", *job.recipe(), "--out", str(run), *workers, "--for", f"{round(60 * minutes)}s", *resume,
                "--minutes", str(min(2.0, minutes / 4)), "--evaluate", str(arguments.evaluate),
            )  # fmt: skip
            summary |= speed(run / "metrics.jsonl")
            measured = run / "evaluation.json"
            if measured.is_file():
                summary["evaluation"] = json.loads(measured.read_text())
        finally:
            keep(run, out, summary)
    print(json.dumps(summary, indent=1))


class Job:
    """Commands of the installed package, whose output goes to the screen and into the log."""

    def __init__(self, manifest: Any, store: Path, site: Path, log: Any) -> None:
        self.manifest, self.store, self.log = manifest, store, log
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(paths), "FEWCLICKS_DATA": str(store / "data"),
            "FEWCLICKS_CACHE": str(store / "cache"), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def recipe(self) -> list[str]:
        """The recipe and its changes, as the command line has them."""
        start = self.manifest["init"]
        path = self.store / start
        init = [f"init={path if start and path.exists() else start}"]
        return [self.manifest["recipe"], *init, *self.manifest["changes"]]

    def device(self) -> str:
        """The name of the GPU, or of what stands in for it."""
        code = (
            "import torch; c = torch.cuda; print(c.get_device_name() if c.is_available() else 'CPU', torch.__version__)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    def smoke(self, steps: int, workers: list[str]) -> dict[str, float]:
        """A few steps, thrown away: samples a second once it runs, and the seconds until the first step was done."""
        folder = self.store / "runs" / "smoke"
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        self.fewclicks("train", *self.recipe(), f"steps={steps}", "--out", str(folder), *workers)
        return {"seconds": round(time.monotonic() - began, 1), **speed(folder / "metrics.jsonl")}

    def fewclicks(self, *arguments: str) -> None:
        """Run a command; KitError if it fails."""
        command = [sys.executable, "-m", "fewclicks", *arguments]
        self.log.write(f"$ fewclicks {' '.join(arguments)}\n")
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout
        for line in process.stdout:
            self.log.write(line)
            print(line, end="", flush=True)
        self.log.flush()
        if process.wait():
            raise KitError(f"stopped with code {process.returncode} at: fewclicks {' '.join(arguments)}")


def speed(metrics: Path) -> dict[str, float]:
    """Steps, and samples a second: by the time from step to step, without the first ones, which compile and fill."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.is_file() else []
    recipe = metrics.with_name("recipe.json")
    if len(lines) < 3 or not recipe.is_file():
        return {"steps": len(lines)}
    batch = json.loads(recipe.read_text())["batch"]
    times = [line["elapsed"] for line in lines]
    gaps = [b - a for a, b in zip(times[len(times) // 4 :], times[len(times) // 4 + 1 :])]  # noqa: B905
    mean = max(statistics.fmean(gaps), 1e-9)
    waiting = statistics.fmean(line["waited"] for line in lines[len(lines) // 4 :])
    return {
        "steps": lines[-1]["step"],
        "samples_per_second": round(batch / mean, 1),
        "share_that_waits_for_data": round(min(1.0, waiting / mean), 3),
    }


def keep(run: Path, out: Path, summary: dict[str, Any]) -> None:
    """Copy what is worth keeping, all of it flat and none of it larger than LARGEST: what is larger comes in pieces."""
    wanted = [run / "model.onnx", run / "evaluation.json", run / "metrics.jsonl"]
    wanted += [run / "last" / name for name in ("model.safetensors", "config.json")]
    for file in wanted:
        if file.is_file() and file.stat().st_size <= LARGEST:
            shutil.copyfile(file, out / file.name)
        elif file.is_file():
            content = file.read_bytes()
            for i, start in enumerate(range(0, len(content), LARGEST)):
                (out / f"{file.name}.{i}").write_bytes(content[start : start + LARGEST])
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", "utf-8")


def main() -> None:
    """Do what is asked; one line and exit code 2 where it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting = verbs.add_parser("collect", help="check and unpack the parts that lie beside this file")
    collecting.add_argument("store", type=Path)
    training = verbs.add_parser("train", help="smoke test, training, evaluation")
    training.add_argument("store", type=Path)
    training.add_argument("--minutes", type=float, required=True, help="of training; the rest takes one or two more")
    training.add_argument("--out", type=Path, required=True, help="where results are left")
    training.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1))
    training.add_argument("--evaluate", type=int, default=64, help="objects to measure on at the end")
    training.add_argument("--smoke-steps", type=int, default=20)
    training.add_argument("--partial", action="store_true", help="train although parts are missing")
    given = parser.parse_args()
    try:
        if given.verb == "collect":
            absent = collect(given.store)
            print(f"still to come: {', '.join(absent)}" if absent else "all parts are here; now: run.py train")
        else:
            train(given.store, given.out, given.minutes, given)
    except KitError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
