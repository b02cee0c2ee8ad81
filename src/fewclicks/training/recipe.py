"""A training run as plain data."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from fewclicks import plugins
from fewclicks.errors import InputError
from fewclicks.files.bounded import parse_json

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what a run learns. Flat, so that `key=value` reaches each field; JSON round-trips."""

    name: str

    # the network
    backbone: str = "compact"
    size: str = "lite0"
    radius_px: float = 5.0
    """Radius of the click disks, pixels of the crop; of "tanh" maps the distance at which they reach tanh(2)."""
    maps: str = "disk"
    """How clicks are drawn: "disk" (RITM), or "tanh", distances (f-BRS; its radius_px is 260)."""
    with_prev: bool = True
    """Whether the previous mask is an input."""
    fusion: str = "add"
    """"add": clicks and mask enter after the backbone's first layer (RITM); "input": before it (f-BRS)."""
    scale: float = 1.0
    """By which photo and clicks are shrunk before the backbone, at most 1 (FocalClick S1: 0.5)."""
    refiner: str = ""
    """A second, local network that methods run on the outputs ("focalclick", "focalclick_gate"). It is taught on the
    whole crop, with the coarse mask as the auxiliary one, where aux_weight is not 0."""
    extra: str = ""
    """A head beside the mask's: "errors" (PseudoClick) or "latent" (latent diversity)."""
    method: str = "default"
    """The method that the weights are for."""
    net: str = ""
    """A whole network instead of a backbone with a prompt: "sam", "sam2", "segnext", "fcanet" (see `networks`)."""
    init: str = ""
    """"default" or "default-0.1" (shipped weights), "imagenet", a checkpoint folder, a file of published weights (.pth,
    .safetensors) or that `fewclicks export-onnx` wrote (.onnx), or "" for fresh weights."""
    starts_from: str = ""
    """What the published run starts from, in words: what `init` is expected to name."""

    # the data
    sets: tuple[str, ...] = ("toy",)
    """Each a dataset with a split ("sbd/train"), a set under the training root, a folder, or "toy"."""
    set_weights: tuple[float, ...] = (1.0,)
    """How often a set is drawn from, per photo."""
    whole_sets: tuple[str, ...] = ()
    """Sets whose objects together are an object too (garments: the person); so drawn half of the time."""
    holdout: int = 20
    """One photo of so many is kept out of training, by a hash of its name (0: none)."""

    # one training sample
    crop_hw: tuple[int, int] = (448, 448)
    """Height and width of a crop, pixels."""
    min_area_px: int = 400
    """Objects smaller than this in the crop are not trained on."""
    keep_background_prob: float = 0.0
    """Chance to train on a crop that holds no object, rather than to cut another (RITM; asks for native)."""
    stuff_prob: float = 0.0
    """Chance that a photo's stuff (sky, road), where a set knows it, is objects like others; else it is background."""
    merge_prob: float = 0.15
    """Chance that two objects together are the target (RITM)."""
    zoom_crop_prob: float = 0.5
    """Chance of a crop around the object, as ZoomIn makes it; otherwise a random crop of the resized photo."""
    zoom_margin: tuple[float, float] = (1.1, 2.0)
    """Side of such a crop over that of the object's box."""
    native: bool = False
    """RITM's way: cut anywhere from the photo at its own size times `resize`, then choose an object of the crop.
    Otherwise the object comes first, and `resize` is the long side of the photo over that of a random crop."""
    resize: tuple[float, float] = (0.75, 1.4)
    stretch: float = 1.15
    """Largest change of the aspect ratio (not if native)."""
    rotate_deg: float = 10.0
    rotate_prob: float = 1.0
    """Chance to rotate and shift at all (native; otherwise always)."""
    shift: float = 0.0
    """Largest shift, as a share of the photo's sides (native)."""
    rotate90_prob: float = 0.0
    """Chance of 0 to 3 quarter turns."""
    flip_prob: float = 0.5
    flip_vertical: bool = False
    """Flip left-right, upside-down or both, instead of left-right only (native)."""
    pad_counts: bool = False
    """Whether what lies beyond the photo is background (RITM); otherwise it is ignored."""
    brightness: float = 0.25
    contrast: tuple[float, float] = (-0.15, 0.4)
    shift_rgb: float = 10.0
    grey_prob: float = 0.0
    """Chance that a crop loses its colours."""
    worsen_prob: float = 0.0
    """Chance that the photo is noisy or a JPEG file of low quality; it is cleaned where a user's would be."""

    # SUEM copy-paste (paper, section 3.3): the chance of each mode
    simple_prob: float = 0.5
    union_prob: float = 0.25
    exclusion_prob: float = 0.25
    blend_prob: float = 0.0
    """A local blend, which the paper does not have; in the released code each mode of the second stage has 0.5 / 3."""
    mixing_prob: float = 0.5
    place_prob: float = 0.0
    """Chance that a pasted object is rescaled, flipped and moved (the released code never does)."""
    blend_alpha: tuple[float, float] = (0.5, 1.0)
    """Between which the strength of the target's photo is drawn, where simple, blend and mixing are not opaque."""
    one_object_after: str = "paste"
    """Which of SUEM's stages leave the sample with one object, so that no other attracts clicks: "paste", those that
    paste (the release); "any", mixing too; "never"."""
    paste_tries: int = 1
    """So many other objects are tried until one leaves enough of the target visible."""
    visible_share: float = 0.5
    """Enough: more than this share of min_area_px, and more than 20 pixels."""

    # clicks
    max_clicks: int = 24
    """At most so many initial clicks of each polarity."""
    click_gamma: float = 0.8
    """k further initial clicks have a chance in proportion to click_gamma ** k."""
    merged_clicks: bool = True
    """Whether each of two objects that are merged gets a positive first (RITM); otherwise they lie where they lie."""
    single_click_prob: float = 0.0
    """Chance to begin with one simulated click on the object instead of random ones."""
    foreign_prob: float = 0.0
    """Chance to begin with a wrong mask of the object as the previous mask, and one click on its error."""
    foreign_faults: tuple[float, ...] = (0.2, 0.2, 0.1, 0.3, 0.2)
    """Chances of the faults of such a mask, in the order of `foreign.corrupt_mask`; they add up to 1."""
    box_prob: float = 0.0
    """Chance to begin with a box around the object as the previous mask, loosely drawn; half of the time no click."""
    scribble_prob: float = 0.0
    """Chance to begin with a run of clicks over the object, half of the time with one beside it too."""

    contour_clicks: bool = False
    """Clicks are on the outline of the object, and of no polarity: two far apart first, then one where the outline of
    the mask is farthest away (UCP-Net)."""

    # how the network is shown photos once it is trained: its checkpoint says so
    zoom: int = 0
    """Longest side of the crop around the object, pixels; 0: that of the crops it was trained on."""
    fit: str = "longest"
    """"longest": the crop keeps its shape; "square": it is squashed to zoom x zoom, as the ViTs are trained on."""

    # the objective
    objective: str = "icl"
    """"icl" (Eq. 3), "last_click" (Eq. 2), or MODULE:FUNCTION of your own, recipe -> `objectives.Objective`."""
    loss: str = "nfl"
    """"nfl" (normalized focal loss), "bce", or MODULE:FUNCTION: Bx1xHxW logits, BxHxW truth (1, 0, -1) -> B losses."""
    click_weights: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0)
    """Weights of the predictions of a step: of Y^0, after the initial clicks, then one for each generated click. Eq. 3
    does not count Y^0, and its beta_i of Y^1..Y^3 are 1, 2, 3. The released code has (1, 2, 3) on Y^0..Y^2."""
    random_length: bool = False
    """Draw how many of the predictions are summed, at least one that counts, as the release does; Eq. 3 sums all."""
    eval_clicks: bool = False
    """Where only the last click's loss counts, simulate the ones before it in eval mode, as RITM does."""
    alpha: float = 0.5
    gamma: float = 2.0
    aux_weight: float = 0.0
    """Weight of the binary cross-entropy of a network's auxiliary logits (RITM's OCR networks; 0: not computed)."""

    # the optimiser
    steps: int = 1000
    batch: int = 32
    """Samples of one step, over all processes; each process takes an equal part, in `accumulate` micro-batches."""
    accumulate: int = 1
    lr: float = 5e-6
    backbone_lr: float = 1.0
    """Factor on lr for the backbone."""
    layer_decay: float = 1.0
    """Factor on lr from each layer of the backbone to the one before it."""
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup: int = 0
    decay_from: float = 1.0
    """Share of the steps after which lr falls, by a cosine, to 1 % (1: never)."""
    milestones: tuple[float, ...] = ()
    """Shares of the steps after which lr is multiplied by lr_drop."""
    lr_drop: float = 0.1
    clip_norm: float = 0.0
    """Largest norm of the gradient; a longer one is scaled down to it (0: no limit)."""
    ema: float = 0.0
    """Decay of the running mean of the weights, which is what gets deployed (0: off)."""
    frozen_norms: bool = False
    """Keep the mean and the variance of every BatchNorm. A converged network that is tuned in small batches loses
    masks where a few batches make its statistics anew."""
    precision: str = "fp32"
    """"fp32", "bf16" or "fp16": the arithmetic of the forward pass; the weights stay fp32."""
    activation_checkpointing: bool = False
    """Compute the backbone's blocks a second time in the backward pass instead of keeping what is in them."""
    seed: int = 0

    callbacks: tuple[str, ...] = ()
    """MODULE:FUNCTION of your own, each called with a `callbacks.Event`: a start, a step, a checkpoint, an end."""

    def __post_init__(self) -> None:
        if len(self.sets) != len(self.set_weights):
            raise InputError(f"sets and set_weights differ in length: {len(self.sets)} and {len(self.set_weights)}")
        if self.steps < 1 or self.batch < 1 or not self.click_weights:
            raise InputError("steps and batch must be at least 1, and click_weights must not be empty")
        self._check_finite()
        if not any(self.click_weights) or min(self.click_weights) < 0:
            raise InputError(f"click_weights are 0 or more, and not all 0, got {self.click_weights}")
        if self.accumulate < 1 or self.batch % self.accumulate:
            raise InputError(f"accumulate must divide batch, got accumulate={self.accumulate} and batch={self.batch}")
        if self.precision not in PRECISIONS:
            raise InputError(f"no precision '{self.precision}'; there are: {', '.join(PRECISIONS)}")
        ritm = ("keep_background_prob", "shift", "flip_vertical")
        if not self.native and (asked := next((name for name in ritm if getattr(self, name)), None)):
            raise InputError(f"{asked} is an option of RITM's crops; set native=true too")
        if not 2 <= len(self.foreign_faults) <= 8 or abs(sum(self.foreign_faults) - 1) > 1e-6:
            raise InputError(f"foreign_faults are 2 to 8 chances that add up to 1, got {self.foreign_faults}")
        self._check_suem()
        if self.fit not in ("longest", "square"):
            raise InputError(f"fit is longest or square, got '{self.fit}'")
        if min(self.crop_hw) < 1:
            raise InputError(f"crop_hw is a height and a width of 1 or more, got {self.crop_hw}")

    def _check_finite(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
                raise InputError(f"{field.name} is a finite number, got {value}")

    def _check_suem(self) -> None:
        if self.one_object_after not in ("paste", "any", "never"):
            raise InputError(f"one_object_after is paste, any or never, got '{self.one_object_after}'")
        if not 0 <= self.blend_alpha[0] <= self.blend_alpha[1] <= 1:
            raise InputError(f"blend_alpha is two numbers in 0 to 1, the smaller first, got {self.blend_alpha}")

    def to_json(self) -> str:
        """All fields, one JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The inverse of `to_json`. InputError for what is no recipe, UnknownName for a backbone nobody allowed."""
        try:
            fields: dict[str, Any] = parse_json(text)
        except ValueError as error:
            raise InputError(f"the recipe is not JSON ({error}); pass what to_json wrote") from None
        if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
            raise InputError("the recipe is no JSON object with a name; pass what to_json wrote")
        unknown = fields.keys() - {f.name for f in dataclasses.fields(cls)}
        if unknown:
            raise InputError(f"a recipe has no field {sorted(unknown)[0]!r}; was it made by another version?")
        for field in dataclasses.fields(cls):
            if field.name in fields and not _fits(fields[field.name], str(field.type)):
                got = json.dumps(fields[field.name])[:40]
                raise InputError(f"{field.name} of a recipe is {field.type}, got {got}; pass what to_json wrote")
        plugins.check("models", fields.get("backbone", "compact"))
        plugins.check("methods", fields.get("method", "default"))
        for name in (fields.get("loss", ""), fields.get("objective", ""), *fields.get("callbacks", ())):
            if plugins.is_own(name):
                plugins.check_own(name)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)


def _fits(value: Any, kind: str) -> bool:
    """Tell whether a value of JSON is of a field's type, which is a number, a text, or a tuple of such."""
    of_tuple = re.fullmatch(r"tuple\[(\w+), (\.\.\.|\w+)\]", kind)
    if of_tuple:
        right_size = isinstance(value, list) and (of_tuple[2] == "..." or len(value) == 2)
        return right_size and all(_fits(item, of_tuple[1]) for item in value)
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # false for NaN
    return type(value).__name__ == kind
