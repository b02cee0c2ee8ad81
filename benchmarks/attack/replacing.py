"""kill -9 while a checkpoint, an export, a picture or the database of an import is replaced: one whole version stays.

Each case is killed before every step of its replacement that the interpreter tells of (opening, renaming, removing,
making folders, syncing), then at random moments of the real commands. After each kill the old or the new version must
be there, whole, under its name, or come back when the next program looks; the same replacement done again must succeed,
and leave nothing else behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from attack.record import Entry, Limits, Record
from attack.servers import Nursery, is_alive, kill
from fewclicks import formats
from fewclicks.errors import FewClicksError
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label

STEPS = frozenset(
    [
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.chmod",
        "os.utime",
        "os.truncate",
        "os.listdir",
        "os.scandir",
        "shutil.rmtree",
        "shutil.move",
        "shutil.copyfile",
        "sqlite3.connect",
    ]
)
"""Events of sys.addaudithook before which a child is killed; os.fsync has none, and is wrapped."""
HW = (24, 32)
RANDOM_KILLS = 120
"""Of the real commands."""
WANTED: Limits = {
    "kills": ("at least", 100),
    "random kills": ("at least", RANDOM_KILLS),
    "without a whole version": ("at most", 0),
    "failed the next time": ("at most", 0),
    "left behind": ("at most", 0),
}


@dataclass(frozen=True, slots=True)
class Case:
    """Something that is replaced in a folder: by version 2, over version 1."""

    write: Callable[[Path, int], object]
    version: Callable[[Path], int]
    """Which version is there, whole; an error if none is."""
    names: tuple[str, ...]
    """All that lies in the folder afterwards."""


def photos(version: int) -> tuple[list[AnnotatedPhoto], list[Label]]:
    """What versions of an export hold: two photos, objects as many as the number says."""
    found = []
    for name in ("a.png", "b.png"):
        masks = np.zeros((version, *HW), bool)
        for number in range(version):
            masks[number, 3 : 15 + number, 4 + number : 20] = True
        objects = [Annotation(mask=mask, label="cat") for mask in masks]
        found.append(AnnotatedPhoto(name, HW, objects=objects, state="done"))
    return found, [Label("cat", (1, 2, 3))]


def exported(name: str, out: str) -> Case:
    """An export in a format."""

    def write(place: Path, version: int) -> None:
        formats.export(name, *photos(version), place / out, overwrite=True)

    def version(place: Path) -> int:
        hashes = [tree_hash(reference(name, out, number)) for number in (1, 2)]
        return 1 + hashes.index(tree_hash(place / out))

    return Case(write, version, (out,))


_references: dict[tuple[str, int], Path] = {}


def reference(name: str, out: str, version: int) -> Path:
    """An export that nobody disturbed, to compare with."""
    key = (f"{name} {out}", version)
    if key not in _references:
        _references[key] = Path(tempfile.mkdtemp(dir=Path.cwd())) / out
        formats.export(name, *photos(version), _references[key])
    return _references[key]


def tree_hash(root: Path) -> str:
    """Of all files under a folder, or of a file."""
    files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def write_checkpoint(place: Path, version: int) -> None:
    """Two files of tensors and a config."""
    import torch

    from fewclicks.checkpoints import checkpoint

    tensors = {"w": torch.full((64, 64), float(version))}
    checkpoint.save(place / "last", {"model.safetensors": tensors, "train.safetensors": tensors}, {"step": version})


def checkpoint_version(place: Path) -> int:
    """Tensors and config must be of one version."""
    from fewclicks.checkpoints import checkpoint

    step = int(checkpoint.read_config(place / "last")["step"])
    for file in ("model.safetensors", "train.safetensors"):
        if not (checkpoint.read_tensors(place / "last", file)["w"] == step).all():
            raise ValueError(f"{file} is not of step {step}")
    return step


def write_picture(place: Path, version: int) -> None:
    """A mask, as `segment` writes it."""
    from fewclicks import visualization

    visualization.save(np.full((400, 600), version == 2), place / "mask.png")


def picture_version(place: Path) -> int:
    """By its first pixel; all must be the same."""
    with PIL.Image.open(place / "mask.png") as picture:
        levels = np.unique(np.asarray(picture))
    (level,) = levels
    return 2 if level else 1


def write_import(place: Path, version: int) -> None:
    """Version 1: a database without objects. Version 2: an import of a LabelMe file, four objects on a photo."""
    from fewclicks.annotator.services.import_export import import_from
    from fewclicks.annotator.services.photos import PhotoFolder
    from fewclicks.annotator.store.objects import Store

    root = place / "photos"
    if version == 1:
        root.mkdir()
        PIL.Image.new("RGB", (HW[1], HW[0])).save(root / "a.png")
        formats.export("labelme", photos(4)[0][:1], photos(4)[1], place / "import")
    with Store(root) as store:
        store.add_photos(["a.png"])
        store.change_photo(store.photos()[0].id, hw=HW)
        if version == 2:
            import_from(PhotoFolder(root), store, place / "import", "labelme", lambda done, total: None)


def import_version(place: Path) -> int:
    """None of the objects, or all."""
    from fewclicks.annotator.store.objects import Store

    with Store(place / "photos") as store:
        count = sum(photo.objects for photo in store.photos())
    return {0: 1, 4: 2}[count]


CASES = {
    "checkpoint": Case(write_checkpoint, checkpoint_version, ("last",)),
    "export to a folder": exported("coco", "out"),
    "export with pictures": exported("voc", "out"),
    "export to a file": exported("coco", "out.json"),
    "picture": Case(write_picture, picture_version, ("mask.png",)),
    "import": Case(write_import, import_version, ("import", "photos")),
}


class Killer:
    """Counts the steps of this process, and kills it before one of them."""

    def __init__(self) -> None:
        self.at = self.until = 0
        sys.addaudithook(self._heard)
        self._fsync = os.fsync
        os.fsync = self._synced

    def arm(self, until: int) -> None:
        """Die before step number `until`; 0 only counts."""
        self.at, self.until, self.armed = 0, until, True

    armed = False

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.armed and event in STEPS:
            self._step()

    def _synced(self, number: Any) -> None:
        if self.armed:
            self._step()
        self._fsync(number)

    def _step(self) -> None:
        self.at += 1
        if self.at == self.until:
            os.kill(os.getpid(), signal.SIGKILL)


def forked(work: Callable[[], object]) -> int:
    """The exit code of a fork that does it; its killing signal as a negative number."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def say(**found: Any) -> None:
    """A line for the parent."""
    print(json.dumps(found), flush=True)


def looked_at(case: Case, place: Path, where: str) -> None:
    """Whether one whole version is there after a kill, and whether the next replacement succeeds."""
    try:
        case.version(place)
    except Exception as error:
        say(fault="without a whole version", what=f"{where}: {type(error).__name__}: {error}")
    try:
        case.write(place, 2)
        if case.version(place) != 2:
            raise ValueError("the old version is still there")
    except Exception as error:
        say(fault="failed the next time", what=f"{where}: {type(error).__name__}: {error}")
    beside = sorted(set(os.listdir(place)) - set(case.names))
    if beside:
        say(fault="left behind", what=f"{where}: {', '.join(beside)[:200]}")


def every_step(name: str) -> None:
    """Kill a case before each of its steps in turn."""
    case, killer, scratch = CASES[name], Killer(), Path.cwd()
    with contextlib.suppress(FewClicksError):  # so that everything is imported
        case.write(scratch, 1)
        case.write(scratch, 2)
        case.version(scratch)
    for step in range(1, 10_000):
        place = Path(tempfile.mkdtemp(dir=scratch))
        case.write(place, 1)

        def replace(step: int = step, place: Path = place) -> None:
            killer.arm(step)
            case.write(place, 2)

        code = forked(replace)
        if code == 0:
            break
        if code != -signal.SIGKILL:
            say(fault="failed the next time", what=f"{name}, step {step}: it ended with {code}")
        looked_at(case, place, f"{name}, step {step}")
        say(kills=1)
        shutil.rmtree(place)


def at_random(entry: Entry, name: str, nursery: Nursery, rng: random.Random, until: float, kills: int) -> None:
    """Kill the real command `fewclicks export` at random moments."""
    root = Path(tempfile.mkdtemp(prefix="attack-replacing-"))
    try:
        write_import(root, 1)
        write_import(root, 2)
        out, format_name = {"folder": ("out", "voc"), "file": ("out.json", "coco"), "zip": ("out.zip", "labelme")}[name]
        log, place = root / "log", root / "place"
        place.mkdir()
        arguments = ["export", str(root / "photos"), "--format", format_name, "-o", str(place / out), "--overwrite"]

        def run(kill_after: float | None) -> float:
            pid, began = nursery.start(arguments, log), time.monotonic()
            while is_alive(pid) and (kill_after is None or time.monotonic() - began < kill_after):
                time.sleep(0.001)
            took = time.monotonic() - began
            kill(pid)
            return took

        run(None)
        longest, before = max(run(None) for _ in range(3)), content(place / out)
        for number in range(kills):
            if time.monotonic() > until:
                return
            run(rng.uniform(0, longest))
            where = f"{name}, random kill {number}"
            if not (place / out).exists() or content(place / out) != before:
                entry.fault("without a whole version", where, f"make attack ONLY=replacing, {where}")
            run(None)
            if not (place / out).exists() or content(place / out) != before:
                entry.fault("failed the next time", f"{where}: {log.read_text()[-200:]}", where)
            if beside := sorted(set(os.listdir(place)) - {out}):
                entry.fault("left behind", f"{where}: {', '.join(beside)[:200]}", where)
                for item in beside:
                    shutil.rmtree(place / item) if (place / item).is_dir() else (place / item).unlink()
            entry.add(**{"random kills": 1})
    finally:
        shutil.rmtree(root, ignore_errors=True)


def content(path: Path) -> str:
    """Of a .zip the files in it: its times differ."""
    import zipfile

    if path.suffix != ".zip":
        return tree_hash(path)
    with zipfile.ZipFile(path) as archive:
        return str([(info.filename, info.CRC) for info in archive.infolist()])


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """All steps of all cases, then random moments."""
    entry = record.entry("replacing", {"cases": sorted(CASES)}, WANTED)
    names: Iterable[str] = CASES
    for name in names:
        if entry.counts.get(f"kills of {name}"):
            continue
        with tempfile.TemporaryDirectory(prefix="attack-replacing-") as place:
            variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            command = [sys.executable, "-m", "attack.replacing", name]
            done = subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, check=False)
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for line in said:
            if "fault" in line:
                entry.fault(line["fault"], line["what"], f"python -m attack.replacing '{name}'")
        kills = sum(line.get("kills", 0) for line in said)
        if done.returncode or not kills:
            entry.fault("failed the next time", f"{name}: {done.stderr[-300:]}", f"python -m attack.replacing '{name}'")
        entry.add(kills=kills, **{f"kills of {name}": kills})
    rng, left = random.Random(seed), RANDOM_KILLS - entry.counts.get("random kills", 0)
    with Nursery() as nursery:
        for name in ("folder", "file", "zip"):
            end = time.monotonic() + 4 if quick else until
            at_random(entry, name, nursery, rng, end, 2 if quick else left // 3 + 1)
    return entry


if __name__ == "__main__":
    every_step(sys.argv[1])
