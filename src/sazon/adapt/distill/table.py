"""The static student: a table of n-grams fitted to a lesson."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sazon.adapt.distill.lesson import Lesson
from sazon.adapt.distill.mixture import Mixture
from sazon.adapt.softmax_regression import Goal, fit_head, one_hot
from sazon.core.types import Floats
from sazon.models.softmax import softmax
from sazon.models.static import StaticPredictor, Vocabulary, ngrams

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts → unit vectors, shape (texts, width)."""
STEPS = 100
"""L-BFGS iterations at most."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A lesson counted once, so that several tables can be fitted to it."""

    lesson: Lesson
    vocabulary: Vocabulary
    X: Any
    """What a student adds up of each text, sparse (texts, n-grams)."""
    idf: Floats
    single: list[int]
    """Rows of the single words."""
    meanings: Floats
    """The teacher's vectors of the single words about their mean, shape (words, width); width 0: none."""


def prepare(lesson: Lesson, encode: Encode | None = None, *, rarest: int = 2) -> Prepared:
    """Count the n-grams of a lesson, and ask a teacher for the vectors of its words.

    Args:
        lesson: the rows.
        encode: the teacher's unit vectors of some texts, shape (texts, width).
        rarest: an n-gram enters the table when it stands in so many texts.
    """
    vocabulary = often(lesson.texts, rarest=rarest)
    X, idf = weighted_rows(vocabulary, lesson.texts)
    single = [row for word, row in vocabulary.words.items() if " " not in word]
    meanings = _meanings(vocabulary, encode, len(single))
    return Prepared(lesson=lesson, vocabulary=vocabulary, X=X, idf=idf, single=single, meanings=meanings)


def fit_table(prepared: Prepared, mixture: Mixture, labels: tuple[str, ...]) -> StaticPredictor:
    """Fit the table of a static student.

    With word vectors, the score of a word w is W_w + M_w·U, M_w the teacher's vector of the word alone:
    words of like meaning share what is learnt of one of them. The table holds the sum, so nothing of
    this is left when the student answers.

    Args:
        prepared: the rows.
        mixture: what the loss is made of.
        labels: order of the columns.
    """
    X, single = prepared.X, prepared.single
    meanings = prepared.meanings if mixture.word_vectors else prepared.meanings[:, :0]
    wanted = goals(mixture, prepared.lesson, len(labels))
    head = fit_head(_beside(X, X[:, single] @ meanings), *wanted, C=mixture.C, steps=STEPS)
    table, shared = np.split(head.weight.T, [len(prepared.vocabulary)])
    table[single] += meanings @ shared
    return StaticPredictor(
        classes=labels,
        vocabulary=prepared.vocabulary,
        idf=prepared.idf.astype(np.float32),
        table=np.ascontiguousarray(table, dtype=np.float32),
        bias=head.bias.astype(np.float32),
        temperature=1.0,
    )


def _meanings(vocabulary: Vocabulary, encode: Encode | None, count: int) -> Floats:
    """Vectors of the known single words about their mean, shape (words, width); width 0 without `encode`."""
    if encode is None or not count:
        return np.zeros((count, 0))
    vectors = np.asarray(encode([word for word in vocabulary.words if " " not in word]), dtype=np.float64)
    return np.asarray(vectors - vectors.mean(axis=0))


def _beside(X: Any, dense: Floats) -> Any:
    from scipy.sparse import csr_matrix, hstack

    return hstack([X, csr_matrix(dense)]).tocsr() if dense.shape[1] else X


def weighted_rows(vocabulary: Vocabulary, texts: Sequence[str]) -> tuple[Any, Floats]:
    """What a static student adds up of each text: idf of its n-grams over the length of their view.

    Returns:
        sparse (texts, n-grams), and the idf of each n-gram: ln((1 + texts)/(1 + texts with it)) + 1.
    """
    from scipy.sparse import csr_matrix

    views = [vocabulary.rows(text) for text in texts]
    standing = Counter(row for view in views for rows in view for row in set(rows))
    counts = np.array([standing[row] for row in range(len(vocabulary))], dtype=np.float64)
    idf = np.log((1 + len(views)) / (1 + counts)) + 1
    values, columns, starts = [], [], [0]
    for view in views:
        for rows in view:
            weights = idf[rows]
            values.append(weights / np.sqrt(max(float(weights @ weights), 1e-12)))
            columns.append(np.array(rows, dtype=np.intp))
        starts.append(starts[-1] + sum(len(rows) for rows in view))
    X = csr_matrix(
        (np.concatenate(values), np.concatenate(columns), starts), shape=(len(views), len(vocabulary))
    )
    X.sum_duplicates()  # an n-gram that stands in two words of a text counts twice
    return X, np.asarray(idf)


def goals(mixture: Mixture, lesson: Lesson, classes: int) -> list[Goal]:
    """The true labels, counting λ, and the softened teacher, counting (1 − λ)."""
    known = lesson.truth >= 0
    gold = np.where(known[:, None], one_hot(lesson.truth, classes), 0.0)
    return [
        Goal(targets=gold, weights=np.where(known, mixture.gold, 0.0)),
        Goal(
            targets=softened(lesson, mixture.temperature),
            weights=lesson.follow * (1.0 - mixture.gold),
            temperature=mixture.temperature,
        ),
    ]


def softened(lesson: Lesson, temperature: float) -> Floats:
    """The teacher's probabilities at a temperature, shape (n, classes)."""
    return softmax(np.log(np.maximum(lesson.soft, 1e-9)), temperature=temperature)


def often(texts: Sequence[str], *, rarest: int) -> Vocabulary:
    """The n-grams that stand in at least `rarest` of the texts, sorted."""
    words: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for text in texts:
        first, second = ngrams(text)
        words.update(first)
        pieces.update(set(second))
    return Vocabulary(*(sorted(g for g, n in counts.items() if n >= rarest) for counts in (words, pieces)))
