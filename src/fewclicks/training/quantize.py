"""A network in 8 bits: an .onnx file with its weights and activations quantised after training, for CPUs.

Static and affine (Jacob et al., CVPR 2018): a scale for each output channel of a weight, one for each activation. The
ranges of the activations are those that occur while the robot user clicks on objects of training photos, with zoom-in
and CFR: the crops, clicks and previous masks of real use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnxruntime import quantization

from fewclicks.config import PredictorConfig
from fewclicks.engines import onnx as engine
from fewclicks.engines.network import Floats, Forward, Network
from fewclicks.errors import DatasetError, InputError, counted
from fewclicks.evaluation.rollout import rollout
from fewclicks.files.replace import replace_file
from fewclicks.files.scratch import scratch_folder
from fewclicks.training import sets
from fewclicks.training.export import whole
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import TRIES, Samples
from fewclicks.types import Sample, Truth

FLOAT = ("patch_embed_coords.", "backbone.stem.", "backbone.stages.0.", "backbone.stages.1.")
"""Weights of the convolutions that stay in float. What is rounded here is amplified by all that follows: quantising
the stem alone costs more than quantising all the rest."""

FOLLOW = ("Add", "Clip", "Relu")
"""Operators that go with the convolutions before them."""

CLICKS, EACH = 6, 2
"""Clicks on an object, and of how many of its forwards the ranges are taken."""

Feed: TypeAlias = tuple[Floats, Floats, Floats]
"""What a Forward is called with: image, clicks, prev."""


def quantize(
    path: Path,
    out: Path,
    recipe: Recipe,
    photos: int = 40,
    on_photo: Callable[[], object] = lambda: None,
) -> Path:
    """Write `path`, a float .onnx file that `export_onnx` wrote, in 8 bits to `out`; the same input, the same output.

    The ranges come from `photos` training photos of the recipe's sets; none is held out. `on_photo` is called after
    each. CheckpointError if `path` is no click network, InputError if it is in 8 bits already, DatasetError without
    photos.
    """
    forward = engine.load(path)
    data = path.read_bytes()
    model = onnx.load_from_string(data)
    whole(model)
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise InputError(f"{path} is in 8 bits already; pass the float file that `fewclicks export-onnx` wrote")
    about = {
        **{entry.key: entry.value for entry in model.metadata_props},
        "int8": f"calibrated on {counted(photos, 'photo')} of {recipe.name} by onnxruntime {version('onnxruntime')}",
        "float_sha256": hashlib.sha256(data).hexdigest(),
    }
    with scratch_folder() as folder:
        prepared, made = folder / "prepared.onnx", folder / "made.onnx"
        quantization.quant_pre_process(model, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared, made, _Reader(feeds(forward, recipe, photos, on_photo=on_photo)),
            op_types_to_quantize=["Conv", *FOLLOW], nodes_to_quantize=nodes(model), per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
        small = onnx.load(made)
    onnx.helper.set_model_props(small, about)
    replace_file(out, lambda file: file.write(small.SerializeToString()))
    return out


def nodes(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes to quantise: convolutions whose weight FLOAT does not name, and what follows them."""
    chosen, tensors = [], set[str]()
    for node in model.graph.node:
        conv = node.op_type == "Conv" and not node.input[1].startswith(FLOAT)
        if conv or (node.op_type in FOLLOW and tensors & set(node.input)):
            chosen.append(node.name)
            tensors.update(node.output)
    return chosen


def feeds(
    forward: Forward, recipe: Recipe, photos: int, on_photo: Callable[[], object] = lambda: None
) -> Iterator[Feed]:
    """Collect what a network is asked while a robot user clicks on objects of training photos; the same each time."""
    samples = Samples(recipe, [sets.scenes(name) for name in recipe.sets])
    for photo in range(photos):
        rng, recorder = np.random.default_rng([0, photo]), _Recorder(forward)
        rollout(PredictorConfig(cfr=1).around(Network(recorder)), _object(samples, rng), max_clicks=CLICKS)
        count = len(recorder.seen)
        yield from (recorder.seen[i] for i in rng.choice(count, min(EACH, count), replace=False))
        on_photo()


@dataclass(frozen=True, slots=True)
class _Recorder:
    """A Forward that notes what it is asked."""

    forward: Forward
    seen: list[Feed] = field(default_factory=list)

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        self.seen.append((image, clicks, prev))
        return self.forward(image, clicks, prev)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Feeds in the form that ONNX Runtime reads them."""

    feeds: Iterator[Feed]

    def get_next(self) -> dict[str, Any] | None:
        feed = next(self.feeds, None)
        return None if feed is None else dict(zip(engine.INPUTS, feed, strict=True))


def _object(samples: Samples, rng: np.random.Generator) -> Sample:
    """An object of a training photo, as large as those that the recipe trains on."""
    recipe = samples.recipe
    for _ in range(TRIES):
        k = int(rng.choice(len(samples.sets), p=samples.share))
        scene = samples.sets[k][int(rng.choice(samples.kept[k]))]
        if ids := scene.roots():
            truth: Truth = scene.truth(*samples.target(ids, recipe.sets[k] in recipe.whole_sets, rng))
            if np.count_nonzero(truth == 1) >= recipe.min_area_px:
                return Sample(scene.image, truth, scene.name)
    raise DatasetError(
        f"{TRIES} photos in a row held no object of {counted(recipe.min_area_px, 'pixel')}; lower min_area_px"
    )
