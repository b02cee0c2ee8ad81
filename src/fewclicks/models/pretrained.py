"""What the backbones' `load_pretrained` share: weights go in whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fewclicks.errors import CheckpointError


def fill(backbone: nn.Module, values: Mapping[str, Tensor], what: str, unused: tuple[str, ...] = ()) -> None:
    """Load `values`, one for each entry of the backbone whose name does not begin with one of `unused`.

    Counters of BatchNorm may be missing, as files older than these lack them. CheckpointError, naming `what` the
    weights should be, where something else is missing, unknown or of another shape; the backbone is then as it was.
    """
    values = {key: value for key, value in values.items() if not key.startswith(unused)}
    own = {key: value for key, value in backbone.state_dict().items() if not key.startswith(unused)}
    values = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")} | values
    for key in [*own, *values]:
        if key not in own or key not in values:
            verb = "lacks" if key in own else "also has"
            raise CheckpointError(f"these are not the weights of {what} of this size: the file {verb} {key}")
        if own[key].shape != values[key].shape:
            got, wanted = tuple(values[key].shape), tuple(own[key].shape)
            raise CheckpointError(f"these are not the weights of {what} of this size: {key} is {got}, wanted {wanted}")
    backbone.load_state_dict(values, strict=False)
