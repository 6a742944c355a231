"""Rows that come in clusters (several of one customer): how much less they say than independent rows.

One idea serves shares and paired differences: the design effect, the factor by which clustering
inflates the variance. Counts are divided by it (Rao & Scott 1992) and then enter the score
intervals that stay honest near 0 and 100 %, with a t quantile on clusters − 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions
from scipy.stats import qmc

from sazon.core.types import Estimate, Floats
from sazon.stats.proportions import proportion, wilson

FEW = 40
"""Below this many clusters intervals are somewhat too narrow, and it is said."""
ENOUGH_TO_RESAMPLE = 10
"""From so many clusters on their resampling says more of the tails than a t distribution."""
_POINTS = 2048


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """Which cluster each row belongs to."""

    codes: npt.NDArray[np.int64]
    """Shape (n,): cluster number of each row, 0 … count − 1."""
    count: int

    @classmethod
    def of(cls, groups: Sequence[str]) -> Clustering:
        """Number the groups by first appearance of their sorted names."""
        if not groups:
            return cls(codes=np.zeros(0, dtype=np.int64), count=0)
        names, codes = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
        return cls(codes=codes.astype(np.int64), count=len(names))

    @property
    def repeats(self) -> bool:
        """True where some cluster holds more than one row."""
        return self.count < len(self.codes)

    @property
    def sizes(self) -> Floats:
        """Shape (count,): rows per cluster."""
        return np.bincount(self.codes, minlength=self.count).astype(np.float64)

    def keep(self, rows: npt.NDArray[np.bool_]) -> Clustering:
        """The clustering of some of the rows."""
        names, codes = np.unique(self.codes[rows], return_inverse=True)
        return Clustering(codes=codes.astype(np.int64), count=len(names))

    @property
    def kish_effect(self) -> float:
        """Σm²/n: the design effect if rows of one cluster were all alike. Source: Kish 1965."""
        return float((self.sizes**2).sum() / len(self.codes))


def cr1_standard_error(values: Floats, clustering: Clustering) -> float:
    """Cluster-robust standard error of a mean: √(G/(G−1) Σ_g (Σ_{i∈g} (xᵢ−x̄))²) / n.

    Args:
        values: shape (n,).
        clustering: at least two clusters.

    Source: Liang & Zeger 1986, with the CR1 small-sample factor.
    """
    sums = np.bincount(clustering.codes, weights=values - values.mean(), minlength=clustering.count)
    groups = clustering.count
    return math.sqrt(groups / (groups - 1) * float((sums**2).sum())) / len(values)


def design_effect(values: Floats, clustering: Clustering) -> float:
    """CR1 variance over the variance of as many independent rows, at least 1.

    Where the rows show no variance (all right), the worst case Σm²/n is taken: there is
    nothing to estimate the correlation from, and assuming independence would be a guess.
    """
    if not clustering.repeats:
        return 1.0
    spread = float(values.var())
    if spread == 0 or clustering.count < 2:
        return clustering.kish_effect
    independent = spread / len(values)
    return max(1.0, cr1_standard_error(values, clustering) ** 2 / independent)


def t_quantile(level: float, clustering: Clustering) -> float:
    """Two-sided t quantile on clusters − 1 degrees of freedom; normal where no cluster repeats."""
    tail = 1 - (1 - level) / 2
    if not clustering.repeats:
        return float(distributions.norm.ppf(tail))
    return float(distributions.t.ppf(tail, max(1, clustering.count - 1)))


def share(
    hits: npt.NDArray[np.bool_], clustering: Clustering, *, level: float = 0.95, unit: str = "share"
) -> Estimate:
    """Share of hits among rows, allowing for clusters; Wilson where no cluster repeats.

    Args:
        hits: shape (n,).
        clustering: of the same rows.
        level: nominal coverage.
        unit: unit of the estimate.

    Source: Wilson 1927; Rao & Scott 1992 (effective counts); Franco et al. 2019 (survey Wilson).
    """
    plain = proportion(int(hits.sum()), len(hits), level=level, unit=unit)
    if plain.value is None or not clustering.repeats:
        return replace(plain, clusters=clustering.count)
    if clustering.count < 2:
        return Estimate.none("all rows belong to one cluster", unit=unit, n=len(hits))
    effect = design_effect(hits.astype(np.float64), clustering)
    size = len(hits) / effect
    low, high = wilson(plain.value * size, size, quantile=t_quantile(level, clustering))
    return replace(
        plain,
        low=low,
        high=high,
        clusters=clustering.count,
        method=_named(f"Wilson score, design effect {effect:.2f} (CR1), t", clustering),
    )


def mean(values: Floats, clustering: Clustering, *, level: float = 0.95, unit: str = "") -> Estimate:
    """Mean over rows with the CR1 standard error and a t quantile.

    From 10 to 39 clusters, where that is too narrow for skewed values, the quantiles are those of
    the cluster bootstrap-t; below 10 it has too few resamples to tell and the t stays.

    Args:
        values: shape (n,), finite.
        clustering: of the same rows.
        level: nominal coverage.
        unit: unit of the estimate.
    """
    n = len(values)
    if n == 0:
        return Estimate.none("no rows", unit=unit, n=0)
    if clustering.count < 2:
        return Estimate.none("needs at least two independent rows or clusters", unit=unit, n=n)
    value, error = float(values.mean()), cr1_standard_error(values, clustering)
    if error == 0:
        return Estimate(
            value=value,
            unit=unit,
            level=level,
            n=n,
            clusters=clustering.count,
            method="mean; no spread seen, so no interval",
        )
    if clustering.repeats and ENOUGH_TO_RESAMPLE <= clustering.count < FEW:
        below, above = _bootstrap_t(values, clustering, level=level)
        return Estimate(
            value=value,
            low=min(value, value - above * error),
            high=max(value, value - below * error),
            level=level,
            unit=unit,
            n=n,
            clusters=clustering.count,
            method=_named("cluster bootstrap-t", clustering),
        )
    half = float(distributions.t.ppf(1 - (1 - level) / 2, clustering.count - 1)) * error
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        level=level,
        unit=unit,
        n=n,
        clusters=clustering.count,
        method=_named("cluster-robust (CR1) t", clustering),
    )


def _bootstrap_t(values: Floats, clustering: Clustering, *, level: float) -> tuple[float, float]:
    """Lower and upper quantile of (mean* − mean) / error* over resamples of whole clusters.

    The resamples are the points of a Sobol' sequence, one coordinate a drawn cluster, so that equal rows
    always give equal intervals.

    Source: Davison & Hinkley 1997, sections 2.4 and 3.8; Cameron, Gelbach & Miller 2008, Review of
    Economics and Statistics 90:414–427 (pairs cluster bootstrap-t).
    """
    count, sizes = clustering.count, clustering.sizes
    sums = np.bincount(clustering.codes, weights=values, minlength=count)
    # The first point is the corner, which draws one cluster alone.
    points = qmc.Sobol(count, scramble=False).random(_POINTS)[1:]
    drawn = np.minimum((points * count).astype(np.int64), count - 1)
    times = np.zeros(drawn.shape)
    np.add.at(times, (np.arange(len(drawn))[:, None], drawn), 1.0)
    rows = times @ sizes
    means = times @ sums / rows
    squares = times @ sums**2 - 2 * means * (times @ (sums * sizes)) + means**2 * (times @ sizes**2)
    errors = np.sqrt(np.maximum(squares, 0) * count / (count - 1)) / rows
    spread = errors > 1e-9 * max(1.0, float(np.abs(values).max()))
    pulls = (means[spread] - float(values.mean())) / errors[spread]
    low, high = np.quantile(pulls, [(1 - level) / 2, 1 - (1 - level) / 2])
    return float(low), float(high)


def _named(method: str, clustering: Clustering) -> str:
    few = f"; only {clustering.count} clusters" if clustering.repeats and clustering.count < FEW else ""
    return f"{method}{few}"
