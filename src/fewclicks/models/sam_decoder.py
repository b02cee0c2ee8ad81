"""SAM's prompts and its mask decoder (Kirillov et al., ICCV 2023): points and a mask -> four masks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.models.vit_relative import LayerNorm2d

MASKS = 4
"""One for prompts that leave no doubt, three for those that do."""

PAD_LABEL = -1


class FourierPositions(nn.Module):
    """A point of the unit square -> sines and cosines of random projections of it (Tancik et al., NeurIPS 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def forward(self, xy: Tensor) -> Tensor:
        """...x2 in [0,1] -> ...xC."""
        angles = 2 * math.pi * ((2 * xy - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat((angles.sin(), angles.cos()), -1)


class PromptEncoder(nn.Module):
    """Points -> tokens; a mask -> what is added to the embedded photo."""

    def __init__(self, dim: int, grid: int, side_px: int) -> None:
        super().__init__()
        self.grid, self.side_px = grid, side_px
        self.pe_layer = FourierPositions(dim)
        # background, object, and the two corners of a box
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2), LayerNorm2d(4), nn.GELU(),
            nn.Conv2d(4, 16, 2, 2), LayerNorm2d(16), nn.GELU(),
            nn.Conv2d(16, dim, 1),
        )  # fmt: skip
        self.no_mask_embed = nn.Embedding(1, dim)

    def forward(self, points: Tensor, mask: Tensor | None, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points BxNx3 in pixels, mask logits Bx1x4gridx4grid or None -> tokens Bx(N+1)xC and Bx C x grid x grid.

        `given` Bx1x1x1, bool: which of the masks are there at all (None: every one). The last token stands for the box
        that is not there.
        """
        points = torch.cat((points, points.new_tensor([[[0, 0, PAD_LABEL]]]).expand(len(points), 1, 3)), 1)
        tokens = self.pe_layer((points[..., :2] + 0.5) / self.side_px)
        label = points[..., 2:]
        tokens = torch.where(label == PAD_LABEL, self.not_a_point_embed.weight, tokens)
        for meaning in (0, 1):
            own: Tensor = self.point_embeddings[meaning].weight  # type: ignore[assignment]
            tokens = tokens + own * (label == meaning)
        none = self.no_mask_embed.weight.view(1, -1, 1, 1).expand(len(points), -1, self.grid, self.grid)
        if mask is None:
            return tokens, none
        dense = self.mask_downscaling(mask)
        return tokens, dense if given is None else torch.where(given, dense, none)

    def positions(self) -> Tensor:
        """The encoded centres of the patches, 1xCxgridxgrid."""
        at = (torch.arange(self.grid, device=self.no_mask_embed.weight.device) + 0.5) / self.grid
        rows, cols = torch.meshgrid(at, at, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack((cols, rows), -1))
        return encoded.permute(2, 0, 1)[None]


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than the outer one."""

    def __init__(self, dim: int, heads: int = 8, downsample: int = 1) -> None:
        super().__init__()
        self.heads = heads
        inner = dim // downsample
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(dim, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """BxNxC, BxMxC, BxMxC -> BxNxC."""
        parts = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in parts)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class TokenMLP(nn.Module):
    """Two linear layers, ReLU between them."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, inner)
        self.lin2 = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        """...xC -> ...xC."""
        out: Tensor = self.lin2(F.relu(self.lin1(x)))
        return out


class TwoWayBlock(nn.Module):
    """Tokens look at each other, then at the photo; the photo looks at the tokens."""

    def __init__(self, dim: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, downsample=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = TokenMLP(dim, 2048)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, downsample=2)

    def forward(self, tokens: Tensor, photo: Tensor, token_pe: Tensor, photo_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens BxNxC and photo BxMxC, with their positions -> the same."""
        if self.first:  # the tokens are their own positions yet
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            at = tokens + token_pe
            tokens = tokens + self.self_attn(at, at, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pe, photo + photo_pe, photo))
        tokens = self.norm3(tokens + self.mlp(tokens))
        photo = self.norm4(photo + self.cross_attn_image_to_token(photo + photo_pe, tokens + token_pe, tokens))
        return tokens, photo


class TwoWayTransformer(nn.Module):
    """Two such blocks, and a last look of the tokens at the photo."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, first=i == 0) for i in range(2))
        self.final_attn_token_to_image = Attention(dim, downsample=2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, photo: Tensor, photo_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens BxNxC, photo BxMxC and its positions -> tokens and photo."""
        token_pe = tokens
        for layer in self.layers:
            tokens, photo = layer(tokens, photo, token_pe, photo_pe)
        last = self.final_attn_token_to_image(tokens + token_pe, photo + photo_pe, photo)
        return self.norm_final_attn(tokens + last), photo


class Layers(nn.Module):
    """Linear layers, ReLU between them."""

    def __init__(self, inputs: int, inner: int, outputs: int) -> None:
        super().__init__()
        dims = (inputs, inner, inner, outputs)
        self.layers = nn.ModuleList(nn.Linear(dims[i], dims[i + 1]) for i in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """...xC -> ...xD."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out


class MaskDecoder(nn.Module):
    """Tokens of masks meet the photo and the prompt; each mask token then says how the pixels' vectors are weighed."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(MASKS, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, 2), LayerNorm2d(dim // 4), nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, 2), nn.GELU(),
        )  # fmt: skip
        self.output_hypernetworks_mlps = nn.ModuleList(Layers(dim, dim, dim // 8) for _ in range(MASKS))
        self.iou_prediction_head = Layers(dim, dim, MASKS)

    def forward(self, embedding: Tensor, positions: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Embedded photo BxCxhxw, its positions, prompt BxNxC and BxCxhxw -> logits Bx4x4hx4w, expected IoUs Bx4."""
        own = (self.iou_token.weight, self.mask_tokens.weight)
        tokens, photo = self.met(own, embedding, positions, sparse, dense)
        expected: Tensor = self.iou_prediction_head(tokens[:, 0])
        return self.weighed(tokens[:, 1:], self.output_upscaling(photo)), expected

    def met(
        self, own: tuple[Tensor, ...], embedding: Tensor, positions: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The decoder's own tokens and those of the prompt after they have met the photo, BxNxC, and it BxCxhxw."""
        batch = len(embedding)
        photo = (embedding + dense).flatten(2).transpose(1, 2)
        every = torch.cat((torch.cat(own).expand(batch, -1, -1), sparse), 1)
        tokens, photo = self.transformer(every, photo, positions.flatten(2).transpose(1, 2))
        return tokens, photo.transpose(1, 2).reshape(batch, -1, *embedding.shape[-2:])

    def weighed(self, tokens: Tensor, pixels: Tensor) -> Tensor:
        """Tokens of the masks BxMxC, pixels' vectors BxDxhxw -> logits BxMxhxw."""
        weights = [mlp(tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        return product(torch.stack(weights, 1), pixels)


def product(weights: Tensor, pixels: Tensor) -> Tensor:
    """BxMxD, BxDxhxw -> BxMxhxw: every pixel's vector weighed."""
    return (weights @ pixels.flatten(2)).reshape(len(weights), -1, *pixels.shape[-2:])
