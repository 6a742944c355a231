"""The best of several candidates, corrected for having been picked as the best."""

from __future__ import annotations

import numpy as np

from sazon.core.types import Estimate, Floats
from sazon.stats.clusters import Clustering

RESAMPLES = 2000
_BLOCK_NUMBERS = 4_000_000


def best_of(
    scores: Floats,
    clustering: Clustering,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Expected score of whichever candidate scores best, on rows that had no part in the choice.

    Clusters are resampled; in each resample the candidate best on the drawn clusters is picked, and
    scored on the clusters that were not drawn. The estimate is the mean of these scores; the interval
    their quantiles, somewhat wide, since only about 37 % of the clusters are left out each time.

    Args:
        scores: shape (n, candidates), each inside [0, 1], no NaN.
        clustering: of the same rows.
        rng: the stream.
        level: nominal coverage.
        resamples: how many.

    Source: Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107:1895–1922 (BBC).
    """
    n, candidates = scores.shape
    if candidates < 2:
        return Estimate.none("nothing was chosen: there is one candidate", unit="share", n=n)
    if clustering.count < 2:
        return Estimate.none("all rows belong to one cluster", unit="share", n=n)
    sums = np.zeros((clustering.count, candidates))
    np.add.at(sums, clustering.codes, scores)
    sizes, groups = clustering.sizes, clustering.count
    found = []
    block = max(1, _BLOCK_NUMBERS // groups)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=count)
        out = (drawn == 0).astype(np.float64)
        inside = drawn @ sums
        # Of candidates equally good on the drawn rows any may be picked: a speck of noise picks one.
        inside += rng.random(inside.shape) * 1e-9
        left = out @ sizes
        kept = left > 0
        picked = inside.argmax(axis=1)[kept]
        found.append((out[kept] @ sums)[np.arange(len(picked)), picked] / left[kept])
    values = np.concatenate(found)
    tail = (1 - level) / 2
    value = float(values.mean())
    low, high = (float(q) for q in np.quantile(values, [tail, 1 - tail]))
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        unit="share",
        method="bootstrap bias corrected for the choice (BBC), out-of-bag clusters",
        n=n,
        clusters=groups,
    )
