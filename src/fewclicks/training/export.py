"""A trained network as an ONNX file that engines/onnx.py runs."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.errors import MissingExtra
from fewclicks.files.replace import replace_file
from fewclicks.models.segmenter import ClickNet


def export_onnx(folder: str | Path, out: str | Path) -> Path:
    """Write the network of a checkpoint folder as ONNX with float32 weights; batch 1, any H, W and number of clicks.

    The recipe, the step and the checkpoint's sha256 go into the file's metadata.
    """
    config = checkpoint.read_config(folder)
    about = {
        "recipe": json.dumps(config.get("recipe", {})),
        "step": str(config.get("step", "")),
        "predictor": json.dumps(config.get("predictor", {})),
        "checkpoint_sha256": config.get("sha256", {}).get(checkpoint.WEIGHTS, ""),
    }
    return write_onnx(checkpoint.load(folder), Path(out), about)


def write_onnx(net: ClickNet, path: Path, about: dict[str, str]) -> Path:
    """Export a network in eval mode; the file appears whole or not at all."""
    try:
        import onnx  # noqa: F401 - torch's exporter needs both
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(f"export needs {error.name}; run: pip install 'fewclicks[train]'") from None
    example = (
        torch.rand(1, 3, 90, 130),
        torch.tensor([[[30.0, 40.0, 1.0], [3.0, 5.0, 0.0]]]),
        torch.rand(1, 1, 90, 130),
    )
    height, width, count = (torch.export.Dim.DYNAMIC for _ in range(3))
    shapes = {"image": {2: height, 3: width}, "clicks": {1: count}, "prev": {2: height, 3: width}}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            net.eval(), example, dynamo=True, dynamic_shapes=shapes, verbose=False,
            input_names=list(shapes), output_names=["logits"],
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for graph in (model.graph, *model.functions):  # the exporter notes in each node where in which file it came from
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    replace_file(path, lambda file: file.write(model.SerializeToString()))
    return path
