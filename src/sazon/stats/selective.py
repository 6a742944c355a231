"""Answering only what is sure enough: the threshold that keeps the accuracy of the answered."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions

from sazon.core.types import Estimate, Floats

EXACT = "Clopper–Pearson exact, one-sided; fixed sequence of thresholds"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows are answered."""

    threshold: float | None
    """Least confidence that is answered, 0: everything; None: no threshold keeps what is wanted."""
    answered: int
    n: int
    accuracy: Estimate
    """Of the rows answered, with a lower bound; of all rows where there is no threshold."""


def by_accuracy(
    confidence: Floats, right: npt.NDArray[np.bool_], *, accuracy: float, delta: float
) -> Selection:
    """The most rows whose accuracy is shown to reach what is wanted: P(accuracy < wanted) ≤ δ.

    Fixed-sequence testing from the surest rows downwards (ties together): at each threshold
    p = P(Bin(m, 1 − wanted) ≤ k), k errors among the m rows at or above it; stop at the first p > δ.
    The sequence starts at the fewest rows that pass with one error (or with none, where there are
    not so many), which depends on no label.

    Args:
        confidence: shape (n,), inside [0, 1], no NaN, of rows nothing was trained on.
        right: shape (n,).
        accuracy: wanted among the answered, inside (0, 1).
        delta: chance of a wrong promise, inside (0, 1).

    Raises:
        ValueError: wanted accuracy or δ outside (0, 1), or NaN in `confidence`.

    Source: Bauer 1991 (fixed sequences); Geifman & El-Yaniv 2017 (selective classification).
    """
    if not (0 < accuracy < 1 and 0 < delta < 1):
        raise ValueError("accuracy and delta must be inside (0, 1)")
    if np.isnan(confidence).any():
        raise ValueError("confidence must not be NaN")
    n = len(confidence)
    order = np.argsort(-confidence, kind="stable")
    sure, errors = confidence[order], np.cumsum(~right[order])
    sizes = np.flatnonzero(np.append(sure[1:] != sure[:-1], True)) + 1 if n else np.zeros(0, dtype=int)
    sizes = sizes[sizes >= _start(n, accuracy=accuracy, delta=delta)]
    wrong = errors[sizes - 1]
    passed = distributions.binom.cdf(wrong, sizes, 1 - accuracy) <= delta
    count = len(passed) if passed.all() else int(np.argmin(passed))
    if count == 0:
        return Selection(threshold=None, answered=n, n=n, accuracy=_bounded(int(right.sum()), n, delta))
    m, k = int(sizes[count - 1]), int(wrong[count - 1])
    threshold = 0.0 if m == n else float(sure[m - 1])
    return Selection(threshold=threshold, answered=m, n=n, accuracy=_bounded(m - k, m, delta))


def by_coverage(
    confidence: Floats, right: npt.NDArray[np.bool_], *, coverage: float, delta: float
) -> Selection:
    """The threshold that at least a share of the rows reaches, and the accuracy of those.

    Args:
        confidence: shape (n,), inside [0, 1], no NaN, of rows nothing was trained on.
        right: shape (n,).
        coverage: share to answer, inside (0, 1].
        delta: chance that the accuracy lies below its bound, for a threshold chosen without labels.
    """
    n = len(confidence)
    if n == 0:
        return Selection(threshold=None, answered=0, n=0, accuracy=_bounded(0, 0, delta))
    threshold = float(np.sort(confidence)[::-1][math.ceil(coverage * n) - 1])
    kept = confidence >= threshold
    m = int(kept.sum())
    bounded = _bounded(int(right[kept].sum()), m, delta)
    return Selection(threshold=0.0 if m == n else threshold, answered=m, n=n, accuracy=bounded)


def _start(n: int, *, accuracy: float, delta: float) -> int:
    """Fewest rows that pass with one error where there are so many, else with none."""
    none = math.ceil(math.log(delta) / math.log(accuracy) - 1e-9)
    one = none
    while one <= n and distributions.binom.cdf(1, one, 1 - accuracy) > delta:
        one += 1
    return one if one <= n else none


def _bounded(right: int, m: int, delta: float) -> Estimate:
    if m == 0:
        return Estimate.none("no row was answered", unit="share", n=0)
    low = 0.0 if right == 0 else float(distributions.beta.ppf(delta, right, m - right + 1))
    return Estimate(value=right / m, low=low, high=1.0, level=1 - delta, unit="share", method=EXACT, n=m)
