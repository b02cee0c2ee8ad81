"""The contracts with those who use the package: each a text that is made anew and compared with its file in contracts/.

A change of one of these files is a change that users see: its commit says what changes and why it is better for them.

    make contracts     # write them anew
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent / folder) for folder in ("helpers", "models")]

FOLDER = Path(__file__).parent / "contracts"
COMMANDS = ("", "segment", "annotate", "export", "import", "bench", "train", "export-onnx", "quantise", "convert",
            "figures", "list", "build-coco-lvis", "doctor", "datasets", "compare", "backup",
            "restore", "check", "refine", "serve", "people", "people add", "people change")  # fmt: skip
CONVERTED = ("simpleclick_vit_xtiny", "ritm_hrnet18s", "focalclick_segformerB0_S2", "fbrs_resnet34_dh128")
UNSTEADY = ("seconds", "per_click", "commit", "version", "machine", "threads", "processes", "created_at", "uuid",
            "weights_sha256", "profile", "share_outside")  # fmt: skip
"""Parts of the names of fields that differ from run to run."""


def help_texts() -> str:
    """The help of every command, at a fixed width."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "TERM": "dumb", "NO_COLOR": "1"}
    texts = []
    for command in COMMANDS:
        asked = [sys.executable, "-m", "fewclicks", *command.split(), "--help"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
        texts.append(f"$ fewclicks {command}".rstrip() + "\n" + "\n".join(x.rstrip() for x in done.stdout.splitlines()))
    return "\n".join(texts) + "\n"


def session() -> str:
    """The document of a session: clicks, a loaded mask, something undone."""
    from fakes import gradient
    from fewclicks.api import open as open_session

    made = open_session(gradient(60, 80), "grow")
    made.click(20, 30)
    mask = np.zeros((60, 80), bool)
    mask[10:40, 10:50] = True
    made.load_mask(mask)
    made.click(60, 50, positive=False)
    made.click(5, 5)
    made.undo()
    return made.to_json() + "\n"


def journal() -> str:
    """What the store keeps of an object's history, as the API tells it, with ids and times left out."""
    from annotating import Api, client_of, journal, make_folder

    with tempfile.TemporaryDirectory() as folder, client_of(make_folder(Path(folder) / "photos")) as client:
        api = Api(client)
        made = api.new()["id"]
        api.click(made, 60, 40)
        api.act(made, "brush", points=[[10, 10], [20, 12]], radius_px=3, erase=False)
        api.step(made, "undo")
        api.step(made, "redo")
        api.act(made, "clean", fill_holes_px=5, drop_specks_px=5)
        api.act(made, "threshold", value=0.4)
        answers = {"photo": api("GET", "/photos/1"), "object": api("GET", f"/objects/{made}")}
        lines = [
            {"kind": line.kind, "payload": line.payload, "version": line.version, "predictor": line.predictor}
            for line in journal(client.annotator.store, 1)
        ]
    return json.dumps({"api": steady(answers), "journal": steady(lines)}, indent=1, sort_keys=True) + "\n"


def exported() -> str:
    """The SHA-256 of every file of every export of a small folder."""
    from exported import LABELS, apart, folder_of_photos, photo
    from fewclicks import formats as formats_module

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photos = folder_of_photos(
            Path(folder) / "photos",
            [photo("a.png", apart((60, 80)), (60, 80)), photo("sub/b.png", apart((70, 90)), (70, 90))],
        )
        for item in formats_module.formats():
            out = Path(folder) / item.name
            formats_module.export(item.name, photos, LABELS, out)
            rows += [f"{digest(file.read_bytes())}  {name}" for name, file in files_below(out)]
    return "\n".join(rows) + "\n"


def bench(cfr: int, method: str) -> str:
    """The report of GrabCut's first objects. Only what does not depend on the processor's arithmetic is kept."""
    from fakes import shared

    root = shared("benchmarks")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        asked = [sys.executable, "-m", "fewclicks", "bench", "grabcut", "--data-root", str(root), "--method", method,
                 "--cfr", str(cfr), "--limit", "12", "--threads", "2", "--full", "--json", str(out)]  # fmt: skip
        subprocess.run(asked, capture_output=True, text=True, check=True)
        return json.dumps(steady(json.loads(out.read_text())), indent=1, sort_keys=True) + "\n"


def converted() -> str:
    """The SHA-256 of the weights that published files are converted to, and their config."""
    import torch
    from test_convert import noise, state_of

    from fewclicks.checkpoints import checkpoint
    from fewclicks.checkpoints.convert import convert

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in CONVERTED:
            file, out = Path(folder) / f"{model}.pth", Path(folder) / model
            torch.save({"state_dict": state_of(model, noise)}, file)
            convert(file, out)
            config = checkpoint.read_config(out)
            kept = {key: config.get(key) for key in ("family", "title", "method", "preset", "network", "predictor")}
            rows.append(f"{model} {checkpoint.sha256(out / checkpoint.WEIGHTS)} {json.dumps(kept, sort_keys=True)}")
    return "\n".join(rows) + "\n"


CONTRACTS: dict[str, Callable[[], str]] = {
    "help.txt": help_texts,
    "session.json": session,
    "journal.json": journal,
    "exports.txt": exported,
    "bench_grow_cfr0.json": lambda: bench(0, "grow"),
    "bench_default_cfr0.json": lambda: bench(0, "default"),
    "bench_default_cfr1.json": lambda: bench(1, "default"),
    "converted.txt": converted,
}
"""The OpenAPI document is docs/openapi.json, which test_annotate_api holds."""


def steady(value: object, name: str = "") -> object:
    """JSON without what differs from run to run: times, ids, and digits that depend on the processor."""
    if isinstance(value, dict):
        return {key: steady(item, key) for key, item in value.items() if not any(part in key for part in UNSTEADY)}
    if isinstance(value, list):
        return [steady(item, name) for item in value]
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", value)
    return value


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of each file, sorted."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder.parent).as_posix(), file


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or CONTRACTS:
        text = CONTRACTS[name]()
        (FOLDER / name).write_text(text, "utf-8")
        print(f"{name}: {len(text):,} characters")
