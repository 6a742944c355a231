"""How teacher, true labels and penalty are mixed, and the choice of it on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sazon.adapt.distill.config import DistillConfig


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """What a student's loss is made of."""

    gold: float = 0.5
    """λ: share of the true labels."""
    temperature: float = 4.0
    """T: how much teacher and student are softened."""
    C: float = 30.0
    """Inverse strength of the penalty."""
    word_vectors: bool = True
    """Whether words share scores by the teacher's vectors (static)."""

    @classmethod
    def of(cls, config: DistillConfig) -> Mixture:
        """What the options say, the usual values where they say nothing."""
        return replace(cls(), **_said(config))


OTHERS: tuple[tuple[str, tuple[float | bool, ...]], ...] = (
    ("word_vectors", (False,)),
    ("gold", (0.9,)),
    ("temperature", (2.0, 1.0)),
    ("C", (5.0,)),
    ("C", (100.0,)),
)
"""What else is tried of each option, away from its usual value; what matters most goes first."""

MOST = 1 + sum(len(values) for _, values in OTHERS)
"""Mixtures tried at most."""


def choose(
    config: DistillConfig, loss: Callable[[Mixture], float], *, has_vectors: bool
) -> tuple[Mixture, int]:
    """Go through the options the recipe leaves open, one after the other, and keep what lowers the loss.

    Args:
        config: the options; what is given there is not touched.
        loss: log-loss on validation, calibrated, of the student a mixture gives.
        has_vectors: whether there are word vectors to share scores by.

    Returns:
        The best mixture met, and how many were tried.
    """
    best = replace(Mixture.of(config), word_vectors=has_vectors and Mixture.of(config).word_vectors)
    open_to_choice = [name for name, _ in OTHERS if name not in _said(config)]
    if not open_to_choice or (open_to_choice == ["word_vectors"] and not has_vectors):
        return best, 0
    least, tried = loss(best), 1
    for name, others in OTHERS:
        if name not in open_to_choice:
            continue
        for other in _apart_from(best, name, others):
            found = loss(other)
            tried += 1
            if found >= least:
                break  # further along the same way it would hardly fall again
            best, least = other, found
    return best, tried


def _apart_from(best: Mixture, name: str, others: tuple[float | bool, ...]) -> Iterator[Mixture]:
    for value in others:
        if getattr(best, name) != value:
            changed: dict[str, Any] = {name: value}
            yield replace(best, **changed)


def _said(config: DistillConfig) -> dict[str, Any]:
    return {name: value for name, _ in OTHERS if (value := getattr(config, name)) is not None}
