"""SAM's pair of ONNX files as a predictor, run as other programs run it: to measure what a pair is worth.

fewclicks bench grabcut --method fewclicks.integrations.sam_pair --set pair=out
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.engines.onnx_metadata import read_metadata
from fewclicks.errors import CheckpointError
from fewclicks.methods.options import from_options
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image

As = Literal["script", "x-anylabeling"]

FRAME = 1024
"""Points are in pixels of the photo with its longer side as long."""
LOW = 256
CANVAS = (684, 1024)
"""Height and width of what X-AnyLabeling shows the encoder: the photo in the upper left corner, as large as fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `build`."""

    pair: str | os.PathLike[str]
    """The folder with encoder.onnx and decoder.onnx."""
    run_as: As = "script"
    """script: the photo as it is, and low_res_masks come back with the next click, as SAM's authors do.
    x-anylabeling: the photo on a canvas, and each click is answered anew from all clicks."""
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class SamPair:
    """A pair and the program that it is run as."""

    encoder: Any
    decoder: Any
    run_as: As

    def start(self, image: Image) -> State:
        """Encode the photo."""
        shown = image if self.run_as == "script" else cv2.warpAffine(image, _onto_canvas(image), CANVAS[::-1])
        embedding = self.encoder.run(None, {self.encoder.get_inputs()[0].name: shown.astype(np.float32)})[0]
        return replace(blank(image), memo={"embedding": embedding, "low": None})

    def step(self, state: State, clicks: Clicks) -> State:
        """Decode all clicks; as a script with the mask that was there before."""
        hw = (state.image.shape[0], state.image.shape[1])
        is_script = self.run_as == "script"
        low = state.memo["low"] if is_script else None
        scale = FRAME / max(hw) if is_script else float(_onto_canvas(state.image)[0, 0])
        points = clicks.to_array()
        feed = {
            "image_embeddings": state.memo["embedding"],
            "point_coords": np.append(points[:, :2] * np.float32(scale), [[0, 0]], axis=0)[None].astype(np.float32),
            "point_labels": np.append(points[:, 2], [-1])[None].astype(np.float32),
            "mask_input": low if low is not None else np.zeros((1, 1, LOW, LOW), np.float32),
            "has_mask_input": np.array([low is not None], np.float32),
            "orig_im_size": np.array(hw if is_script else CANVAS, np.float32),
        }
        masks, _, low = self.decoder.run(["masks", "iou_predictions", "low_res_masks"], feed)
        logits = masks[0, 0]
        if not is_script:
            logits = cv2.warpAffine(logits, np.linalg.inv(_onto_canvas(state.image, 3))[:2], hw[::-1])
        prob = np.asarray(1 / (1 + np.exp(-logits)), np.float32)
        return replace(state, prob=prob, memo={**state.memo, "low": low})


def _onto_canvas(image: Image, rows: int = 2) -> NDArray[np.float64]:
    scale = min(CANVAS[1] / image.shape[1], CANVAS[0] / image.shape[0])
    return np.diag([scale, scale, 1.0])[:rows]


def build(**options: Any) -> Predictor:
    """Load a pair; see `Options`. CheckpointError where there is none."""
    used = from_options(Options, options)
    return SamPair(_session(used, "encoder.onnx"), _session(used, "decoder.onnx"), used.run_as)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings: how the pair is run, and the weights in it."""
    used = from_options(Options, options)
    told = read_metadata(Path(used.pair) / "decoder.onnx")
    about = {"pair": Path(used.pair).name, "run_as": used.run_as, "threads": used.threads}
    return {**about, "weights_sha256": told.get("weights_sha256", ""), "onnxruntime": ort.__version__}


def _session(used: Options, name: str) -> Any:
    path = Path(used.pair) / name
    if not path.is_file():
        raise CheckpointError(f"there is no {path}; write the pair with: fewclicks export-onnx default DIR --sam")
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = used.threads or 0
    try:
        return ort.InferenceSession(os.fspath(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise CheckpointError(f"{path} cannot be loaded ({str(error).splitlines()[0]}); write it again") from None
