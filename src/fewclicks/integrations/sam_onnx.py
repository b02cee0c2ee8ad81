"""Segment Anything's pair of ONNX files, encoder and decoder, with our predictor inside.

    write_pair("default", Path("out"))      # or: fewclicks export-onnx default out --sam

A program that runs SAM's files runs these. The encoder hands the photo on; the decoder does the work, and zooms in as
fewclicks does (see zoom_graph). X-AnyLabeling loads the folder by the config that lies in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnxscript import FLOAT, script
from onnxscript import opset20 as op
from onnxscript.values import OnnxFunction

from fewclicks.errors import InputError
from fewclicks.files.replace import write_text
from fewclicks.integrations.zoom_graph import (
    OURS,
    Weights,
    answer_function,
    finished,
    resized,
    whole,
    write_model,
)  # fmt: skip
from fewclicks.methods.default import Options

LOW = 256
"""Side of low_res_masks: the photo in the upper left corner, its longer side as long."""
CONFIG = "fewclicks.yaml"
X_ANYLABELING = """type: segment_anything
name: fewclicks
provider: fewclicks
display_name: fewclicks
encoder_model_path: encoder.onnx
decoder_model_path: decoder.onnx
input_size: 1024
max_width: 1024
max_height: 682
"""
"""What X-AnyLabeling loads as a custom model."""

PHOTO = FLOAT[1, 3, "image_height", "image_width"]
ENCODER = ([FLOAT["image_height", "image_width", 3]], [PHOTO])
DECODER = (
    [PHOTO, FLOAT[1, "num_points", 2], FLOAT[1, "num_points"], FLOAT[1, 1, "mask_height", "mask_width"],
     FLOAT[1], FLOAT[2]],
    [FLOAT[1, 1, "height", "width"], FLOAT[1, 1], FLOAT[1, 1, LOW, LOW]],
)  # fmt: skip
"""Inputs and outputs of the two."""


@script(OURS, default_opset=op)
def encode(input_image):
    """The photo, HxWx3 of 0 to 255, as it is."""
    image_embeddings = op.Unsqueeze(op.Transpose(input_image, perm=[2, 0, 1]), [0]) / 255.0
    return image_embeddings


def decoder(used: Options) -> OnnxFunction:
    """The function `decode`, with the options of a predictor."""
    answer = answer_function(used)

    @script(OURS, default_opset=op)
    def decode(image_embeddings, point_coords, point_labels, mask_input, has_mask_input, orig_im_size):
        """What SAM's decoder does, by the clicks in their order, a box, or a mask that is to be corrected."""
        hw = op.Cast(op.Shape(image_embeddings, start=2), to=1)
        longest = op.ReduceMax(hw, keepdims=0)
        x, y = op.Split(op.Squeeze(point_coords, [0]) * (longest / 1024.0), axis=1, num_outputs=2)
        points = op.Max(op.Min(op.Concat(y, x, axis=1), hw - 1.0), 0.0)
        labels = op.Unsqueeze(op.Squeeze(point_labels, [0]), [1])
        corner = labels >= 2.0
        box_start = op.Floor(op.ReduceMin(op.Where(corner, points, 1e9), [0], keepdims=0) + 0.5)
        box_stop = op.Floor(op.ReduceMax(op.Where(corner, points, -1.0), [0], keepdims=0) + 0.5)
        boxed = op.ReduceMax(labels, keepdims=0) >= 2.0

        mask_hw = op.Cast(op.Shape(mask_input, start=2), to=1)
        is_padded = op.ReduceMax(mask_hw, keepdims=0) == op.ReduceMin(mask_hw, keepdims=0)
        part = op.Max(op.Where(is_padded, mask_hw * hw / longest, mask_hw), 1.0)
        begin = op.Sigmoid(op.Slice(mask_input, [0, 0], whole(part), [2, 3]))
        given = op.Squeeze(has_mask_input) > 0.5
        prob = answer(image_embeddings, points, labels, resized(begin, whole(hw)), given, box_start, box_stop, boxed)

        mask = op.Cast(prob > 0.5, to=1)
        either = op.ReduceSum(mask, keepdims=0) + op.ReduceSum(prob * (1.0 - mask), keepdims=0)
        iou_predictions = op.Reshape(op.ReduceSum(prob * mask, keepdims=0) / op.Max(either, 1.0), [1, 1])
        safe = op.Clip(prob, 1e-6, 0.999999)
        logits = op.Log(safe / (1.0 - safe))
        masks = resized(logits, whole(orig_im_size))
        low = op.Max(whole(hw * 256.0 / longest), 1)
        low_res_masks = op.Pad(resized(logits, low), op.Concat([0, 0, 0, 0, 0, 0], 256 - low, axis=0), -14.0)
        return masks, iou_predictions, low_res_masks

    return decode


def write_pair(weights: str, out: Path, half: bool = False, **settings: Any) -> list[Path]:
    """Write encoder.onnx, decoder.onnx and X-AnyLabeling's config into the folder `out`; return their paths.

    The arguments are those of `Weights.read`. InputError where the folder cannot be written.
    """
    read = Weights.read(weights, half, **settings)
    models = {"encoder.onnx": finished(encode, *ENCODER, read),
              "decoder.onnx": finished(decoder(read.options), *DECODER, read)}  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out} ({error.strerror}); name another") from None
    for name, model in models.items():
        write_model(out / name, model)
    write_text(out / CONFIG, X_ANYLABELING)
    return [out / name for name in (*models, CONFIG)]
