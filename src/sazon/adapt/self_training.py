"""Self-training: the surest answers on unlabelled texts become training rows, class by class.

Taking the surest texts of every class, instead of the surest of all, keeps easy classes from
crowding out hard ones. Source: Bhathiya & Thayasivam 2023, "TK-KNN", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.adapt.softmax_regression import Goal, Head, fit_head, one_hot
from sazon.core.types import Floats
from sazon.models.softmax import softmax


@dataclass(frozen=True, kw_only=True)
class Surest:
    """Unlabelled rows taken as if they were labelled."""

    rows: npt.NDArray[np.intp]
    """Indices into the pool, shape (m,), rising."""
    truth: npt.NDArray[np.intp]
    """Class columns they are taken for, shape (m,)."""


def surest(probabilities: Floats, *, per_class: int) -> Surest:
    """The `per_class` rows of each class that are answered with it most surely.

    Args:
        probabilities: of the pool, shape (n, classes).
        per_class: at most so many of each class.
    """
    answered = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    chosen: list[int] = []
    for column in range(probabilities.shape[1]):
        mine = np.flatnonzero(answered == column)
        chosen += mine[np.argsort(-sure[mine], kind="stable")][:per_class].tolist()
    rows = np.array(sorted(chosen), dtype=np.intp)
    return Surest(rows=rows, truth=answered[rows])


def self_train(
    X: npt.NDArray[np.float32],
    truth: npt.NDArray[np.intp],
    pool: npt.NDArray[np.float32],
    *,
    head: Head,
    classes: int,
    per_class: int,
    rounds: int,
    C: float,
) -> Head:
    """Fit the head on labelled rows and the surest of the pool, in rounds that take in more each time.

    Round r of R takes the surest r·`per_class`/R rows of each class, as the last head sees them.

    Args:
        X: labelled vectors, shape (n, width).
        truth: their class columns, shape (n,).
        pool: unlabelled vectors, shape (m, width).
        head: fitted on the labelled rows.
        classes: how many columns.
        per_class: pool rows taken of each class in the last round.
        rounds: how often the pool is answered anew.
        C: inverse penalty of the head.
    """
    for r in range(1, rounds + 1):
        taken = surest(softmax(head.scores(pool)), per_class=max(1, round(per_class * r / rounds)))
        rows = np.concatenate([X, pool[taken.rows]])
        goal = Goal(targets=one_hot(np.concatenate([truth, taken.truth]), classes))
        head = fit_head(rows, goal, C=C, start=head)
    return head
