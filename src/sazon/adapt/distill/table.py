"""The static student: a table of n-grams fitted to a lesson."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sazon.adapt.distill.lesson import Lesson
from sazon.adapt.softmax_regression import Goal, fit_head, one_hot
from sazon.core.types import Floats
from sazon.models.softmax import softmax
from sazon.models.static import StaticPredictor, Vocabulary, ngrams

if TYPE_CHECKING:
    from sazon.adapt.distill.config import DistillConfig

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts → unit vectors, shape (texts, width)."""
STEPS = 100
"""L-BFGS iterations at most."""


def train_table(
    config: DistillConfig, lesson: Lesson, labels: tuple[str, ...], encode: Encode | None = None
) -> StaticPredictor:
    """Fit the table of a static student on a lesson.

    With `encode`, the score of a word w is W_w + M_w·U, M_w the teacher's vector of the word alone:
    words of like meaning share what is learnt of one of them. The table holds the sum, so nothing of
    this is left when the student answers.

    Args:
        config: the options.
        lesson: the rows.
        labels: order of the columns.
        encode: the teacher's unit vectors of some texts, shape (texts, width).
    """
    vocabulary = often(lesson.texts, rarest=config.rarest)
    X, idf = weighted_rows(vocabulary, lesson.texts)
    single = [row for word, row in vocabulary.words.items() if " " not in word]
    meanings = _meanings(vocabulary, encode, len(single))
    head = fit_head(
        _beside(X, X[:, single] @ meanings), *goals(config, lesson, len(labels)), C=config.C, steps=STEPS
    )
    table, shared = np.split(head.weight.T, [len(vocabulary)])
    table[single] += meanings @ shared
    return StaticPredictor(
        classes=labels,
        vocabulary=vocabulary,
        idf=idf.astype(np.float32),
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


def goals(config: DistillConfig, lesson: Lesson, classes: int) -> list[Goal]:
    """The true labels, counting λ, and the softened teacher, counting (1 − λ)."""
    known = lesson.truth >= 0
    gold = np.where(known[:, None], one_hot(lesson.truth, classes), 0.0)
    return [
        Goal(targets=gold, weights=np.where(known, config.gold, 0.0)),
        Goal(
            targets=softened(lesson, config.temperature),
            weights=lesson.follow * (1.0 - config.gold),
            temperature=config.temperature,
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
