"""Texts to learn from beside the labelled rows, without those kept for judging."""

from __future__ import annotations

from dataclasses import dataclass

from sazon.core import digest
from sazon.core.types import TrainingData
from sazon.data.plain import plain


@dataclass(frozen=True, kw_only=True)
class Further:
    """Texts beside the labelled rows, and how many were left out."""

    texts: list[str]
    excluded: int
    """Texts left out because they stand in a split that no training may see."""


def further_texts(data: TrainingData) -> Further:
    """The unlabelled texts, each once, without those of the rows kept for trust, calibration and test."""
    pool = [] if data.unlabelled is None else list(dict.fromkeys(data.unlabelled.inputs))
    kept = [text for text in pool if not held_out(text, data)]
    return Further(texts=kept, excluded=len(pool) - len(kept))


def held_out(text: str, data: TrainingData) -> bool:
    """Whether a text stands, but for case and spacing, in a split that training must not see."""
    return bool(data.held_out) and digest.of_text(plain(text)) in data.held_out
