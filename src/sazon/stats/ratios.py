"""What one right answer costs: a ratio of two means of the same rows, with an interval."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sazon.core.types import Estimate, Floats
from sazon.stats import clusters
from sazon.stats.clusters import Clustering


def cost_per_hit(
    costs: Floats,
    hits: npt.NDArray[np.bool_],
    clustering: Clustering,
    *,
    level: float = 0.95,
    unit: str = "",
) -> Estimate:
    """Total cost over total hits, R = Σcᵢ / Σhᵢ.

    The bounds are the R at which the interval of c̄ − R·h̄ touches 0, that interval recovered from
    those of c̄ (t, CR1) and of h̄ (Wilson, design effect) and the correlation ρ of the two means:
    (c̄ − R·h̄)² = (c̄ − l_c)² + R²(u_h − h̄)² − 2ρR(c̄ − l_c)(u_h − h̄) for the lower one, with u_c and
    l_h for the upper one. Unlike the delta method it does not collapse where all rows are hits; where
    the share of hits cannot be told from 0 there is no upper bound.

    Args:
        costs: shape (n,), finite, not negative, also of the rows that are no hits.
        hits: shape (n,).
        clustering: of the same rows.
        level: nominal coverage.
        unit: of the ratio.

    Raises:
        ValueError: a cost is negative or not finite.

    Source: Donner & Zou 2012, Statistical Methods in Medical Research 21:347–359 (method of variance
    estimates recovery for a ratio of dependent estimates).
    """
    if not np.isfinite(costs).all() or (costs < 0).any():
        raise ValueError("costs must be finite and not negative")
    n = len(costs)
    if not hits.any():
        return Estimate.none("no answer is right", unit=unit, n=n)
    cost, share = clusters.mean(costs, clustering, level=level), clusters.share(hits, clustering, level=level)
    value = float(costs.sum()) / float(hits.sum())
    if share.low is None or share.high is None or cost.value is None:
        return Estimate(value=value, unit=unit, level=level, n=n, method="total over total; one cluster")
    c, h = cost.value, float(hits.mean())
    # No spread of the costs: a mean without an interval, known exactly.
    below, above = c - (c if cost.low is None else max(0.0, cost.low)), (cost.high or c) - c
    together = _correlation(costs, hits.astype(np.float64), clustering)
    return Estimate(
        value=value,
        low=_root(c, h, below, share.high - h, together, upper=False),
        high=_root(c, h, above, h - share.low, together, upper=True),
        level=level,
        unit=unit,
        n=n,
        clusters=clustering.count,
        method="total over total; intervals of both means recovered (MOVER)",
    )


def _correlation(first: Floats, second: Floats, clustering: Clustering) -> float:
    """Correlation of two means of the same rows, from their cluster totals; 0 where one has no spread."""
    sums = [
        np.bincount(clustering.codes, weights=x - x.mean(), minlength=clustering.count)
        for x in (first, second)
    ]
    spread = math.sqrt(float((sums[0] ** 2).sum() * (sums[1] ** 2).sum()))
    return float(np.clip(sums[0] @ sums[1] / spread, -1, 1)) if spread > 0 else 0.0


def _root(
    c: float, h: float, reach_c: float, reach_h: float, together: float, *, upper: bool
) -> float | None:
    """The bound: a root of (h² − reach_h²)R² − 2(ch − ρ·reach_c·reach_h)R + (c² − reach_c²) = 0."""
    square = h**2 - reach_h**2
    middle = c * h - together * reach_c * reach_h
    rest = c**2 - reach_c**2
    spread = math.sqrt(max(0.0, middle**2 - square * rest))
    if upper:
        return (middle + spread) / square if square > 1e-12 else None  # no hits at all are possible
    # The same root without dividing by a number near 0.
    return max(0.0, rest / (middle + spread)) if middle + spread > 0 else 0.0
