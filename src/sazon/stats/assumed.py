"""Draws of a quality that was not measured here: stated as a range, or published as k of n."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats as distributions

from sazon.core.types import Estimate, Floats
from sazon.stats.proportions import proportion

_Z90 = float(distributions.norm.ppf(0.9))


def from_range(p10: float, p90: float, *, draws: int, rng: np.random.Generator) -> Floats:
    """Logit-normal draws of a share whose 10th and 90th percentiles are stated.

    logit(X) ~ N(μ, σ²) with μ the mean of the two logits and σ = (logit p90 − logit p10) / 2·1.2816.

    Args:
        p10: inside (0, 1).
        p90: inside (0, 1), not below p10; equal means stated without doubt.
        draws: how many.
        rng: the stream.

    Raises:
        ValueError: not 0 < p10 ≤ p90 < 1.
    """
    if not 0 < p10 <= p90 < 1:
        raise ValueError(f"needs 0 < p10 ≤ p90 < 1, got {p10} and {p90}")
    low, high = _logit(p10), _logit(p90)
    logits = (low + high) / 2 + (high - low) / (2 * _Z90) * rng.standard_normal(draws)
    shares: Floats = 1 / (1 + np.exp(-logits))
    return shares


def from_counts(k: int, n: int, *, draws: int, rng: np.random.Generator) -> Floats:
    """Jeffreys posterior draws Beta(k + ½, n − k + ½) of a published share of k in n."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"needs 0 ≤ k ≤ n and n > 0, got {k} of {n}")
    return rng.beta(k + 0.5, n - k + 0.5, size=draws)


def range_estimate(p10: float, p90: float) -> Estimate:
    """The stated range as an estimate at the level 0.8, its median as the value."""
    middle = 1 / (1 + math.exp(-(_logit(p10) + _logit(p90)) / 2))
    return Estimate(
        value=middle,
        low=p10,
        high=p90,
        level=0.8,
        unit="share",
        method="assumed range P10–P90",
        kind="assumed",
    )


def published_estimate(k: int, n: int, *, level: float = 0.95) -> Estimate:
    """The published share k of n with its Wilson interval."""
    return proportion(k, n, level=level, kind="published")


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
