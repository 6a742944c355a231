"""Draws of every candidate's quality from one shared Bayesian bootstrap, so that they stay paired.

Each draw gives every cluster of test rows one Gamma(1) weight, the same for all candidates.
Each candidate adds a Gamma(½) weight of success and one of failure of its own, so that with
independent rows its accuracy is exactly the Jeffreys posterior Beta(k + ½, n − k + ½) and
never collapses at 0 or 100 %.

Source: Rubin 1981 (Bayesian bootstrap); Brown, Cai & DasGupta 2001 (Jeffreys prior).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.core.types import Floats
from sazon.stats.clusters import Clustering

METRICS = ("accuracy", "macro_f1")
_BLOCK_NUMBERS = 4_000_000
"""Weights held at once: bounds memory without changing the numbers."""

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the rows say, as columns that a weighting of the clusters adds up."""

    matrix: object
    """Sparse (1 + labels + candidates·(2·labels + 1), clusters): rows; true per label; then per
    candidate true positives per label, predictions per label, weighted errors."""
    labels: int
    candidates: int
    true_share: Floats
    """Shape (labels,)."""
    mean_error_weight: float


def quality_draws(
    target: Codes,
    answers: Codes,
    clustering: Clustering,
    *,
    draws: int,
    rng: np.random.Generator,
    error_weights: Floats | None = None,
) -> Floats:
    """Joint draws of accuracy, macro-F1 and (with `error_weights`) weighted error.

    Macro-F1 averages over the classes that occur among the targets. A missing answer is
    not a right one: it lowers accuracy and recall, and costs like an error of its class.

    Args:
        target: shape (n,), class of each row, 0 … labels − 1, every class occurring.
        answers: shape (n, candidates); −1: no answer; labels or more: a class outside the targets.
        clustering: of the same rows.
        draws: how many.
        rng: the stream; the numbers do not depend on the size of blocks.
        error_weights: shape (labels,), cost of an error on a row of each class.

    Returns:
        Shape (draws, candidates, 2), or 3 with `error_weights`.

    Raises:
        ValueError: no rows, or a class without a row.
    """
    counted = count(target, answers, clustering, error_weights=error_weights)
    candidates = answers.shape[1]
    # A pseudo-observation counts like half a typical cluster, as half a row without clusters.
    scale = clustering.kish_effect
    success, failure = rng.standard_gamma(0.5, size=(2, draws, candidates)) * scale
    metrics = 2 if error_weights is None else 3
    values = np.empty((draws, candidates, metrics))
    block = max(1, _BLOCK_NUMBERS // max(1, clustering.count))
    for start in range(0, draws, block):
        stop = min(draws, start + block)
        weights = rng.standard_exponential((stop - start, clustering.count))
        values[start:stop] = _metrics(counted, weights, success[start:stop], failure[start:stop])[
            :, :, :metrics
        ]
    return values


def quality(target: Codes, answers: Codes, *, error_weights: Floats | None = None) -> Floats:
    """The plain metrics of the rows as they are, in the order of `quality_draws`.

    Returns:
        Shape (candidates, 3): accuracy, macro-F1, weighted error.
    """
    one = Clustering(codes=np.zeros(len(target), dtype=np.int64), count=1)
    counted = count(target, answers, one, error_weights=error_weights)
    nothing = np.zeros((1, answers.shape[1]))
    plain: Floats = _metrics(counted, np.ones((1, 1)), nothing, nothing)[0]
    return plain


def count(target: Codes, answers: Codes, clustering: Clustering, *, error_weights: Floats | None) -> Counted:
    """Count once, per cluster, everything the metrics are made of."""
    from scipy import sparse

    n, candidates = answers.shape
    if n == 0:
        raise ValueError("quality needs at least one row")
    labels = int(target.max()) + 1
    per_label = np.bincount(target, minlength=labels).astype(np.float64)
    if (per_label == 0).any():
        raise ValueError("every class must occur among the targets")
    weight = np.ones(labels) if error_weights is None else np.asarray(error_weights, dtype=np.float64)
    rows: list[Codes] = [np.zeros(n, dtype=np.int64), 1 + target]
    columns, values = [clustering.codes, clustering.codes], [np.ones(n), np.ones(n)]
    for j in range(candidates):
        first = 1 + labels + j * (2 * labels + 1)
        given = answers[:, j]
        right = given == target
        known = (given >= 0) & (given < labels)
        for chosen, row, value in (
            (right, first + target, np.ones(n)),
            (known, first + labels + given, np.ones(n)),
            (~right, np.full(n, first + 2 * labels), weight[target]),
        ):
            rows.append(row[chosen])
            columns.append(clustering.codes[chosen])
            values.append(value[chosen])
    shape = (1 + labels + candidates * (2 * labels + 1), clustering.count)
    matrix = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape
    )
    return Counted(
        matrix=matrix,
        labels=labels,
        candidates=candidates,
        true_share=per_label / n,
        mean_error_weight=float((per_label / n) @ weight),
    )


def _metrics(counted: Counted, weights: Floats, success: Floats, failure: Floats) -> Floats:
    """Metrics under each weighting. weights (d, clusters); success, failure (d, candidates)."""
    L, K, share = counted.labels, counted.candidates, counted.true_share
    sums: Floats = np.asarray(counted.matrix @ weights.T).T  # type: ignore[operator]  # sparse, untyped
    total, true = sums[:, :1], sums[:, None, 1 : 1 + L]
    rest = sums[:, 1 + L :].reshape(len(weights), K, 2 * L + 1)
    extra = (success + failure)[:, :, None]
    # A pseudo-row belongs to each class by its share; a failed one is answered by the same shares.
    hits = rest[:, :, :L] + success[:, :, None] * share
    predicted = rest[:, :, L : 2 * L] + extra * share
    actual = true + extra * share
    weighed = total + success + failure
    accuracy = hits.sum(axis=2) / weighed
    macro_f1 = (2 * hits / (predicted + actual)).mean(axis=2)
    weighted_error = (rest[:, :, 2 * L] + failure * counted.mean_error_weight) / weighed
    return np.stack([accuracy, macro_f1, weighted_error], axis=2)
