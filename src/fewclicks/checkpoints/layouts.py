"""The names of the tensors of published networks that fewclicks converts but cannot build: patterns, as data.

A line is a pattern and what hangs on it: `wb` weight and bias, `w` and `b` each alone, `bn` a BatchNorm, `-` nothing.
`{a,b}` stands for each of its parts, and `{0..3}` for the numbers.
"""

from __future__ import annotations

import itertools
import re

SUFFIXES = {
    "-": ("",),
    "w": (".weight",),
    "b": (".bias",),
    "wb": (".weight", ".bias"),
    "bn": (".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked"),
}

SAM = """
image_encoder.pos_embed -
image_encoder.patch_embed.proj wb
image_encoder.blocks.{0..LAST}.{norm1,norm2,attn.qkv,attn.proj,mlp.lin1,mlp.lin2} wb
image_encoder.blocks.{0..LAST}.attn.{rel_pos_h,rel_pos_w} -
image_encoder.neck.{0,2} w
image_encoder.neck.{1,3} wb
prompt_encoder.pe_layer.positional_encoding_gaussian_matrix -
prompt_encoder.{point_embeddings.{0..3},not_a_point_embed,no_mask_embed} w
prompt_encoder.mask_downscaling.{0,1,3,4,6} wb
mask_decoder.transformer.layers.{0,1}.{norm1,norm2,norm3,norm4,mlp.lin1,mlp.lin2} wb
mask_decoder.transformer.layers.{0,1}.{self_attn,cross_attn_{token_to_image,image_to_token}}.{q,k,v,out}_proj wb
mask_decoder.transformer.{final_attn_token_to_image.{q,k,v,out}_proj,norm_final_attn} wb
mask_decoder.{iou_token,mask_tokens} w
mask_decoder.output_upscaling.{0,1,3} wb
mask_decoder.{output_hypernetworks_mlps.{0..3},iou_prediction_head}.layers.{0..2} wb
"""

FCANET = """
my_aspp.aspp{1..4}.atrous_conv w
my_aspp.aspp{1..4}.bn bn
my_aspp.global_avg_pool.1 w
my_aspp.global_avg_pool.2 bn
my_aspp.conv1 w
my_aspp.bn1 bn
my_decoder.side_conv.0 w
my_decoder.side_conv.1 bn
my_decoder.merge_conv.{0,3} w
my_decoder.merge_conv.{1,4} bn
{pred_decoder,first_pred_decoder}.pred_conv.{0,3} w
{pred_decoder,first_pred_decoder}.pred_conv.{1,4} bn
{pred_decoder,first_pred_decoder}.pred_conv.6 wb
first_conv.convs.{0..5}.0 w
first_conv.convs.{0..5}.1 bn
{STAGES}.{conv1,conv3} w
{STAGES}.{bn1,bn3} bn
"""
STAGES = (
    "backbone_pre.layer1.{0..2},backbone_last.layer2.{0..3},backbone_last.layer3.{0..22},backbone_last.layer4.{0..2}"
)
FIRSTS = "{backbone_pre.layer1.0,backbone_last.layer{2,3,4}.0}.downsample"
FCANET_RESNET = f"""{FCANET}
backbone_pre.conv1 w
backbone_pre.bn1 bn
{{STAGES}}.conv2 w
{{STAGES}}.bn2 bn
{FIRSTS}.0 w
{FIRSTS}.1 bn
"""
FCANET_RES2NET = f"""{FCANET}
backbone_pre.conv1.{{0,3,6}} w
backbone_pre.{{conv1.{{1,4}},bn1}} bn
{{STAGES}}.convs.{{0..2}} w
{{STAGES}}.bns.{{0..2}} bn
{FIRSTS}.1 w
{FIRSTS}.2 bn
"""

EMC_SEGFORMER = """
feature_extractor.backbone.norm_add wb
"""
EMC_REFINER = """
refiner.{feature_convq,feature_convk,refine_pred} wb
refiner.refine_fusion.conv wb
refiner.refine_fusion.norm bn
refiner.cross_attention.{in_proj_weight,in_proj_bias} -
refiner.cross_attention.out_proj wb
refiner.{XCONVS}.{conv3x3_1,conv3x3_2,conv1x1} wb
refiner.{XCONVS}.{norm1,norm2} bn
"""
XCONVS = (
    "corr_conv,corr_conv_pos,corr_conv_neg,corr_fusion,image_conv1.1,image_conv2,fusion1.0,fusion1.1,all_fusion,"
    "refine_fusion1,refine_fusion2"
)


def sam(depth: int) -> set[str]:
    """SAM with so many blocks in its image encoder."""
    return names(SAM.replace("LAST", str(depth - 1)))


def fcanet(res2net: bool) -> set[str]:
    """FCA-Net on ResNet-101, or on Res2Net-101."""
    return names((FCANET_RES2NET if res2net else FCANET_RESNET).replace("STAGES", STAGES))


def emc_refiner() -> set[str]:
    """What EMC-Click adds to its first network; corr_conv is there three times."""
    return names(EMC_REFINER.replace("XCONVS", XCONVS))


def names(layout: str) -> set[str]:
    """The names that a layout stands for."""
    found = set()
    for line in layout.split("\n"):
        if line:
            pattern, kind = line.split()
            found |= {stem + suffix for stem in _expanded(pattern) for suffix in SUFFIXES[kind]}
    return found


def _expanded(pattern: str) -> list[str]:
    inner = re.search(r"\{([^{}]*)\}", pattern)  # an innermost one
    if inner is None:
        return [pattern]
    span = re.fullmatch(r"(\d+)\.\.(\d+)", inner[1])
    parts = list(map(str, range(int(span[1]), int(span[2]) + 1))) if span else inner[1].split(",")
    whole = (pattern[: inner.start()] + part + pattern[inner.end() :] for part in parts)
    return list(itertools.chain.from_iterable(map(_expanded, whole)))
