"""darktable's object masks: our predictor as a model of its SegNext kind, in a file that darktable installs.

    write_model_file("default", Path("fewclicks.dtmodel"))      # or: fewclicks export-onnx default OUT --darktable

darktable shows the encoder the photo in [0, 1], its longer side of 1024 pixels, in the upper left corner of a black
square. The decoder is given what the encoder gave, all clicks, and the mask that it gave last, and runs without graph
optimization on the CPU. Its mask is a probability.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxscript import FLOAT, script
from onnxscript import opset20 as op
from onnxscript.values import OnnxFunction

from fewclicks.errors import InputError
from fewclicks.files.replace import replace_file
from fewclicks.integrations.zoom_graph import OURS, Weights, answer_function, finished
from fewclicks.methods.default import WEIGHTS, Options, weights_hash

MODEL_ID = "mask-object-fewclicks"
"""Also the name of the folder that darktable makes."""
SUFFIX = ".dtmodel"
SIDE = 1024
PHOTO, MASK = FLOAT[1, 3, SIDE, SIDE], FLOAT[1, 1, SIDE, SIDE]
ENCODER = ([PHOTO], [PHOTO])
DECODER = ([PHOTO, FLOAT[1, "num_points", 2], FLOAT[1, "num_points"], MASK], [MASK])
"""Inputs and outputs of the two."""

CARD: Mapping[str, str] = {
    "long_description": "Cuts out what is clicked on and corrects its own mask with each further click, by CFR-ICL "
    "(cascade-forward refinement, iterative click loss) on a convolutional network that is fast on a CPU.",
    "scope": "interactive object segmentation",
    "author": "the fewclicks authors",
    "paper": "https://arxiv.org/abs/2303.05620",
    "license": "code: Apache-2.0; weights: see the terms of the training data",
}
SHIPPED_CARD: Mapping[str, str] = {
    "training_data": "8,248 photos of 19 public sets, among them PASCAL VOC 2012 + SBD, COCO, Clothing Co-Parsing and "
    "BSDS; README.md in this model's folder lists them all; none of GrabCut, Berkeley and DAVIS",
    "training_data_license": "mixed: CC BY 4.0, CC0, academic and non-commercial research, some without terms",
    "notes": "for products clear the terms of each set first; trained by recipes/compact.py of fewclicks",
}
"""What is said of the weights that come with fewclicks."""


@script(OURS, default_opset=op)
def encode(image):
    """The photo as it is."""
    image_feats = op.Identity(image)
    return image_feats


def decoder(used: Options) -> OnnxFunction:
    """The function `decode`, with the options of a predictor."""
    answer = answer_function(used)

    @script(OURS, default_opset=op)
    def decode(image_feats, point_coords, point_labels, prev_mask):
        """The prob after all clicks: a mask that is not empty is corrected, else the clicks begin a new one."""
        x, y = op.Split(op.Squeeze(point_coords, [0]), axis=1, num_outputs=2)
        points = op.Max(op.Min(op.Concat(y, x, axis=1), 1023.0), 0.0)
        labels = op.Unsqueeze(op.Squeeze(point_labels, [0]), [1])
        given = op.ReduceMax(prev_mask, keepdims=0) > 0.5
        nothing = op.Constant(value_floats=[0.0, 0.0])
        mask = answer(image_feats, points, labels, prev_mask, given, nothing, nothing, given)
        return mask

    return decode


def write_model_file(weights: str, out: Path, half: bool = False, **settings: Any) -> list[Path]:
    """Write a .dtmodel: a ZIP of one folder with config.json, encoder, decoder and card; return its path.

    The arguments are those of `Weights.read`. InputError where `out` has another suffix, or cannot be written.
    """
    if out.suffix != SUFFIX:
        raise InputError(f"darktable installs files named *{SUFFIX}, got '{out.name}'; name it {out.stem}{SUFFIX}")
    read = Weights.read(weights, half, **settings)
    is_shipped = read.about["weights_sha256"] == weights_hash(WEIGHTS)
    card = {**CARD, **(SHIPPED_CARD if is_shipped else _card_of(read))}
    config = {
        "id": MODEL_ID,
        "name": "mask fewclicks",
        "description": "fewclicks: object masks by clicks that correct the mask",
        "task": "mask",
        "arch": "segnext",
        "backend": "onnx",
        "version": "1.0",
        "tiling": False,
        "model_card": card,
    }
    text = WEIGHTS.with_name("README.md").read_text("utf-8") if is_shipped else _page(card)
    files = {
        "config.json": (json.dumps(config, indent=4) + "\n").encode(),
        "README.md": text.encode(),
        "encoder.onnx": finished(encode, *ENCODER, read).SerializeToString(),
        "decoder.onnx": finished(decoder(read.options), *DECODER, read).SerializeToString(),
    }
    replace_file(out, lambda file: file.write(_zipped(files)))
    return [out]


def _card_of(weights: Weights) -> dict[str, str]:
    """What is known of other weights."""
    told = {entry.key: entry.value for entry in weights.model.metadata_props}
    recipe = json.loads(told.get("recipe") or "{}")
    sets = ", ".join(map(str, recipe.get("sets", []))) if isinstance(recipe, dict) else ""
    return {
        "training_data": sets or "not told by the weights",
        "training_data_license": "not told by the weights",
        "notes": f"weights with sha256 {weights.about['weights_sha256']}",
    }


def _page(card: Mapping[str, str]) -> str:
    rows = (f"| {key.replace('_', ' ')} | {value} |" for key, value in card.items())
    return "\n".join(("# fewclicks for darktable", "", "| | |", "|---|---|", *rows, ""))


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of a folder MODEL_ID with these files, the same bytes for the same files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(f"{MODEL_ID}/{name}")
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return content.getvalue()
