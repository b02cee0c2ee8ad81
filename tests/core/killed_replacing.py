"""Run what replaces files and folders again and again, and kill it at each of its calls of the file system.

`python killed_replacing.py FOLDER MODE:OPERATION ...` forks a process for every call, has it killed right before that
call, and prints how each place looks then. Modes: "exchange", as this system does it; "aside", as one that cannot
exchange two names at once.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from fewclicks import formats
from fewclicks.checkpoints import checkpoint
from fewclicks.files import replace
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label

CALLS = ("open", "os.", "shutil.", "fcntl.flock")


def at_call(number, work):
    """Do the work in a process that is killed right before its call `number`; whether it was."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    left = number

    def count():
        nonlocal left
        left -= 1
        if left == -1:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(function):
        def call(*arguments):
            count()
            return function(*arguments)

        return call

    os.fsync = counted(os.fsync)
    replace._exchange = counted(replace._exchange)
    sys.addaudithook(lambda event, _: count() if event.startswith(CALLS) else None)
    work()
    os._exit(0)


def file_version(target):
    text = target.read_bytes() if target.exists() else b""
    return (
        text[:1].decode() if text in (b"1" * 100_000, b"2" * 100_000) else "none" if not target.exists() else "broken"
    )


def write_file(target, version):
    replace.replace_file(target, lambda file: file.write(version.encode() * 100_000))


def saved(target, version):
    files = {name: {"w": torch.full((2,), float(version))} for name in (checkpoint.WEIGHTS, "training.safetensors")}
    checkpoint.save(target, files, {"step": version})


def checkpoint_version(target):
    try:
        config = checkpoint.read_config(target)
        both = [checkpoint.read_tensors(target, file)["w"] for file in (checkpoint.WEIGHTS, "training.safetensors")]
    except checkpoint.CheckpointError as error:
        return "none" if "it has no config.json" in str(error) and not target.exists() else f"broken: {error}"
    assert {float(tensor[0]) for tensor in both} == {float(config["step"])}
    return config["step"]


def exported(target, version, name="voc"):
    mask = np.zeros((9, 9), bool)
    mask[2:5, 2:5] = True
    photos = [AnnotatedPhoto(f"{version}.jpg", (9, 9), objects=[Annotation(mask=mask, label="cat")], state="done")]
    formats.export(name, photos, [Label("cat", (1, 2, 3))], target, overwrite=True)


def export_version(target):
    replace.recover(target)
    listing = target / ".fewclicks-export.json"
    if not target.exists():
        return "none"
    files = json.loads(listing.read_text())["files"]
    assert sorted(files) == sorted(
        f.relative_to(target).as_posix() for f in target.rglob("*") if f.is_file() and f != listing
    )
    return "1" if any("1.xml" in file for file in files) else "2"


def export_file_version(target):
    return json.loads(target.read_text())["images"][0]["file_name"][:1] if target.exists() else "none"


OPERATIONS = {
    "file": (write_file, file_version),
    "checkpoint": (saved, checkpoint_version),
    "export": (exported, export_version),
    "export.json": (lambda target, version: exported(target, version, "coco"), export_file_version),
}


def outcomes(name, mode, folder):
    """For each call: was there an old version, was it killed, is something there, which version is, what lies beside it
    after the next whole run."""
    work, version = OPERATIONS[name]
    for old in (True, False):
        number, killed = 0, True
        while killed:
            place = folder / f"{mode}-{name}-{old}-{number}"
            place.mkdir(parents=True)
            target = place / (name if "." in name else "last")
            (place / ".last.tmp").write_text("somebody else's")
            if old:
                work(target, "1")
            killed = at_call(number, lambda target=target: work(target, "2"))
            there, found = target.exists(), version(target)
            work(target, "2")
            left = sorted(path.name for path in place.iterdir() if path != target)
            yield {"operation": name, "mode": mode, "old": old, "call": number, "killed": killed, "there": there,
                   "found": found, "then": version(target), "left": left}  # fmt: skip
            number += 1


def main(folder, *asked):
    exchange, rows = replace._exchange, []
    for mode, name in (one.split(":") for one in asked):
        replace._exchange = exchange if mode == "exchange" else lambda one, other: False
        rows += outcomes(name, mode, Path(folder))
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
