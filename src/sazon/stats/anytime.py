"""Inference that stays valid however often and whenever one looks at the rows so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions
from scipy.special import betaln

from sazon.core.types import Estimate, Floats

_GRID = 1000
"""Means tried by the confidence sequence; its bounds are rounded outwards to this grid."""
_AT_ONCE = 50
_BOLDNESS = 0.5
"""Largest share of the wealth one row may cost."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a gambler against "the rate is at most ε" has won, row by row."""

    log_wealth: Floats
    """Shape (n,)."""
    alpha: float

    @property
    def p(self) -> float:
        """1 / the greatest wealth so far: a p-value at any time of stopping."""
        greatest = float(self.log_wealth.max(initial=0.0))
        return math.exp(-greatest)

    @property
    def alarm_at(self) -> int | None:
        """Rows looked at when the wealth first reached 1/α; None: it never did."""
        above = np.flatnonzero(self.log_wealth >= -math.log(self.alpha))
        return int(above[0]) + 1 if len(above) else None


def watch(events: npt.NDArray[np.bool_], *, epsilon: float, alpha: float = 0.05) -> Watch:
    """E-process against H₀: the chance of an event, given all before, is at most ε.

    Wₜ = ∫ (p/ε)ᵏ ((1−p)/(1−ε))ᵗ⁻ᵏ dπ(p) with k events among t rows and π a Beta(1, 1/ε − 1) prior cut to
    p > ε, whose mean is about 2ε. Every p > ε gives a supermartingale under H₀, and so does their mixture:
    P(W ever reaches 1/α) ≤ α (Ville).

    Args:
        events: shape (n,), in the order they were seen, of rows audited at random.
        epsilon: rate allowed, inside (0, 1).
        alpha: chance of a false alarm over all time, inside (0, 1).

    Raises:
        ValueError: ε or α outside (0, 1).

    Source: Ramdas, Grünwald, Vovk & Shafer 2023, Statistical Science 38:576–601 (mixture e-processes);
    Robbins 1970 (mixtures of likelihood ratios).
    """
    if not (0 < epsilon < 1 and 0 < alpha < 1):
        raise ValueError("epsilon and alpha must be inside (0, 1)")
    t = np.arange(1, len(events) + 1, dtype=np.float64)
    k = np.cumsum(events, dtype=np.float64)
    a, b = 1.0, 1 / epsilon - 1

    def mass(first: Floats | float, second: Floats | float) -> Floats:
        """Logarithm of ∫ over p > ε of pᶠ⁻¹ (1 − p)ˢ⁻¹."""
        above: Floats = betaln(first, second) + distributions.beta.logsf(epsilon, first, second)
        return above

    wealth = mass(k + a, t - k + b) - mass(a, b) - k * math.log(epsilon) - (t - k) * math.log1p(-epsilon)
    return Watch(log_wealth=wealth, alpha=alpha)


def confidence_sequence(
    X: Floats, *, level: float = 0.95, unit: str = "share"
) -> tuple[Estimate, npt.NDArray[np.float64]]:
    """Mean of rows in [0, 1] with bounds that hold at all times at once.

    For every mean m one gambler bets that rows lie above m, one that they lie below; m is left out for
    good once (half) the wealth of either reached 1/α. Bets are sized from earlier rows:
    λₜ = √(2 ln(2/α) / (σ̂²ₜ₋₁ t ln(1 + t))), at most ½/m and ½/(1 − m).

    Args:
        X: shape (n,), inside [0, 1], in the order they were seen, each with the same mean given all before.
        level: 1 − α, inside (0, 1).
        unit: unit of the rows.

    Returns:
        The estimate after the last row; and the bounds after every row, shape (n, 2).

    Raises:
        ValueError: values outside [0, 1] or NaN.

    Source: Waudby-Smith & Ramdas 2024, JRSS B 86:1–27, theorem 3 (hedged capital).
    """
    if not ((X >= 0) & (X <= 1)).all():
        raise ValueError("rows must lie inside [0, 1]")
    n = len(X)
    if n == 0:
        return Estimate.none("no rows", unit=unit, n=0), np.empty((0, 2))
    t = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(X)) / (t + 1)
    spreads = (0.25 + np.cumsum((X - means) ** 2)) / (t + 1)
    earlier = np.concatenate([[0.25], spreads[:-1]])
    bets = np.sqrt(2 * math.log(2 / (1 - level)) / (earlier * t * np.log1p(t)))
    grid = (np.arange(_GRID) + 0.5) / _GRID
    bounds = np.tile([1.0, 0.0], (n, 1))
    for start in range(0, _GRID, _AT_ONCE):
        m = grid[start : start + _AT_ONCE, None]
        up = np.cumsum(np.log1p(np.minimum(bets, _BOLDNESS / m) * (X - m)), axis=1)
        down = np.cumsum(np.log1p(-np.minimum(bets, _BOLDNESS / (1 - m)) * (X - m)), axis=1)
        wealth = np.maximum.accumulate(np.maximum(up, down), axis=1) + math.log(0.5)
        alive = wealth < -math.log(1 - level)
        # A mean stands for its cell of the grid, so that rounding never narrows the interval.
        bounds[:, 0] = np.minimum(bounds[:, 0], np.where(alive, m - 0.5 / _GRID, 1.0).min(axis=0))
        bounds[:, 1] = np.maximum(bounds[:, 1], np.where(alive, m + 0.5 / _GRID, 0.0).max(axis=0))
    value = float(X.mean())
    low, high = float(min(bounds[-1, 0], value)), float(max(bounds[-1, 1], value))
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        unit=unit,
        n=n,
        method="betting confidence sequence, valid at every look",
    )
    return estimate, bounds
