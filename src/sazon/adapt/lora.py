"""Adapters: attached through peft by the name of their method, merged into the weights at the end.

LoRA: W′ = W + (α/r)·B·A with A (r, in) and B (out, r). Source: Hu et al. 2021, "LoRA", section 4.1.
The other methods change what is added, how it starts or how it is scaled; all of them can be merged.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from sazon.core import registry
from sazon.core.errors import IntegrityError, RecipeError
from sazon.models.transformer import Encoder

Method = Literal[
    "full", "lora", "dora", "rslora", "pissa", "olora",
    "loha", "lokr", "randlora", "vera", "ia3", "hra", "miss",
]  # fmt: skip
"""`full` trains all layers; the others are adapters that peft can merge into an encoder exactly."""
ADAPTERS: tuple[Method, ...] = tuple(m for m in get_args(Method) if m != "full")
RATE: dict[Method, float] = {"rslora": 3e-4, "pissa": 3e-4, "olora": 3e-4, "vera": 1e-2, "ia3": 1e-2}
"""Where it is not `USUAL_RATE`: a larger scale (√r for rslora, principal directions for pissa and
olora) wants a lower rate, training vectors instead of matrices (vera, ia3) a higher one."""
USUAL_RATE = 1e-3
"""Adapters want about ten times the rate of full tuning (TRL, "LoRA without regret")."""
PROJECTIONS = ("query", "key", "value", "q_proj", "k_proj", "v_proj", "q_lin", "k_lin", "v_lin")
"""Layers of the attention, whose outputs IA3 scales; of the others it scales the inputs."""
PARITY = 2e-3
"""Largest change of any coordinate of a unit vector that merging may cause (fp32 rounding is far below)."""


def attach(
    encoder: Encoder,
    *,
    rank: int,
    alpha: float,
    targets: Sequence[str],
    name: str,
    method: Method = "lora",
) -> None:
    """Put trainable adapters beside the linear layers whose names end in one of `targets`.

    Args:
        encoder: is changed.
        rank: of the matrices (not of ia3, which has none).
        alpha: scale, divided by the rank (lora and its kin, loha, lokr, randlora).
        targets: names of linear layers.
        name: of the candidate, for errors.
        method: one of `ADAPTERS`.

    Raises:
        RecipeError: no linear layer has such a name (with those that exist), or peft refuses.
        EnvironmentLacks: peft is not installed.
    """
    known = linear_names(encoder.backbone)
    if strange := [t for t in targets if t not in known]:
        raise RecipeError(
            f"the base has no linear layer called {strange[0]!r}",
            where=f"candidates.{name}.targets",
            mend=f"Its linear layers are {', '.join(sorted(known))}.",
        )
    try:
        from peft import get_peft_model
    except ModuleNotFoundError as error:
        raise registry.lacking("peft", purpose=f"method: {method}") from error
    options = _options(method, rank=rank, alpha=alpha, targets=list(targets))
    with warnings.catch_warnings():
        # peft asks transformers under a name that transformers 6 will drop.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        try:
            encoder.backbone = get_peft_model(encoder.backbone, options)
        except ValueError as error:
            raise RecipeError(
                f"peft refuses {method} for this base: {error}",
                where=f"candidates.{name}.method",
                mend="Try another rank or other targets, or method: lora.",
            ) from error


def _options(method: Method, *, rank: int, alpha: float, targets: list[str]) -> Any:
    """What peft calls the method."""
    import peft

    if method == "ia3":
        inputs = [t for t in targets if t not in PROJECTIONS]
        return peft.IA3Config(target_modules=targets, feedforward_modules=inputs)
    sizes = {"r": rank, "target_modules": targets}
    if method == "vera":
        return peft.VeraConfig(**sizes)
    if method == "hra":
        return peft.HRAConfig(**sizes)
    if method == "miss":
        return peft.MissConfig(**sizes)
    if method == "loha":
        return peft.LoHaConfig(**sizes, alpha=alpha)
    if method == "lokr":
        return peft.LoKrConfig(**sizes, alpha=alpha)
    if method == "randlora":
        return peft.RandLoraConfig(**sizes, randlora_alpha=alpha)
    kin: dict[str, dict[str, Any]] = {
        "lora": {},
        "dora": {"use_dora": True},
        "rslora": {"use_rslora": True},
        "pissa": {"init_lora_weights": "pissa"},
        "olora": {"init_lora_weights": "olora"},
    }
    return peft.LoraConfig(**sizes, lora_alpha=alpha, lora_dropout=0.0, **kin[method])


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


def linear_names(backbone: Any) -> set[str]:
    """Last names of all linear layers."""
    import torch

    modules = backbone.named_modules()
    return {path.rsplit(".", 1)[-1] for path, module in modules if isinstance(module, torch.nn.Linear)}
