"""Intervals for a share: k successes among n, honest at 0 %, 100 % and small n."""

from __future__ import annotations

import math
from typing import Literal

from scipy import stats as distributions

from sazon.core.types import Estimate, Kind

Method = Literal["wilson", "clopper-pearson", "jeffreys"]
NAMES: dict[Method, str] = {
    "wilson": "Wilson score",
    "clopper-pearson": "Clopper–Pearson exact",
    "jeffreys": "Jeffreys (Beta ½, ½)",
}


def proportion(
    k: float,
    n: float,
    *,
    level: float = 0.95,
    method: Method = "wilson",
    unit: str = "share",
    kind: Kind = "measured",
) -> Estimate:
    """The share k / n with an interval that never collapses to a point.

    Args:
        k: successes, 0 ≤ k ≤ n.
        n: trials; 0 gives an undefined estimate, never 0 %.
        level: nominal coverage, inside (0, 1).
        method: Wilson by default; Clopper–Pearson where coverage must never fall below `level`.
        unit: unit of the estimate.
        kind: where k and n come from.

    Raises:
        ValueError: k outside [0, n].

    Source: Wilson 1927; Clopper & Pearson 1934; Brown, Cai & DasGupta 2001 (Jeffreys).
    """
    if not 0 <= k <= n:
        raise ValueError(f"k must be inside [0, n], got {k} of {n}")
    if n == 0:
        return Estimate.none("no rows to count", unit=unit, n=0)
    low, high = bounds(k, n, level=level, method=method)
    return Estimate(
        value=k / n, low=low, high=high, level=level, unit=unit, method=NAMES[method], n=round(n), kind=kind
    )


def bounds(k: float, n: float, *, level: float, method: Method = "wilson") -> tuple[float, float]:
    """Lower and upper bound of the share k / n, n > 0; counts may be fractional (effective sizes)."""
    tail = (1 - level) / 2
    if method == "wilson":
        return wilson(k, n, quantile=float(distributions.norm.ppf(1 - tail)))
    if method == "jeffreys":
        beta = distributions.beta(k + 0.5, n - k + 0.5)
        return (0.0 if k == 0 else float(beta.ppf(tail)), 1.0 if k == n else float(beta.ppf(1 - tail)))
    low = 0.0 if k == 0 else float(distributions.beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(distributions.beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def wilson(k: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Wilson's bounds with a given normal or t quantile.

    (p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n). Source: Wilson 1927.
    """
    share, square = k / n, quantile**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = quantile * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # Exact at the ends, where rounding would otherwise leave the share outside its own interval.
    return (0.0 if k == 0 else max(0.0, centre - half), 1.0 if k == n else min(1.0, centre + half))


def upper(k: int, n: int, *, level: float) -> float:
    """One-sided exact upper bound of a share: P(share ≤ bound) ≥ level. Source: Clopper & Pearson 1934."""
    return 1.0 if k >= n else float(distributions.beta.ppf(level, k + 1, n - k))
