"""Which family a published checkpoint is of, told by the names of its tensors, their shapes, and its config.

The config of a file of the RITM family names the class that made it, but ClickSEG, EMC-Click and CFR-ICL kept RITM's
and SimpleClick's class names for other networks; the names of the tensors tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fewclicks.checkpoints.checkpoint import unfilled
from fewclicks.errors import CheckpointError, counted
from fewclicks.models.key_maps import RENAMES, Pairs, published

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
SHOWN = {"flip": False, "threshold": 0.5}
WHOLE = {"zoom": 448, "fit": "square", **SHOWN}
LONGEST = {"zoom": 400, "fit": "longest", **SHOWN}
"""How ViT networks and those of RITM were shown crops, as options of their method. That their authors averaged with the
mirrored crop when they measured is a matter of presets."""
WHOLE_PHOTO = {"zoom": 0, "fit": "longest", **SHOWN}
"""Of networks whose methods show them the whole photo, at the size that they were made for."""
HRNET_MARK = "feature_extractor.stage2.0.branches.0.0.conv1.weight"
SIDE_EMBED = "feature_extractor.backbone.patch_embed_side1.proj.weight"
"""Tensors of which the shape tells the size of an HRNet and of a SegFormer."""
VITS = {160: "xtiny", 768: "base", 1024: "large", 1280: "huge"}
HRNETS = {(18, 48): "18s", (18, 64): "18", (32, 128): "32"}
"""(width, width of the OCR) -> size."""
MITS = {32: "b0", 64: "b3"}
SAMS = {768: "b", 1024: "l", 1280: "h"}
HIERAS = {(96, 12): "tiny", (96, 16): "small", (112, 24): "base_plus", (144, 48): "large"}
"""(width, blocks) -> size."""
MEMORY = (
    "memory_attention.", "memory_encoder.", "maskmem_tpos_enc", "no_mem_pos_enc", "no_obj_", "obj_ptr_",
    "mask_downsample.", "sam_mask_decoder.pred_obj_score_head.",
)  # fmt: skip
"""What SAM 2 holds for videos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Holds what a file was recognised as."""

    name: str
    title: str
    method: str
    """The method that runs it."""
    network: Mapping[str, Any]
    """What `networks.build_network` takes."""
    renames: str = "own"
    """The entry of `key_maps.RENAMES`."""
    predictor: Mapping[str, Any] = field(default_factory=dict)
    """Options of the method that suit the network."""
    preset: str = "released"
    """The preset of the method that is its authors' evaluation."""
    idle: tuple[str, ...] = ()
    """How the published names begin of tensors that the method has no use for, and that are left out."""

    @property
    def pairs(self) -> Pairs:
        """Published names -> ours."""
        return RENAMES[self.renames]

    def wanted(self) -> dict[str, tuple[int, ...] | None]:
        """The published names of all its tensors, with their shapes."""
        return _published(self.network, self.pairs)


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
    maker = class_of(config)
    made = f" made by {maker}" if maker else ""
    raise CheckpointError(
        f"holds a network{made} that fewclicks does not know: {counted(len(shapes), 'tensor')}, "
        f"the first '{next(iter(shapes))}'"
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
    label = size if size == "xtiny" else size[0].upper()
    title = f"SimpleClick ViT-{label}, which is also the network of CFR-ICL, {_told(network)}"
    return Family(
        name="simpleclick", title=title, method="default", network=network, renames="simpleclick", predictor=WHOLE,
        preset="released",
    )  # fmt: skip


def _ritm_hrnet(shapes: Shapes, params: Params) -> Family:
    """RITM (Sofiiuk et al., ICIP 2022) on HRNet + OCR."""
    _check_activation(params)
    network = {**_hrnet(shapes), **_prompt(params, shapes["maps_transform.0.weight"][1])}
    return _ritm(f"HRNet{network['size']} + OCR", network, "ritm")


def _ritm_resnet(shapes: Shapes, params: Params) -> Family:
    """RITM's baseline on DeepLabV3+."""
    _check_activation(params)
    network = {**_resnet(shapes), **_prompt(params, shapes["maps_transform.0.weight"][1])}
    return _ritm(f"DeepLabV3+ ResNet-{network['size']}", network, "ritm_resnet")


def _ritm(body: str, network: Params, renames: str) -> Family:
    return Family(
        name="ritm", title=f"RITM {body}, {_told(network)}", method="ritm", network=network, renames=renames,
        predictor=LONGEST, preset="released-ritm",
    )  # fmt: skip


def _fbrs(shapes: Shapes, params: Params) -> Family:
    """f-BRS (Sofiiuk et al., CVPR 2020), on HRNet + OCR or on DeepLabV3+. Its files have no config."""
    body = _hrnet(shapes) if HRNET_MARK in shapes else _resnet(shapes)
    prompt = _prompt({"use_disks": False, "norm_radius": 260, **params}, shapes["rgb_conv.0.weight"][1] - 3)
    network = {**body, **prompt, "fusion": "input"}
    hrnet = body["backbone"] == "hrnet"
    title = f"HRNet{body['size']} + OCR" if hrnet else f"DeepLabV3+ ResNet-{body['size']}"
    return Family(
        name="fbrs", title=f"f-BRS {title}, {_told(network)}", method="fbrs", network=network,
        renames="fbrs_hrnet" if hrnet else "fbrs_resnet", predictor=LONGEST,
    )  # fmt: skip


def _cdnet(shapes: Shapes, params: Params) -> Family:
    """CDNet (Chen et al., ICCV 2021)."""
    _check_activation(params)
    body = _resnet(shapes)
    network = {**body, "size": f"{body['size']}_cdnet", **_prompt(params, shapes["maps_transform.0.weight"][1])}
    title = f"CDNet ResNet-{body['size']}, {_told(network)}"
    options = {"zoom": 384, "fit": "square", **SHOWN}
    return Family(name="cdnet", title=title, method="cdnet", network=network, renames="cdnet", predictor=options)


def _resnet(shapes: Shapes) -> dict[str, Any]:
    """A ResNet by what a larger one has and a smaller one lacks."""
    layer = "feature_extractor.backbone.layer"
    deep, bottleneck = (f"{layer}{name}.weight" in shapes for name in ("3.22.conv1", "1.0.conv3"))
    return {"backbone": "resnet", "size": "101" if deep else "50" if bottleneck else "34"}


def _focalclick(shapes: Shapes, params: Params) -> Family:
    """FocalClick (Chen et al., CVPR 2022): the coarse network and the refiner."""
    small = str(params.get("pipeline_version", "s2")).lower() == "s1"
    if HRNET_MARK in shapes:
        _check_activation(params)
        body, channels, renames = _hrnet(shapes), shapes["maps_transform.0.weight"][1], "focalclick_hrnet"
        title, radius_px, refiner = f"HRNet{body['size']} + OCR", 2, "focalclick"
    else:
        body, channels, renames = _mit(shapes), shapes[SIDE_EMBED][1], "focalclick_segformer"
        title, radius_px, refiner = f"SegFormer-{body['size'].upper()}", 3, "focalclick_gate"
    network = {**body, **_prompt(params, channels), "refiner": refiner}
    if small:
        network |= {"scale": 0.5, "radius_px": float(radius_px)}
    title = f"FocalClick {title}, {'S1' if small else 'S2'}, coarse network and refiner, {_told(network)}"
    options = {"zoom": 256, "fit": "square", **SHOWN}
    return Family(
        name="focalclick", title=title, method="focalclick", network=network, renames=renames, predictor=options
    )


def _mit(shapes: Shapes) -> dict[str, Any]:
    return {"backbone": "segformer", "size": _known(MITS, shapes[SIDE_EMBED][0], "a SegFormer of width")}


def _hrnet(shapes: Shapes) -> dict[str, Any]:
    width = shapes[HRNET_MARK][0]
    ocr = shapes.get("feature_extractor.ocr_distri_head.object_context_block.f_down.0.weight", (0,))[0]
    return {"backbone": "hrnet", "size": _known(HRNETS, (width, ocr), "an HRNet of widths")}


def _prompt(params: Params, channels: int) -> dict[str, Any]:
    """The entries of `network` about clicks and previous mask; CheckpointError for options that we do not have."""
    for name, normal in NORMAL.items():
        if params.get(name, normal) != normal:
            raise CheckpointError(f"was trained with {name}={params[name]}, which fewclicks' networks do not have")
    if channels not in (2, 3):
        raise CheckpointError(f"reads {channels} maps of clicks and mask; fewclicks' networks read 2 or 3")
    maps = "disk" if params.get("use_disks", True) else "tanh"
    return {"radius_px": float(params.get("norm_radius", 5)), "maps": maps, "with_prev": channels == 3}


def _check_activation(params: Params) -> None:
    """Convolutional networks embed the maps with a leaky ReLU, as all that were published; RITM's code can do else."""
    if not params.get("use_leaky_relu", True):
        raise CheckpointError("embeds the clicks with a ReLU, which fewclicks' networks do not")


def _told(network: Mapping[str, Any]) -> str:
    """The prompt of a network in words."""
    maps = "click disks of" if network["maps"] == "disk" else "tanh distance maps of"
    return f"{'with' if network['with_prev'] else 'without'} previous mask, {maps} {network['radius_px']:g} px"


def _published(network: Mapping[str, Any], pairs: Pairs) -> dict[str, tuple[int, ...] | None]:
    """The published names and the shapes of the tensors of a network."""
    state = unfilled(network).state_dict()
    return {published(key, pairs): tuple(value.shape) for key, value in state.items()}


def _known(table: Mapping[K, str], number: K, what: str) -> str:
    if number not in table:
        known = ", ".join(f"{key}" for key in table)
        raise CheckpointError(f"is {what} {number}, which fewclicks does not build; it builds {known}")
    return table[number]


# --- networks of another make ---


def _sam(shapes: Shapes, _: Params) -> Family:
    """Segment Anything (Kirillov et al., ICCV 2023)."""
    size = _known(SAMS, shapes["image_encoder.patch_embed.proj.weight"][0], "a SAM of width")
    network = {"net": "sam", "size": size}
    return Family(name="sam", title=f"SAM ViT-{size.upper()}", method="sam", network=network, predictor=WHOLE_PHOTO)


def _hq_sam(shapes: Shapes, _: Params) -> Family:
    """HQ-SAM (Ke et al., NeurIPS 2023)."""
    size = _known(SAMS, shapes["image_encoder.patch_embed.proj.weight"][0], "an HQ-SAM of width")
    title = f"HQ-SAM ViT-{size.upper()}"
    return Family(name="hq_sam", title=title, method="hq_sam", network={"net": "hq_sam", "size": size})


def _sam2(shapes: Shapes, _: Params) -> Family:
    """SAM 2 and 2.1 (Ravi et al., ICLR 2025), without their memory, which photos do not need."""
    trunk = "image_encoder.trunk."
    blocks = sum(key.startswith(trunk) and key.endswith(".norm1.weight") for key in shapes)
    size = _known(HIERAS, (shapes[f"{trunk}pos_embed"][1], blocks), "a SAM 2 of width and depth")
    return Family(
        name="sam2", title=f"SAM 2 Hiera-{size.replace('_plus', '+')}, for single photos", method="sam2",
        network={"net": "sam2", "size": size}, renames="sam2", idle=MEMORY,
    )  # fmt: skip


def _fcanet(shapes: Shapes, _: Params) -> Family:
    """FCA-Net (Lin et al., CVPR 2020)."""
    res2net = any(".convs." in key for key in shapes if key.startswith("backbone_pre."))
    title = f"FCA-Net on {'Res2Net' if res2net else 'ResNet'}-101"
    network = {"net": "fcanet", "size": "res2net" if res2net else "resnet"}
    options = {**WHOLE_PHOTO, "side_px": 512}
    return Family(name="fcanet", title=title, method="fcanet", network=network, predictor=options)


def _emcclick(shapes: Shapes, _: Params) -> Family:
    """EMC-Click (Du et al., CVPR 2023): RITM's or FocalClick's network, and a correction network."""
    hrnet = HRNET_MARK in shapes
    body = _hrnet(shapes) if hrnet else _mit(shapes)
    title = f"HRNet{body['size']} + OCR" if hrnet else f"SegFormer-{body['size'].upper()}"
    return Family(
        name="emcclick", title=f"EMC-Click {title}, first network and correction network", method="emcclick",
        network={"net": "emcclick", **body}, renames=f"emcclick_{body['backbone']}",
        predictor={**WHOLE_PHOTO, "fit": "square", "side_px": 384},
    )  # fmt: skip


def _segnext(shapes: Shapes, _: Params) -> Family:
    """SegNext (Liu et al., CVPR 2024)."""
    depth = sum(key.endswith(".norm1.weight") for key in shapes if key.startswith("fusion_blocks."))
    network = {"net": "segnext", "size": f"base_sa{depth}"}
    title = f"SegNext ViT-B, sa x{depth}"
    return Family(name="segnext", title=title, method="segnext", network=network, predictor=WHOLE_PHOTO)


# --- weights that are no click network ---


def _backbone(what: str, option: str) -> Callable[[Shapes, Params], Family]:
    def refuse(shapes: Shapes, params: Params) -> Family:
        raise CheckpointError(
            f"holds the weights of {what}, which has not learnt to take clicks; it can start a training: "
            f"fewclicks train RECIPE init=FILE, with a recipe of the backbone {option}"
        )

    return refuse


MARKS: tuple[tuple[str, Callable[[Shapes, Params], Family]], ...] = (
    ("visual_prompts_encoder.", _segnext),
    ("patch_embed_coords.", _vit),
    ("mask_decoder.hf_token.", _hq_sam),
    ("image_encoder.trunk.", _sam2),
    ("image_encoder.", _sam),
    ("backbone_pre.", _fcanet),
    ("refiner.corr_conv.", _emcclick),
    ("refiner.refine_trimap.", _focalclick),
    ("rgb_conv.", _fbrs),
    ("PDM.", _cdnet),
    ("latent_head.", _cdnet),
    ("feature_extractor.stage4.", _ritm_hrnet),
    ("feature_extractor.aspp.", _ritm_resnet),
    ("decoder_embed.", _backbone("a masked autoencoder (MAE)", "vit")),
    ("blocks.0.attn.", _backbone("a plain ViT", "vit")),
    ("patch_embed1.", _backbone("a MiT", "segformer")),
    ("stage4.", _backbone("an HRNet for ImageNet", "hrnet")),
)
"""How a name of each family begins -> the family, from shapes and params. The first that fits counts."""
