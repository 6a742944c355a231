"""Paired bootstrap of many candidates at once: one drawing of the rows serves all of them.

Every resample draws the rows (or clusters) with replacement; the means of all candidates follow
from the same draw, so that their differences stay paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy import stats as distributions

from sazon.core.types import Estimate, Floats
from sazon.stats.clusters import Clustering

RESAMPLES = 10_000
_BLOCK_NUMBERS = 200_000
"""Draws held at once: what fits a processor's cache is added up fastest; no number depends on it."""


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Means of every candidate, as they are and in every resample."""

    sums: Floats
    """Shape (clusters, candidates): scores added up by cluster."""
    sizes: Floats
    """Shape (clusters,)."""
    means: Floats
    """Shape (resamples, candidates)."""

    @property
    def plain(self) -> Floats:
        """Shape (candidates,): the means of the rows as they are."""
        return np.asarray(self.sums.sum(axis=0) / self.sizes.sum())

    def mean(self, candidate: int, *, level: float = 0.95, unit: str = "share") -> Estimate:
        """Mean of one candidate with its BCa interval."""
        return self._estimate(self._left_out()[:, candidate], self.means[:, candidate], level, unit)

    def difference(self, first: int, second: int, *, level: float = 0.95, unit: str = "share") -> Estimate:
        """Mean of the first less that of the second on the same rows, with its BCa interval."""
        left_out = self._left_out()
        return self._estimate(
            left_out[:, first] - left_out[:, second],
            self.means[:, first] - self.means[:, second],
            level,
            unit,
        )

    def _left_out(self) -> Floats:
        """Jackknife: the means without each cluster in turn, shape (clusters, candidates)."""
        rest = self.sizes.sum() - self.sizes
        return np.asarray((self.sums.sum(axis=0) - self.sums) / rest[:, None])

    def _estimate(self, left_out: Floats, found: Floats, level: float, unit: str) -> Estimate:
        """BCa of Efron & Tibshirani 1993, section 14.3; percentile where it is not defined."""
        n, clusters = int(self.sizes.sum()), len(self.sizes)
        # The plain value by the jackknife's own sums, so that value and bounds share one rounding.
        value = float(left_out @ (self.sizes.sum() - self.sizes) / ((clusters - 1) * self.sizes.sum()))
        # A constant score differs from resample to resample by rounding alone.
        if float(np.ptp(found)) < 1e-12:
            method = "no spread seen, so no interval"
            return Estimate(value=value, level=level, unit=unit, n=n, clusters=clusters, method=method)
        tails = np.array([(1 - level) / 2, 1 - (1 - level) / 2])
        near = np.abs(found - value) < 1e-12
        below = float((((found < value) & ~near).sum() + 0.5 * near.sum()) / len(found))
        gaps = left_out.mean() - left_out
        spread = float((gaps**2).sum())
        method, shares = "paired percentile bootstrap", tails
        if 0 < below < 1 and spread > 0:
            a = float((gaps**3).sum()) / (6 * spread**1.5)
            z0 = float(distributions.norm.ppf(below))
            z = z0 + distributions.norm.ppf(tails)
            method, shares = "paired BCa bootstrap", distributions.norm.cdf(z0 + z / (1 - a * z))
        low, high = (float(q) for q in np.quantile(found, shares))
        return Estimate(
            value=value,
            low=min(low, value),
            high=max(high, value),
            level=level,
            unit=unit,
            n=n,
            clusters=clusters,
            method=method,
        )


def resample(
    scores: Floats,
    clustering: Clustering,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Draw the clusters with replacement and average the scores of every candidate.

    Args:
        scores: shape (n, candidates), finite.
        clustering: of the same rows; at least two clusters.
        rng: the stream.
        resamples: how many.

    Raises:
        ValueError: fewer than two clusters, or a score that is not finite.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; whole clusters as in
    Davison & Hinkley 1997, section 3.8.
    """
    if clustering.count < 2:
        raise ValueError("a bootstrap needs at least two independent rows or clusters")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    groups, candidates = clustering.count, scores.shape[1]
    sums = np.zeros((groups, candidates))
    np.add.at(sums, clustering.codes, scores)
    sizes = clustering.sizes
    columns = np.column_stack([sums, sizes]).astype(np.float32 if _exact(sums, sizes) else np.float64)
    means = np.empty((resamples, candidates))
    block = max(1, _BLOCK_NUMBERS // groups)
    ones = np.ones(block * groups, dtype=columns.dtype)
    ends = np.arange(0, block * groups + 1, groups, dtype=np.int32)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = rng.integers(0, groups, size=count * groups, dtype=np.int32)
        # A matrix whose row r has a one for every draw of resample r; its product adds the draws up.
        picks = sparse.csr_array((ones[: len(drawn)], drawn, ends[: count + 1]), shape=(count, groups))
        totals = np.asarray(picks @ columns)
        means[start : start + count] = totals[:, :-1] / totals[:, -1:]
    return Resampled(sums=sums, sizes=sizes, means=means)


def _exact(sums: Floats, sizes: Floats) -> bool:
    """Whether float32 adds these up without rounding: whole numbers, far from 2²⁴ in any resample."""
    whole = bool((sums == np.round(sums)).all())
    return whole and 8 * max(float(np.abs(sums).sum()), float(sizes.sum())) < 2**24
