"""Intervals for a mean, and for any statistic of rows by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats as distributions

from sazon.core.types import Estimate, Floats

Statistic = Callable[[Floats], float]
"""Rows, shape (n, …) → one number."""


def mean(values: Floats, *, level: float = 0.95, unit: str = "") -> Estimate:
    """Mean of independent rows with Student's t interval.

    Args:
        values: shape (n,), finite.
        level: nominal coverage.
        unit: unit of the values.
    """
    n = len(values)
    if n == 0:
        return Estimate.none("no rows", unit=unit, n=0)
    value = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if n > 1 else 0.0
    if spread == 0:
        why = "one row" if n == 1 else "no spread seen"
        return Estimate(value=value, level=level, unit=unit, n=n, method=f"mean; {why}, so no interval")
    half = float(distributions.t.ppf(1 - (1 - level) / 2, n - 1)) * spread / n**0.5
    return Estimate(value=value, low=value - half, high=value + half, level=level, unit=unit, n=n, method="t")


def bootstrap(
    rows: Floats,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
    unit: str = "",
) -> Estimate:
    """A statistic with its BCa interval; percentile where BCa is not defined, none without spread.

    BCa takes the quantiles Φ(z₀ + (z₀ + z_q) / (1 − a(z₀ + z_q))) of the resampled statistic, with z₀ its
    median bias and a the acceleration from the jackknife.

    Args:
        rows: shape (n, …), resampled along the first axis.
        statistic: of rows.
        rng: the stream.
        level: nominal coverage.
        resamples: how many.
        unit: unit of the statistic.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 14.3.
    """
    n = len(rows)
    if n == 0:
        return Estimate.none("no rows", unit=unit, n=0)
    value = statistic(rows)
    found = np.array([statistic(rows[rng.integers(0, n, n)]) for _ in range(resamples if n > 1 else 0)])
    found = found[np.isfinite(found)]
    if not np.isfinite(value):
        return Estimate.none("the statistic is not defined on these rows", unit=unit, n=n)
    if n == 1 or not len(found) or np.ptp(found) == 0:
        return Estimate(value=value, level=level, unit=unit, n=n, method="no spread seen, so no interval")
    tails = np.array([(1 - level) / 2, 1 - (1 - level) / 2])
    method, shares = "percentile bootstrap", tails
    below = float(((found < value).sum() + 0.5 * (found == value).sum()) / len(found))
    a = acceleration(rows, statistic)
    if 0 < below < 1 and np.isfinite(a):
        z0 = float(distributions.norm.ppf(below))
        z = z0 + distributions.norm.ppf(tails)
        method, shares = "BCa bootstrap", distributions.norm.cdf(z0 + z / (1 - a * z))
    low, high = (float(q) for q in np.quantile(found, shares))
    return Estimate(
        value=value, low=min(low, value), high=max(high, value), level=level, unit=unit, n=n, method=method
    )


def jackknife(rows: Floats, statistic: Statistic) -> Floats:
    """The statistic without each row in turn, shape (n,)."""
    return np.array([statistic(np.delete(rows, i, axis=0)) for i in range(len(rows))])


def acceleration(rows: Floats, statistic: Statistic) -> float:
    """BCa's a = Σ d³ / 6 (Σ d²)^{3/2} with d the jackknife's mean minus each value; NaN without spread."""
    left_out = jackknife(rows, statistic)
    gaps = left_out.mean() - left_out
    spread = float((gaps**2).sum())
    return float((gaps**3).sum()) / (6 * spread**1.5) if spread > 0 else float("nan")
