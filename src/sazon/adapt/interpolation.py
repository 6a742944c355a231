"""Between a base and what tuning made of it: θ(α) = (1 − α)·θ_base + α·θ_tuned.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (WiSE-FT), equation 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sazon.models.transformer import Encoder

if TYPE_CHECKING:
    import torch

Weights = Mapping[str, "torch.Tensor"]


def weights_of(encoder: Encoder) -> Weights:
    """A copy of every parameter of an encoder, by name."""
    return {name: p.detach().clone() for name, p in encoder.backbone.named_parameters()}


def set_between(encoder: Encoder, base: Weights, tuned: Weights, *, alpha: float) -> None:
    """Give the encoder the weights θ(α); 0 is exactly the base and 1 exactly the tuned model."""
    import torch

    with torch.no_grad():
        for name, parameter in encoder.backbone.named_parameters():
            if alpha in (0.0, 1.0):
                parameter.copy_(tuned[name] if alpha else base[name])
            else:
                parameter.copy_(torch.lerp(base[name], tuned[name], alpha))
