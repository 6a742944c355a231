"""How well a score sends each request to the weaker or the stronger of two models.

Requests go to the stronger one in the order of the score, greatest first. At a share c of such calls
the gap recovered is PGR(c) = (q(c) − q_weak) / (q_strong − q_weak): 0 where none and 1 where all go there.

Source: Ong et al. 2024, RouteLLM, arXiv 2406.18665, section 3.
"""

from __future__ import annotations

import numpy as np

from sazon.core.types import Estimate, Floats


def gap_recovered(
    score: Floats, weak: Floats, strong: Floats, *, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """The curve of PGR over the share of stronger calls, at the ends of its straight pieces.

    Rows of equal score come in any order, so their piece of the curve is the straight one expected.

    Args:
        score: shape (n,): how much the stronger model is wanted; any increasing function of it will do.
        weak: shape (n,): quality of the weaker model's answers.
        strong: shape (n,).
        weights: shape (…, n): how often a resample drew each row; by default each row once.

    Returns:
        Shares of stronger calls and PGR, both of shape (…, pieces + 1), from 0 to 1.

    Raises:
        ValueError: NaN in the score, or no gap between the models.
    """
    if np.isnan(score).any():
        raise ValueError("the score must not be NaN")
    order = np.argsort(-score, kind="stable")
    starts = np.unique(-score[order], return_index=True)[1]
    times = (np.ones(len(score)) if weights is None else weights)[..., order]
    calls = np.add.reduceat(times, starts, axis=-1)
    gains = np.add.reduceat(times * (strong - weak)[order], starts, axis=-1)
    total = gains.sum(axis=-1, keepdims=True)
    if not (total > 0).all():
        raise ValueError("the stronger model is not better, so there is no gap to recover")
    curves = [
        np.cumsum(x, axis=-1) / t for x, t in ((calls, times.sum(axis=-1, keepdims=True)), (gains, total))
    ]
    padded = [np.concatenate([np.zeros((*c.shape[:-1], 1)), c], axis=-1) for c in curves]
    return padded[0], padded[1]


def average_gap_recovered(shares: Floats, recovered: Floats) -> Floats:
    """APGR = ∫₀¹ PGR(c) dc by the trapezoid rule; .5 where the score knows nothing.

    Args:
        shares: shape (…, pieces + 1), from `gap_recovered`.
        recovered: of the same shape.
    """
    area: Floats = (np.diff(shares, axis=-1) * (recovered[..., 1:] + recovered[..., :-1]) / 2).sum(axis=-1)
    return area


def calls_needed(shares: Floats, recovered: Floats, goal: float) -> float:
    """CPT: the least share of stronger calls that recovers `goal` of the gap.

    Args:
        shares: shape (pieces + 1,).
        recovered: of the same shape.
        goal: inside (0, 1].
    """
    reached = int(np.argmax(recovered >= goal - 1e-12))
    if reached == 0:
        return float(shares[0])
    low, high = recovered[reached - 1], recovered[reached]
    part = min(1.0, (goal - low) / (high - low))
    return float(shares[reached - 1] + part * (shares[reached] - shares[reached - 1]))


def routing(
    scores: Floats,
    weak: Floats,
    strong: Floats,
    *,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """APGR, CPT50 and CPT80 of a router, with percentile intervals from one bootstrap of the rows.

    Args:
        scores: shape (repeats, n): the router fitted again on other folds; its figures are averaged.
        weak: shape (n,).
        strong: shape (n,).
        rng: the stream.
        resamples: how many.
        level: nominal coverage; of the rows, not of another training of the router.

    Returns:
        `apgr`, `cpt50` and `cpt80`, all shares.
    """
    n = len(weak)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    plain, found = np.zeros(3), np.zeros((resamples, 3))
    for score in scores:
        shares, recovered = gap_recovered(score, weak, strong)
        plain += _figures(shares, recovered) / len(scores)
        curves = zip(*gap_recovered(score, weak, strong, weights=drawn), strict=True)
        found += np.array([_figures(*curve) for curve in curves]) / len(scores)
    tail = (1 - level) / 2
    low, high = np.quantile(found, [tail, 1 - tail], axis=0)
    method = f"percentile bootstrap of the rows, mean of {len(scores)} routers"
    return {
        name: Estimate(
            value=float(plain[i]),
            low=float(min(low[i], plain[i])),
            high=float(max(high[i], plain[i])),
            level=level,
            unit="share",
            n=n,
            method=method,
        )
        for i, name in enumerate(("apgr", "cpt50", "cpt80"))
    }


def _figures(shares: Floats, recovered: Floats) -> Floats:
    needed = [calls_needed(shares, recovered, goal) for goal in (0.5, 0.8)]
    return np.array([float(average_gap_recovered(shares, recovered)), *needed])
