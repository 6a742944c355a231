"""From scores to probabilities to answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sazon.core.types import Answers, Floats


def softmax(scores: npt.NDArray[np.floating], *, temperature: float = 1.0) -> Floats:
    """Probabilities exp(s/T) / Σ exp(s/T) over the last axis, computed without overflow."""
    scaled = np.asarray(scores, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def answer(probabilities: Floats, classes: tuple[str, ...]) -> Answers:
    """The most probable class of each row, with its probability as confidence.

    Args:
        probabilities: shape (n, classes), rows summing to 1.
        classes: the order of the columns.
    """
    best = probabilities.argmax(axis=1)
    return Answers(
        labels=tuple(classes[i] for i in best),
        confidence=probabilities[np.arange(len(best)), best],
        probabilities=probabilities,
        classes=classes,
    )
