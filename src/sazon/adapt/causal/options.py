"""How a causal language model is trained: the options that both fine-tuning and distillation have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sazon.core.errors import RecipeError

if TYPE_CHECKING:
    from sazon.adapt.config import Budget
    from sazon.adapt.finetune import FinetuneConfig
    from sazon.models.language_model import LoadIn

RATE = {"full": 2e-5, "lora": 2e-4}
"""Adapters want about ten times the rate of full tuning (TRL, "LoRA without regret")."""
EPOCHS = 3
"""Passes over the rows where the recipe names none."""
ENCODER_ONLY = (
    "head_rate",
    "layer_decay",
    "freeze_embeddings",
    "seeds",
    "interpolate",
    "ema",
    "processes",
)
"""Options of `finetune` that only an encoder takes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides the result beside base, data and seed."""

    method: Literal["full", "lora"] = "lora"
    rank: int = 16
    alpha: float = 32.0
    """Scale of the adapters, divided by the rank."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers that get adapters; empty: all but the last, which makes the logits."""
    epochs: int = EPOCHS
    rate: float = RATE["lora"]
    """Peak learning rate."""
    weight_decay: float = 0.01
    warmup: float = 0.1
    """Share of the steps over which the rate rises; then it falls to zero."""
    batch_size: int = 32
    label_smoothing: float = 0.0
    max_length: int | None = None
    """Tokens of prompt and answer together; None: as many as the longest row has, at most the model's."""
    patience: int = 3
    """Epochs without a lower validation loss after which training stops."""
    refit: bool = True
    """Train once more, for as many steps as were best, on fit and validation together."""
    load_in: LoadIn | None = None
    """Hold the frozen weights in fewer bits while adapters are trained."""
    budget: Budget | None = None

    @classmethod
    def of(cls, config: FinetuneConfig, *, name: str) -> Options:
        """The options of a fine-tuned candidate, as a causal language model takes them.

        Raises:
            RecipeError: an option or a method that only an encoder takes, or fewer bits without adapters.
        """
        usual = type(config).model_fields
        if strange := [o for o in ENCODER_ONLY if getattr(config, o) != usual[o].default]:
            raise RecipeError(
                f"a causal language model takes no {strange[0]}",
                where=f"candidates.{name}.{strange[0]}",
                mend="Remove it, or name an encoder as the base.",
            )
        method = config.method or "lora"
        if method not in ("full", "lora"):
            raise RecipeError(
                f"a causal language model takes no method: {method}",
                where=f"candidates.{name}.method",
                mend="Use lora or full.",
            )
        if config.load_in is not None and method == "full":
            raise RecipeError(
                f"weights held in {config.load_in} cannot be trained themselves",
                where=f"candidates.{name}.load_in",
                mend="Use method: lora, or remove load_in.",
            )
        return cls(
            method=method,
            rank=config.rank,
            alpha=config.alpha,
            targets=tuple(config.targets or ()),
            epochs=config.epochs or EPOCHS,
            rate=config.rate or RATE[method],
            weight_decay=config.weight_decay,
            warmup=config.warmup,
            batch_size=config.batch_size,
            label_smoothing=config.label_smoothing,
            max_length=config.max_length,
            patience=config.patience,
            refit=config.refit,
            load_in=config.load_in,
            budget=config.budget,
        )
