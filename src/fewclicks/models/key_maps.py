"""The names that published checkpoints give to a network's parts, and ours: prefix pairs, as data."""

from __future__ import annotations

Pairs = tuple[tuple[str, str], ...]
"""(published prefix, our prefix), the first that fits counts."""

HRNET_OCR: Pairs = (
    ("feature_extractor.conv3x3_ocr.", "head.conv3x3_ocr."),
    ("feature_extractor.ocr_distri_head.", "head.ocr_distri_head."),
    ("feature_extractor.cls_head.", "head.cls_head."),
    ("feature_extractor.aux_head.", "head.aux_head."),
    ("feature_extractor.", "backbone."),
)

DEEPLAB: Pairs = (
    ("feature_extractor.head.block.", "neck.fuse."),
    ("feature_extractor.skip_project.skip_project.", "neck.skip."),
    ("feature_extractor.aspp.concurent.", "neck.aspp.branches."),
    ("feature_extractor.aspp.project.", "neck.aspp.project."),
    ("feature_extractor.FDM.", "neck.diffusion."),
    ("feature_extractor.backbone.", "backbone."),
)

RENAMES: dict[str, Pairs] = {
    "simpleclick": (),
    "ritm": (("maps_transform.", "patch_embed_coords."), *HRNET_OCR),
    "fbrs_hrnet": (("rgb_conv.", "patch_embed_coords."), *HRNET_OCR),
    "focalclick_hrnet": (("maps_transform.", "patch_embed_coords."), *HRNET_OCR),
    "focalclick_segformer": (
        ("maps_transform.", "patch_embed_coords.maps_transform."),
        ("feature_extractor.backbone.patch_embed_side1.", "patch_embed_coords."),
        ("feature_extractor.backbone.", "backbone."),
        ("feature_extractor.decode_head.", "head."),
    ),
    "ritm_resnet": (("maps_transform.", "patch_embed_coords."), *DEEPLAB),
    "fbrs_resnet": (("rgb_conv.", "patch_embed_coords."), *DEEPLAB),
    "cdnet": (
        ("maps_transform.", "patch_embed_coords."),
        ("latent_head.", "head.latent_head."),
        ("PDM.", "head.PDM."),
        *DEEPLAB,
    ),
    "emcclick_hrnet": tuple(
        (theirs, f"base.{own}") for theirs, own in (("maps_transform.", "patch_embed_coords."), *HRNET_OCR)
    ),
    "emcclick_segformer": (
        ("feature_extractor.backbone.patch_embed_side1.", "base.patch_embed_coords."),
        ("feature_extractor.backbone.", "base.backbone."),
        ("feature_extractor.decode_head.", "base.head."),
    ),
    "sam2": (
        *(
            (f"sam_{layer}.layers.{i}.", f"{layer}.lin{i + 1}.")
            for layer in (f"mask_decoder.transformer.layers.{block}.mlp" for block in (0, 1))
            for i in (0, 1)
        ),
        ("sam_mask_decoder.", "mask_decoder."),
        ("sam_prompt_encoder.", "prompt_encoder."),
    ),
    "own": (),
}
"""Family -> pairs. The names of SimpleClick are ours, for they came first; "own": those of SAM, HQ-SAM, FCA-Net and
SegNext."""


def ours(key: str, pairs: Pairs) -> str:
    """Our name of a published key."""
    return _renamed(key, pairs)


def published(key: str, pairs: Pairs) -> str:
    """The published name of one of our keys: the inverse of `ours`."""
    return _renamed(key, tuple((own, theirs) for theirs, own in pairs))


def _renamed(key: str, pairs: Pairs) -> str:
    for old, new in pairs:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
