"""Which family a published checkpoint is of, told by the names of its tensors, their shapes, and its config.

The config of a file of the RITM family names the class that made it, but ClickSEG, EMC-Click and CFR-ICL kept RITM's
and SimpleClick's class names for other networks; the names of the tensors tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fewclicks.convert import layouts
from fewclicks.errors import CheckpointError
from fewclicks.nets.names import RENAMES, Pairs

Shapes = Mapping[str, tuple[int, ...]]
Params = Mapping[str, Any]
K = TypeVar("K", bound=Hashable)

NORMAL = {
    "clicks_groups": None,
    "binary_prev_mask": False,
    "conv_extend": False,
    "random_split": False,
    "norm_mean_std": [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]],
}
"""Parameters in a config of which fewclicks' networks know this value only."""
WHOLE = {"zoom": 448, "fit": "square"}
LONGEST = {"zoom": 400}
"""How the authors of ViT networks and of RITM showed crops to them, as options of the default method."""
VITS = {160: "xtiny", 768: "base", 1024: "large", 1280: "huge"}
HRNETS = {(18, 48): "18s", (18, 64): "18", (32, 128): "32"}
"""(width, width of the OCR) -> size."""
MITS = {32: "b0", 64: "b3"}
SAMS = {768: ("B", 12), 1024: ("L", 24), 1280: ("H", 32)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a file was recognised as."""

    name: str
    title: str
    method: str
    """The method that runs it, or will; "default" runs every folder with a network."""
    network: Mapping[str, Any] | None = None
    """What `nets.segmenter.build` takes; None: there is no such network in fewclicks yet."""
    predictor: Mapping[str, Any] = field(default_factory=dict)
    """Options of the default method that suit the network."""
    keys: frozenset[str] | None = None
    """The published names, where there is no network to ask."""

    @property
    def pairs(self) -> Pairs:
        """Published names -> ours; without a network the published names are kept."""
        return RENAMES[self.name] if self.network else ()


def recognise(shapes: Shapes, config: Any) -> Family:
    """The family of a state dict, by the first mark that one of its names begins with.

    `config` is the plain config of the file, or None. CheckpointError if no mark is there, for weights that are no
    click network, and for options that fewclicks' networks do not have.
    """
    params = _params(config)
    for mark, family in MARKS:
        if any(key.startswith(mark) for key in shapes):
            try:
                return family(shapes, params)
            except KeyError as error:
                raise CheckpointError(f"lacks the tensor {error}; download it again") from None
            except (ValueError, TypeError, IndexError):
                raise CheckpointError("has tensors or a config of strange shape; download it again") from None
    raise CheckpointError(
        f"is of no family that fewclicks knows; its {len(shapes)} tensors begin with '{next(iter(shapes))}'"
    )


def class_of(config: Any) -> str | None:
    """The dotted name of the class that the file was saved from, as its config has it."""
    name = config.get("class") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None


def _params(config: Any) -> Params:
    """{name: value} of a config {"class": ..., "params": {name: {"type", "value", "specified"}}}."""
    params = config.get("params") if isinstance(config, dict) else None
    if not isinstance(params, dict):
        return {}
    return {name: entry.get("value") if isinstance(entry, dict) else entry for name, entry in params.items()}


# --- networks that fewclicks builds ---


def _vit(shapes: Shapes, params: Params) -> Family:
    """SimpleClick (Liu et al., ICCV 2023) and CFR-ICL (Sun et al., AAAI 2024)."""
    dim, channels, *_ = shapes["patch_embed_coords.proj.weight"]
    size = _known(VITS, dim, "a ViT of width")
    head = params.get("head_params")
    if isinstance(head, dict) and head.get("upsample", "x1") != "x1":
        raise CheckpointError("is a SimpleClick with a head that upsamples, which fewclicks does not build")
    network = {"backbone": "vit", "size": size, **_prompt(params, channels)}
    title = f"SimpleClick ViT-{size.capitalize()}, which is also the network of CFR-ICL, {_told(network)}"
    return Family(name="simpleclick", title=title, method="default", network=network, predictor=WHOLE)


def _ritm_hrnet(shapes: Shapes, params: Params) -> Family:
    """RITM (Sofiiuk et al., ICIP 2022) on HRNet + OCR."""
    network = {**_hrnet(shapes), **_prompt(params, shapes["maps_transform.0.weight"][1])}
    title = f"RITM HRNet{network['size']} + OCR, {_told(network)}"
    return Family(name="ritm", title=title, method="default", network=network, predictor=LONGEST)


def _hrnet(shapes: Shapes) -> dict[str, Any]:
    width = shapes["feature_extractor.stage2.0.branches.0.0.conv1.weight"][0]
    ocr = shapes.get("feature_extractor.ocr_distri_head.object_context_block.f_down.0.weight", (0,))[0]
    return {"backbone": "hrnet", "size": _known(HRNETS, (width, ocr), "an HRNet of widths")}


def _prompt(params: Params, channels: int) -> dict[str, Any]:
    """The entries of `network` about clicks and previous mask; CheckpointError for options that we do not have."""
    for name, normal in NORMAL.items():
        if params.get(name, normal) != normal:
            raise CheckpointError(f"was trained with the option {name}, which fewclicks' networks do not have")
    maps = "disk" if params.get("use_disks", True) else "tanh"
    return {"radius_px": float(params.get("norm_radius", 5)), "maps": maps, "with_prev": channels == 3}


def _told(network: Mapping[str, Any]) -> str:
    """The prompt of a network in words."""
    maps = "click disks of" if network["maps"] == "disk" else "tanh distance maps of"
    return f"{'with' if network['with_prev'] else 'without'} previous mask, {maps} {network['radius_px']:g} px"


def _known(table: Mapping[K, str], number: K, what: str) -> str:
    if number not in table:
        known = ", ".join(f"{key}" for key in table)
        raise CheckpointError(f"is {what} {number}, which fewclicks does not build; it builds {known}")
    return table[number]


# --- networks that only their methods will run ---


def _sam(shapes: Shapes, _: Params) -> Family:
    """Segment Anything (Kirillov et al., ICCV 2023)."""
    width = shapes["image_encoder.patch_embed.proj.weight"][0]
    if width not in SAMS:
        raise CheckpointError(f"is a SAM of width {width}, which fewclicks does not know")
    size, depth = SAMS[width]
    return Family(name="sam", title=f"SAM ViT-{size}", method="sam", keys=frozenset(layouts.sam(depth)))


def _fcanet(shapes: Shapes, _: Params) -> Family:
    """FCA-Net (Lin et al., CVPR 2020)."""
    res2net = any(".convs." in key for key in shapes if key.startswith("backbone_pre."))
    title = f"FCA-Net on {'Res2Net' if res2net else 'ResNet'}-101"
    return Family(name="fcanet", title=title, method="fcanet", keys=frozenset(layouts.fcanet(res2net)))


# --- weights that are no click network ---


def _backbone(what: str, option: str) -> Callable[[Shapes, Params], Family]:
    def refuse(shapes: Shapes, params: Params) -> Family:
        raise CheckpointError(
            f"holds the weights of {what}, which has not learnt to take clicks; it can start a training: "
            f"fewclicks train RECIPE init=FILE, with a recipe of the backbone {option}"
        )

    return refuse


MARKS: tuple[tuple[str, Callable[[Shapes, Params], Family]], ...] = (
    ("patch_embed_coords.", _vit),
    ("image_encoder.", _sam),
    ("backbone_pre.", _fcanet),
    ("feature_extractor.stage4.", _ritm_hrnet),
    ("decoder_embed.", _backbone("a masked autoencoder (MAE)", "vit")),
    ("blocks.0.attn.", _backbone("a plain ViT", "vit")),
    ("patch_embed1.", _backbone("a MiT", "segformer")),
    ("stage4.", _backbone("an HRNet for ImageNet", "hrnet")),
)
"""How a name of each family begins -> the family, from shapes and params. The first that fits counts."""
