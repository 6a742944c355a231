"""Low-rank adapters: attached through peft, merged into the weights at the end.

W′ = W + (α/r)·B·A with A (r, in) and B (out, r). Source: Hu et al. 2021, "LoRA", section 4.1.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from sazon.core import registry
from sazon.core.errors import IntegrityError, RecipeError
from sazon.models.transformer import Encoder

PARITY = 2e-3
"""Largest change of any coordinate of a unit vector that merging may cause (fp32 rounding is far below)."""


def attach(encoder: Encoder, *, rank: int, alpha: float, targets: Sequence[str], name: str) -> None:
    """Put trainable adapters beside the linear layers whose names end in one of `targets`.

    Raises:
        RecipeError: no linear layer has such a name (with those that exist).
        EnvironmentLacks: peft is not installed.
    """
    known = _linear_names(encoder.backbone)
    if strange := [t for t in targets if t not in known]:
        raise RecipeError(
            f"the base has no linear layer called {strange[0]!r}",
            where=f"candidates.{name}.targets",
            mend=f"Its linear layers are {', '.join(sorted(known))}.",
        )
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise registry.lacking("peft", purpose="method: lora") from error
    options = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), lora_dropout=0.0)
    with warnings.catch_warnings():
        # peft asks transformers under a name that transformers 6 will drop.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        encoder.backbone = get_peft_model(encoder.backbone, options)


def merge(encoder: Encoder, texts: Sequence[str]) -> None:
    """Fold the adapters into the weights and check that the vectors of some texts stay.

    Raises:
        IntegrityError: merging changed what the model says.
    """
    precision, encoder.precision = encoder.precision, "fp32"
    before = encoder.encode(texts)
    encoder.backbone = encoder.backbone.merge_and_unload()
    after = encoder.encode(texts)
    encoder.precision = precision
    if len(texts) and float(np.abs(before - after).max()) > PARITY:
        raise IntegrityError(
            "merging the adapters changed the model's vectors",
            mend="Try a smaller alpha, or method: full.",
        )


def _linear_names(backbone: Any) -> set[str]:
    import torch

    modules = backbone.named_modules()
    return {path.rsplit(".", 1)[-1] for path, module in modules if isinstance(module, torch.nn.Linear)}
