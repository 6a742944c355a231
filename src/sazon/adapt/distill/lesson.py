"""What a student learns from: texts, a teacher's probabilities, true labels where there are any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.adapt.further import further_texts
from sazon.adapt.measure import codes
from sazon.core.errors import RecipeError
from sazon.core.seams import Predictor
from sazon.core.types import Floats, TrainingData
from sazon.data.plain import plain

AT_ONCE = 512
"""Texts asked of the teacher between two words of progress."""
DROPPED = 0.2
"""Share of the words that a variant lacks."""
UNKNOWN = -1
"""Class column of a text without a true label."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Rows of one training: labelled texts, and texts whose answer only the teacher gives."""

    texts: list[str]
    soft: Floats
    """The teacher's probabilities, shape (n, classes)."""
    follow: Floats
    """How much the teacher counts on each row, shape (n,); 0 where it said nothing."""
    truth: npt.NDArray[np.intp]
    """Column of the true class, shape (n,); −1 where it is not known."""
    validation: npt.NDArray[np.bool_]
    """Rows that are validation rows, made of them or copies of them, shape (n,)."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    def only_fit(self) -> Lesson:
        """Without validation rows, their variants and their copies among the further texts."""
        rows = np.flatnonzero(~self.validation)
        return Lesson(
            texts=[self.texts[i] for i in rows],
            soft=self.soft[rows],
            follow=self.follow[rows],
            truth=self.truth[rows],
            validation=self.validation[rows],
        )


def make_lesson(
    teachers: Sequence[Predictor],
    data: TrainingData,
    *,
    variants: int,
    rng: np.random.Generator,
    told: Callable[[int, int], None],
    name: str,
) -> Lesson:
    """Ask the teachers about all rows, about unlabelled texts and about variants of both.

    A teacher is surer of rows it was trained on than of new ones; variants are new to it, so
    its doubts, which are what a student learns from, show there.

    Args:
        teachers: predictors with probabilities; the mean of a panel is followed.
        data: fit and validation rows, unlabelled texts.
        variants: how many of each text.
        rng: draws the variants.
        told: is called with texts done and texts in all.
        name: of the student, for errors.

    Raises:
        RecipeError: a teacher's classes are not the task's, or it gives no probabilities.
    """
    if any(not t.can.probabilities or t.classes != data.labels for t in teachers):
        raise RecipeError(
            "the teacher gives no probabilities over the task's classes",
            where=f"candidates.{name}.teacher",
            mend="Name a candidate of adapt, e.g. a transfer or finetune one.",
        )
    labelled = data.fit.inputs + data.validation.inputs
    texts = labelled + further_texts(data).texts
    asked = list(texts)
    for _ in range(variants):
        asked += vary(texts, rng)
    return lesson_of(
        data,
        asked,
        soft=ask(teachers, asked, told),
        follow=np.repeat([1.0, 1.0 / max(1, variants)], [len(texts), len(asked) - len(texts)]),
        validation=np.tile(_of_validation(texts, data), 1 + variants),
    )


def lesson_of(
    data: TrainingData,
    texts: list[str],
    *,
    soft: Floats,
    follow: Floats,
    validation: npt.NDArray[np.bool_],
) -> Lesson:
    """A lesson whose first rows are fit and validation, in this order, with their true labels."""
    truth = np.full(len(texts), UNKNOWN, dtype=np.intp)
    truth[: len(data.fit) + len(data.validation)] = codes(
        data.fit.targets + data.validation.targets, data.labels
    )
    return Lesson(texts=texts, soft=soft, follow=follow, truth=truth, validation=validation)


def recorded_lesson(data: TrainingData, texts: list[str], soft: Floats) -> Lesson:
    """Labelled rows of which no teacher speaks, and texts that somebody else's model answered.

    Args:
        data: fit and validation rows.
        texts: what was asked.
        soft: what was answered, shape (texts, classes).
    """
    labelled = data.fit.inputs + data.validation.inputs
    nothing = np.full((len(labelled), len(data.labels)), 1.0 / len(data.labels))
    every = labelled + texts
    return lesson_of(
        data,
        every,
        soft=np.concatenate([nothing, soft]),
        follow=np.repeat([0.0, 1.0], [len(labelled), len(texts)]),
        validation=_of_validation(every, data),
    )


def _of_validation(texts: Sequence[str], data: TrainingData) -> npt.NDArray[np.bool_]:
    """Which texts are validation rows or copies of them; the first are fit rows, which stay."""
    known = {plain(text) for text in data.validation.inputs}
    fit = len(data.fit)
    return np.array([i >= fit and plain(text) in known for i, text in enumerate(texts)], dtype=bool)


def vary(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """One variant of each text: some words dropped, at least one kept."""
    varied = []
    for text in texts:
        words = text.split()
        kept = [w for w, drawn in zip(words, rng.random(len(words)), strict=True) if drawn >= DROPPED]
        varied.append(" ".join(kept or words[:1]))
    return varied


def ask(teachers: Sequence[Predictor], texts: list[str], told: Callable[[int, int], None]) -> Floats:
    """Mean of the teachers' probabilities, shape (texts, classes)."""
    total = len(texts) * len(teachers)
    means: Floats = np.zeros((len(texts), len(teachers[0].classes)))
    for turn, teacher in enumerate(teachers):
        for start in range(0, len(texts), AT_ONCE):
            portion = texts[start : start + AT_ONCE]
            shares = teacher.predict(portion).probabilities
            if shares is None:
                raise ValueError("a predictor that promises probabilities gave none")
            means[start : start + len(portion)] += shares / len(teachers)
            told(turn * len(texts) + start + len(portion), total)
    return means
