"""Calibration: does a candidate that says 80 % get 80 % right?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sazon.core.types import Estimate, Floats
from sazon.stats.clusters import Clustering

BINS = 10
RESAMPLES = 1000


def expected_calibration_error(
    confidence: Floats,
    right: npt.NDArray[np.bool_],
    clustering: Clustering,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    bins: int = BINS,
) -> Estimate:
    """Mean gap between stated confidence and accuracy, over bins of equal width.

    ECE = Σ_b (n_b / n) |accuracy_b − confidence_b|. It is never negative and so biased upwards on
    few rows; the bootstrap (of clusters) is centred on the estimate to take off the bias it adds.

    Args:
        confidence: shape (n,), inside [0, 1], no NaN.
        right: shape (n,).
        clustering: of the same rows.
        rng: the stream of the bootstrap.
        level: nominal coverage.
        bins: how many.

    Source: Guo et al. 2017, equation 3; basic bootstrap of Davison & Hinkley 1997, section 5.2.
    """
    n = len(confidence)
    if n == 0:
        return Estimate.none("no row has a confidence", unit="share", n=0)
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("confidence must be inside [0, 1]")
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.zeros((clustering.count, bins))
    np.add.at(gaps, (clustering.codes, place), right - confidence)
    value = float(np.abs(gaps.sum(axis=0)).sum() / n)
    if clustering.count < 2:
        return Estimate(
            value=value,
            unit="share",
            level=level,
            n=n,
            clusters=clustering.count,
            method=f"{bins} bins; one cluster, so no interval",
        )
    picked = rng.multinomial(clustering.count, np.full(clustering.count, 1 / clustering.count), RESAMPLES)
    weights = picked.astype(np.float64)
    resampled = np.abs(weights @ gaps).sum(axis=1) / (weights @ clustering.sizes)
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(
        value=value,
        low=min(value, max(0.0, 2 * value - float(high))),
        high=max(value, min(1.0, 2 * value - float(low))),
        level=level,
        unit="share",
        method=f"{bins} bins of equal width, basic bootstrap of clusters",
        n=n,
        clusters=clustering.count,
    )
