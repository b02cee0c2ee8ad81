"""100,000 inputs that no one wrote by hand, through every reader, in children with limits.

Two engines make them. `mutations.py` changes valid inputs at random: input number n of a seed is always the same. For
the readers written in Python, every other batch is made by libFuzzer (atheris), led by the coverage of fewclicks' own
code.

A fault is an error that is no FewClicksError, a child that dies, an input that takes more than ten seconds, or more
than 1 GB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from attack.record import Entry, Limits, Record
from attack.targets import TARGETS

HANG_S = 10.0
MEMORY_MB = 1024
ADDRESS_BYTES = 6 * 2**30
"""What stops a child that takes ever more: torch alone reserves two of these."""
BATCH = 1000
FILES = 80_000
"""Of the 100,000: the others are requests."""
KEPT = Path(__file__).resolve().parents[2] / "out" / "attack"
"""Inputs that did harm are kept here."""
WANTED: Limits = {
    "inputs": ("at least", FILES),
    "crashes": ("at most", 0),
    "hangs over 10 s": ("at most", 0),
    "over 1 GB": ("at most", 0),
}
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def made(name: str, seeds: list[bytes], seed: int, number: int) -> bytes:
    """Input number so-and-so of a target."""
    from attack.mutations import changed

    return changed(seeds, random.Random(f"{name} {seed} {number}"), TARGETS[name].text)


def reset_peak() -> None:
    """Have the kernel measure this process's peak of memory anew."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_mb() -> int:
    """The peak since `reset_peak`."""
    found = re.search(rb"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_bytes())
    return int(found[1]) // 1024 if found else 0


def tried(name: str, data: bytes, place: Path) -> tuple[str, str] | None:
    """What is wrong with how a target reads an input: (count, what), or None."""
    from fewclicks.errors import FewClicksError

    reset_peak()
    try:
        TARGETS[name].read(data, place)
    except FewClicksError as error:
        if "\n" in str(error).strip() and len(str(error)) > 4000:
            return "crashes", f"an error of {len(str(error))} characters"
    except MemoryError:
        return "over 1 GB", "MemoryError"
    except Exception as error:
        return "crashes", f"{type(error).__module__}.{type(error).__name__}: {error}"
    peak = peak_mb()
    return ("over 1 GB", f"{peak} MB") if peak > MEMORY_MB else None


def child(name: str, seed: int, first: int, last: int, progress: Path) -> None:
    """Read inputs first..last-1; says which one it is at in a shared file, and faults on stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    warnings.simplefilter("ignore")
    seeds = list(TARGETS[name].seeds())
    print("began", flush=True)
    with open(progress, "r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
        for number in range(first, last):
            shared[:16] = struct.pack("qd", number, time.time())
            found = tried(name, made(name, seeds, seed, number), Path.cwd())
            if found:
                print(json.dumps([number, *found]), flush=True)
        shared[:16] = struct.pack("qd", last, time.time())


class Batch:
    """A child at work on one target, watched."""

    def __init__(self, entry: Entry, name: str, seed: int) -> None:
        self._entry, self._name, self._seed = entry, name, seed
        self._place = Path(tempfile.mkdtemp(prefix="attack-inputs-", dir=SHM))

    def run(self, first: int, last: int) -> None:
        """Inputs first..last-1; one that kills its child or holds it up is a fault, the next ones get a new child."""
        while first < last:
            progress = self._place / "progress"
            progress.write_bytes(struct.pack("qd", first, time.time()))
            arguments = [self._name, str(self._seed), str(first), str(last), str(progress)]
            process = self._started("child", *arguments)
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
                number, since = struct.unpack("qd", progress.read_bytes())
                if time.time() - since > HANG_S + (20 if number == first else 0):  # the imports too
                    process.kill()
            said = (self._place / "said").read_text("utf-8", "replace")
            if not said.startswith("began"):
                raise RuntimeError(f"the child of '{self._name}' did not begin: {self._errors()}")
            self._tell(said)
            number, since = struct.unpack("qd", progress.read_bytes())
            if number < last:
                hung = process.wait() == -9 and time.time() - since > HANG_S
                count = "hangs over 10 s" if hung else "crashes"
                self._fault(count, f"the child ended with {process.returncode}; {self._errors()}", number)
            self._entry.add(inputs=number - first + (number < last), **{f"inputs of {self._name}": number - first})
            first = number + 1 if number < last else last

    def run_guided(self, runs: int) -> None:
        """So many inputs by libFuzzer."""
        KEPT.mkdir(parents=True, exist_ok=True)
        process = self._started("guided", self._name, str(self._seed), str(runs))
        code = process.wait()
        errors = (self._place / "errors").read_text("utf-8", "replace")
        found = re.search(r"number_of_executed_units:\s*(\d+)", errors)
        done = int(found[1]) if found else 0
        for line in (self._place / "said").read_text("utf-8", "replace").splitlines():
            with contextlib.suppress(ValueError):
                kept, count, what = json.loads(line)
                self._entry.fault(count, f"{self._name}: {what}", f"coverage-guided; the input is out/attack/{kept}")
        if code not in (0,) and not found:
            hung = "libFuzzer: timeout" in errors
            kept = re.findall(r"Test unit written to \S*/(\S+)", errors)
            self._entry.fault(
                "hangs over 10 s" if hung else "crashes",
                f"{self._name}: {errors[-300:]}",
                f"coverage-guided, seed {self._seed}; {kept}",
            )
        covered = re.findall(r"cov: (\d+)", errors)
        if covered:
            most = max(int(covered[-1]), self._entry.counts.get(f"edges covered in {self._name}", 0))
            self._entry.counts[f"edges covered in {self._name}"] = most
        self._entry.add(inputs=done, **{f"inputs of {self._name}": done, "inputs led by coverage": done})

    def close(self) -> None:
        """Remove what it wrote."""
        shutil.rmtree(self._place, ignore_errors=True)

    def _started(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        variables = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with open(self._place / "said", "wb") as said, open(self._place / "errors", "wb") as errors:
            module = "attack.guided" if what == "guided" else "attack.inputs"
            return subprocess.Popen(
                [sys.executable, "-m", module, what, *arguments],
                cwd=self._place,
                stdout=said,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env=variables,
            )

    def _errors(self) -> str:
        return " ".join((self._place / "errors").read_text("utf-8", "replace").split())[-300:]

    def _tell(self, said: str) -> None:
        for line in said.splitlines():
            with contextlib.suppress(ValueError):
                number, count, what = json.loads(line)
                self._fault(count, what, number)

    def _fault(self, count: str, what: str, number: int) -> None:
        how = f"python -m attack.inputs one '{self._name}' {self._seed} {number}"
        self._entry.fault(count, f"{self._name}: {what}", how)


def one(name: str, seed: int, number: int) -> None:
    """Make one input again, keep it, and read it."""
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        data = made(name, list(TARGETS[name].seeds()), seed, number)
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = KEPT / f"{re.sub('[^a-z0-9]+', '-', name)}-{seed}-{number}"
        kept.write_bytes(data)
        print(f"{len(data):,} bytes, kept as {kept}", flush=True)
        TARGETS[name].read(data, Path(place))


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """Batches of each target in turn, until as many inputs are counted as are wanted, or the time is over."""
    entry = record.entry("inputs", {"memory MB": MEMORY_MB, "seconds": HANG_S}, WANTED)
    total = sum(target.share for target in TARGETS.values())
    can_guide = not subprocess.run(
        [sys.executable, "-c", "import atheris"], capture_output=True, check=False
    ).returncode
    while time.monotonic() < until:
        left = {
            name: FILES * target.share // total + 1 - entry.counts.get(f"inputs of {name}", 0)
            for name, target in TARGETS.items()
        }
        if max(left.values()) <= 0:
            break
        for name, wanted in left.items():
            if wanted <= 0 or time.monotonic() > until:
                continue
            first, size = entry.counts.get(f"inputs of {name}", 0), min(40 if quick else BATCH, wanted)
            batch = Batch(entry, name, seed + first if TARGETS[name].guided else seed)
            try:
                if TARGETS[name].guided and can_guide and entry.counts.get(f"batches of {name}", 0) % 2:
                    batch.run_guided(size)
                else:
                    batch.run(first, first + size)
                entry.counts[f"batches of {name}"] = entry.counts.get(f"batches of {name}", 0) + 1
            finally:
                batch.close()
        if quick:
            break
    return entry


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["child", "one"])
    parser.add_argument("name", choices=TARGETS)
    parser.add_argument("numbers", nargs="*")
    asked = parser.parse_args()
    if asked.what == "child":
        child(asked.name, *map(int, asked.numbers[:3]), Path(asked.numbers[3]))
    else:
        one(asked.name, *map(int, asked.numbers))
