"""Quantiles of measured times, with order statistics as bounds: no distribution is assumed."""

from __future__ import annotations

import numpy as np
from scipy import stats as distributions

from sazon.core.types import Estimate, Floats


def quantile(values: Floats, q: float, *, level: float = 0.95, unit: str = "s") -> Estimate:
    """The q-quantile with distribution-free bounds.

    The bounds are the order statistics x₍ₗ₎, x₍ᵤ₎ with P(Bin(n, q) < l) ≤ α/2 and
    P(Bin(n, q) ≥ u) ≤ α/2. A bound the sample cannot give (too few rows) is left out, not guessed.

    Args:
        values: shape (n,), finite.
        q: inside (0, 1).
        level: nominal coverage 1 − α.
        unit: unit of the values.

    Source: David & Nagaraja 2003, Order Statistics, section 7.1.
    """
    n = len(values)
    if n == 0:
        return Estimate.none("no times of single requests are known", unit=unit, n=0)
    ordered = np.sort(values)
    binomial, tail = distributions.binom(n, q), (1 - level) / 2
    below = int(binomial.ppf(tail))
    if binomial.cdf(below) > tail:
        below -= 1
    above = int(binomial.ppf(1 - tail)) + 1
    return Estimate(
        value=float(np.quantile(ordered, q)),
        low=float(ordered[below]) if below >= 0 else None,
        high=float(ordered[above - 1]) if above <= n else None,
        level=level,
        unit=unit,
        method="order statistics"
        if above <= n and below >= 0
        else f"order statistics; {n} rows give one bound",
        n=n,
    )
