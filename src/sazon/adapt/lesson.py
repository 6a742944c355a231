"""What a student learns from: texts, a teacher's probabilities, true labels where there are any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.adapt.measure import codes
from sazon.core.errors import RecipeError
from sazon.core.seams import Predictor
from sazon.core.types import Floats, TrainingData

AT_ONCE = 512
"""Texts asked of the teacher between two words of progress."""
DROPPED = 0.2
"""Share of the words that a variant lacks."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Rows of one training: labelled texts, and unlabelled variants of them."""

    texts: list[str]
    soft: Floats
    """The teacher's probabilities, shape (n, classes)."""
    truth: npt.NDArray[np.intp]
    """Column of the true class, shape (n,); −1 for a variant."""
    validation: npt.NDArray[np.bool_]
    """Rows that are validation rows or made of them, shape (n,)."""

    def only_fit(self) -> Lesson:
        """Without validation rows and their variants."""
        rows = np.flatnonzero(~self.validation)
        return Lesson(
            texts=[self.texts[i] for i in rows],
            soft=self.soft[rows],
            truth=self.truth[rows],
            validation=self.validation[rows],
        )


def make_lesson(
    teacher: Predictor,
    data: TrainingData,
    *,
    variants: int,
    rng: np.random.Generator,
    told: Callable[[int, int], None],
    name: str,
) -> Lesson:
    """Ask the teacher about all rows and about variants of them.

    A teacher is surer of rows it was trained on than of new ones; variants are new to it, so
    its doubts, which are what a student learns from, show there.

    Args:
        teacher: any predictor with probabilities.
        data: fit and validation rows.
        variants: how many of each text.
        rng: draws the variants.
        told: is called with texts done and texts in all.
        name: of the student, for errors.

    Raises:
        RecipeError: the teacher's classes are not the task's, or it gives no probabilities.
    """
    if not teacher.can.probabilities or teacher.classes != data.labels:
        raise RecipeError(
            "the teacher gives no probabilities over the task's classes",
            where=f"candidates.{name}.teacher",
            mend="Name a candidate of adapt, e.g. a transfer or finetune one.",
        )
    labelled = data.fit.inputs + data.validation.inputs
    texts = list(labelled)
    for _ in range(variants):
        texts += vary(labelled, rng)
    held = np.arange(len(labelled)) >= len(data.fit)
    truth = codes(data.fit.targets + data.validation.targets, data.labels)
    return Lesson(
        texts=texts,
        soft=_ask(teacher, texts, told),
        truth=np.concatenate([truth, np.full(variants * len(labelled), -1)]),
        validation=np.tile(held, 1 + variants),
    )


def vary(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """One variant of each text: some words dropped, at least one kept."""
    varied = []
    for text in texts:
        words = text.split()
        kept = [w for w, drawn in zip(words, rng.random(len(words)), strict=True) if drawn >= DROPPED]
        varied.append(" ".join(kept or words[:1]))
    return varied


def _ask(teacher: Predictor, texts: list[str], told: Callable[[int, int], None]) -> Floats:
    asked = []
    for start in range(0, len(texts), AT_ONCE):
        answers = teacher.predict(texts[start : start + AT_ONCE])
        if answers.probabilities is None:
            raise ValueError("a predictor that promises probabilities gave none")
        asked.append(answers.probabilities)
        told(min(start + AT_ONCE, len(texts)), len(texts))
    return np.concatenate(asked)
