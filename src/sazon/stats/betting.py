"""Certificates by betting: a gambler who grows rich against "the loss is too high" disproves it.

Credits a cascade with the rows its local member wins, where the exact certificate of
`certify.certify_harm` counts only what it loses.
"""

from __future__ import annotations

import math

import numpy as np

from sazon.core.types import Estimate, Floats
from sazon.stats.certify import Certified

BOLDNESS = 0.75
"""Largest share of the wealth one row may cost."""


def log_wealth(X: Floats, *, mean: float, delta: float) -> Floats:
    """Greatest logarithm of wealth while betting against H₀: E[X] ≥ mean, row by row.

    Wₜ = Πᵢ (1 − νᵢ (Xᵢ − mean)), νᵢ = min(√(2 ln(1/δ) / n σ̂²ᵢ₋₁), boldness / (1 − mean)), σ̂² from
    earlier rows only. Under H₀ the chance that W ever reaches 1/δ is at most δ (Ville), so p = 1 / max W.

    Args:
        X: shape (hypotheses, n), inside [0, 1], rows in an order drawn at random.
        mean: inside (0, 1).
        delta: the level the bets are sized for.

    Returns:
        Shape (hypotheses,), at least 0.

    Source: Waudby-Smith & Ramdas 2024, JRSS B 86:1–27, section 4; Bates et al. 2021, appendix B.
    """
    n = X.shape[1]
    if n == 0:
        return np.zeros(len(X))
    t = np.arange(1, n + 1)
    averages = (0.5 + np.cumsum(X, axis=1)) / (t + 1)
    spreads = (0.25 + np.cumsum((X - averages) ** 2, axis=1)) / (t + 1)
    earlier = np.concatenate([np.full((len(X), 1), 0.25), spreads[:, :-1]], axis=1)
    bets = np.minimum(np.sqrt(2 * math.log(1 / delta) / (n * earlier)), BOLDNESS / (1 - mean))
    greatest: Floats = np.maximum(0, np.cumsum(np.log1p(-bets * (X - mean)), axis=1).max(axis=1))
    return greatest


def certify_net(
    trust: Floats,
    loss: Floats,
    thresholds: Floats,
    *,
    epsilon: float,
    delta: float,
    rng: np.random.Generator,
) -> Certified:
    """Lowest threshold whose net loss is certified: P(E[loss · accepted] ≤ ε) ≥ 1 − δ.

    The loss of a row is the other predictor's score less the local one's, so a local win pays for
    a local error. It need not grow as the threshold falls, so the thresholds must be fixed
    beforehand (from other rows); they are tested from the highest, up to the first that fails.
    The accuracy of the cascade is then at least the other predictor's minus ε.

    Args:
        trust: shape (n,); negative: never accepted.
        loss: shape (n,), inside [−1, 1].
        thresholds: fixed beforehand, all ≥ 0.
        epsilon: net loss allowed, inside (0, 1).
        delta: chance of a wrong certificate, inside (0, 1).
        rng: puts the rows in random order.

    Raises:
        ValueError: values outside their ranges, or NaN.
    """
    if not (0 < epsilon < 1 and 0 < delta < 1):
        raise ValueError("epsilon and delta must be inside (0, 1)")
    if np.isnan(trust).any() or not (np.abs(loss) <= 1).all() or not (thresholds >= 0).all():
        raise ValueError("trust must not be NaN, losses lie inside [−1, 1], thresholds are not negative")
    n, order = len(trust), rng.permutation(len(trust))
    steps = np.unique(thresholds)[::-1]
    paid = np.where(trust[order] >= steps[:, None], loss[order], 0.0)
    wealth = log_wealth((paid + 1) / 2, mean=(epsilon + 1) / 2, delta=delta)
    wanted = math.log(1 / delta)
    failed = np.flatnonzero(wealth < wanted)
    count = int(failed[0]) if len(failed) else len(steps)
    threshold = float(steps[count - 1]) if count else None
    accepted = int((trust >= steps[count - 1]).sum()) if count else 0
    total = float(paid[count - 1].sum()) if count else 0.0
    needed: int | None = 0
    if threshold is None:
        # Log-wealth grows with the rows: at the pace seen, this many more reach the goal.
        first = float(wealth[0]) if len(steps) else 0.0
        needed = max(1, math.ceil(n * wanted / first) - n) if first > 0 else None
    return Certified(
        threshold=threshold,
        n=n,
        accepted=accepted,
        harms=max(0, round(total)),
        harm=_bounded(total, n, epsilon, delta, certified=threshold is not None),
        epsilon=epsilon,
        delta=delta,
        labels_needed=needed,
    )


def _bounded(total: float, n: int, epsilon: float, delta: float, *, certified: bool) -> Estimate:
    if n == 0:
        return Estimate.none("no calibration rows", unit="share", n=0)
    if not certified:
        return Estimate(
            value=0.0,
            low=0.0,
            high=0.0,
            level=1 - delta,
            unit="share",
            n=n,
            method="nothing is answered locally",
        )
    return Estimate(
        value=total / n,
        high=max(epsilon, total / n),
        level=1 - delta,
        unit="share",
        n=n,
        method="betting (Waudby-Smith & Ramdas), one-sided; the bound is ε",
    )
