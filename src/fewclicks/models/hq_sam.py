"""HQ-SAM (Ke et al., "Segment Anything in High Quality", NeurIPS 2023): SAM, and a token for what its masks miss.

Beside SAM's own tokens one more meets the photo. It weighs finer vectors of the pixels, which are made of SAM's, of the
embedded photo, and of what the image encoder's first global block sees; what it finds is added to SAM's logits. The
parts that look at the photo alone run once. Sizes: b, l, h; and tiny, for trying out.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.sam import DIM, SAM, SIZES, Size
from fewclicks.models.sam_decoder import MASKS, Layers, MaskDecoder, product
from fewclicks.models.vit_relative import LayerNorm2d


def build_net(size: str = "b") -> HQSAM:
    """An HQ-SAM of size b, l, h or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no hq_sam of size '{size}'; there are: {', '.join(SIZES)}")
    return HQSAM(SIZES[size])


def enlarging(inputs: int, inner: int, outputs: int) -> nn.Sequential:
    """Two transposed convolutions to four times the resolution."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, inner, 2, 2), LayerNorm2d(inner), nn.GELU(), nn.ConvTranspose2d(inner, outputs, 2, 2)
    )


class FineDecoder(MaskDecoder):
    """SAM's decoder, and the token of the fine mask."""

    def __init__(self, dim: int, encoder_dim: int) -> None:
        super().__init__(dim)
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = Layers(dim, dim, dim // 8)
        self.compress_vit_feat = enlarging(encoder_dim, dim, dim // 8)
        self.embedding_encoder = enlarging(dim, dim // 4, dim // 8)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(dim // 8, dim // 4, 3, padding=1), LayerNorm2d(dim // 4), nn.GELU(),
            nn.Conv2d(dim // 4, dim // 8, 3, padding=1),
        )  # fmt: skip

    def fine(self, embedding: Tensor, early: Tensor) -> Tensor:
        """The embedded photo and the early features, both of its grid -> the photo's share of the fine vectors."""
        share: Tensor = self.embedding_encoder(embedding) + self.compress_vit_feat(early)
        return share

    def refined(
        self, embedding: Tensor, fine: Tensor, positions: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode as forward, with the fine mask added to each of the four."""
        own = (self.iou_token.weight, self.mask_tokens.weight, self.hf_token.weight)
        tokens, photo = self.met(own, embedding, positions, sparse, dense)
        pixels = self.output_upscaling(photo)
        coarse = self.weighed(tokens[:, 1:], pixels)
        more = product(self.hf_mlp(tokens[:, 1 + MASKS : 2 + MASKS]), self.embedding_maskfeature(pixels) + fine)
        return coarse + more, self.iou_prediction_head(tokens[:, 0])


class HQSAM(SAM):
    """Photo, clicks and previous mask -> logits, as SAM."""

    mask_decoder: FineDecoder

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self.mask_decoder = FineDecoder(DIM, size.dim)

    def embed(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Embed as SAM -> Bx256xgridxgrid, and the photo's share of the fine vectors Bx32x4gridx4grid."""
        embedding, early = self.image_encoder.both(self.put_into_square(image))
        return embedding, self.mask_decoder.fine(embedding, early)

    def masks(self, embedded: Any, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Decode an encoded prompt with what `embed` made of a photo -> as `decode`."""
        embedding, fine = embedded
        return self.mask_decoder.refined(embedding, fine, self.prompt_encoder.positions(), sparse, dense)
