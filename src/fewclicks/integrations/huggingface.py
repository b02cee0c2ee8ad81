"""Hugging Face's hub: a predictor that is saved to a folder or repository with its card, and loaded from one.

    from fewclicks.integrations.huggingface import HubPredictor
    predictor = HubPredictor.from_pretrained("somebody/their-model", local_files_only=True)
    session = fewclicks.open("photo.jpg", predictor)
    HubPredictor("default").save_pretrained("my-model")

A repository holds an .onnx file, or model.safetensors and config.json; never a pickle. It names no code that is run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from fewclicks.api import load
from fewclicks.clicks import Clicks
from fewclicks.errors import CheckpointError, MissingExtra
from fewclicks.methods import default
from fewclicks.predictor import State
from fewclicks.types import Image

try:
    from huggingface_hub import ModelCard, ModelCardData, ModelHubMixin, snapshot_download
except ImportError:
    raise MissingExtra("this needs huggingface_hub; run: pip install 'fewclicks[huggingface]'") from None

ONNX = "model.onnx"
TENSORS = ("config.json", "model.safetensors")
CARD = "README.md"


class HubPredictor(ModelHubMixin, library_name="fewclicks", tags=["interactive-segmentation"]):
    """A predictor with `from_pretrained`, `save_pretrained` and `push_to_hub`."""

    def __init__(self, weights: str | os.PathLike[str] = "default", **options: Any) -> None:
        """Take weights by their path, or "default", and the options of `fewclicks.load`."""
        self._weights = default.WEIGHTS if os.fspath(weights) == "default" else Path(weights)
        self._predictor = load(self._weights, **options)
        self._hub_mixin_config = None  # the mixin would write the arguments into config.json, which is the network's

    def start(self, image: Image) -> State:
        """The state before the first click."""
        return self._predictor.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """The state after `clicks`."""
        return self._predictor.step(state, clicks)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Copy the weights, and the card where there is one beside them."""
        folder = Path(save_directory)
        files = TENSORS if self._weights.is_dir() else (ONNX,)
        for name in files:
            shutil.copyfile(self._weights / name if self._weights.is_dir() else self._weights, folder / name)
        card = (self._weights if self._weights.is_dir() else self._weights.parent) / CARD
        if card.is_file():
            shutil.copyfile(card, folder / CARD)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """A short card, for weights that have none of their own."""
        about = ModelCardData(
            library_name="fewclicks", pipeline_tag="mask-generation", tags=["interactive-segmentation"]
        )
        return ModelCard(
            f"---\n{about.to_yaml()}\n---\n\n# A click network of fewclicks\n\nLoad it by `HubPredictor`.\n"
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        **options: Any,
    ) -> HubPredictor:
        """Load from a folder or a repository, with the options of `fewclicks.load`.

        Only weights, their config and the card are fetched; what the config says is the network's, never ours.
        """
        model_id = os.fspath(pretrained_model_name_or_path)
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id, revision=revision, cache_dir=cache_dir, force_download=force_download,
                    local_files_only=local_files_only, token=token, allow_patterns=[ONNX, *TENSORS, CARD],
                )
            )  # fmt: skip
        if (folder / ONNX).is_file():
            return cls(folder / ONNX, **options)
        if all((folder / name).is_file() for name in TENSORS):
            return cls(folder, **options)
        raise CheckpointError(f"'{model_id}' holds neither {ONNX} nor {' and '.join(TENSORS)}; name another repository")
