"""How many labels a question needs before they are made."""

from __future__ import annotations

import math

from scipy import stats as distributions


def labels_for_difference(
    difference: float,
    *,
    variance: float,
    noise: float = 0.0,
    resamples: int = 1,
    level: float = 0.95,
    power: float = 0.8,
) -> int:
    """Rows needed to see a paired difference in accuracy.

    n = (z_{1−α/2} + z_power)² (ω² + 2σ²/K) / d².

    Args:
        difference: d, the true difference, not 0.
        variance: ω², of the row-level differences (discordance − d² for one answer a row).
        noise: σ², each candidate's variance within a row, where answers are sampled.
        resamples: K, answers sampled per row and candidate.
        level: 1 − α, two-sided.
        power: chance of seeing the difference.

    Source: Miller 2024, arXiv 2411.00640, equation 9.
    """
    if difference == 0:
        raise ValueError("no number of rows shows a difference of 0")
    z = _z(1 - (1 - level) / 2) + _z(power)
    return math.ceil(z**2 * (variance + 2 * noise / resamples) / difference**2 - 1e-9)


def labels_for_pair(difference: float, discordance: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """Rows needed to tell two candidates apart that differ on a share `discordance` of the rows.

    Raises:
        ValueError: |difference| above the discordance, which cannot be.
    """
    if abs(difference) > discordance:
        raise ValueError("candidates cannot differ in accuracy by more than the rows they differ on")
    return labels_for_difference(difference, variance=discordance - difference**2, level=level, power=power)


def labels_for_not_worse(
    margin: float, discordance: float, *, difference: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Rows needed to show that a candidate is not worse by the margin.

    n = (z_{1−α} + z_power)² (ψ − d²) / (margin + d)², ψ the share of discordant rows.

    Args:
        margin: > 0.
        discordance: ψ.
        difference: d, the true difference, above −margin.
        alpha: one-sided.
        power: chance of showing it.

    Raises:
        ValueError: a true difference at or below −margin can never be shown to be above it.
    """
    if margin + difference <= 0:
        raise ValueError("the true difference must be above −margin")
    z = _z(1 - alpha) + _z(power)
    return math.ceil(z**2 * (discordance - difference**2) / (margin + difference) ** 2 - 1e-9)


def _z(share: float) -> float:
    return float(distributions.norm.ppf(share))
