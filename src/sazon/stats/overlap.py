"""How far the errors of two candidates coincide: what a second opinion is worth.

Of n rows both are right on a, only the first on b, only the second on c, neither on d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.core.types import Estimate, Floats
from sazon.stats.clusters import Clustering, cr1_standard_error, share, t_quantile

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ErrorPair:
    """Two candidates on the same rows."""

    first_wrong: Flags
    """Shape (n,)."""
    second_wrong: Flags
    same_answer: Flags
    """Shape (n,): whether both gave the same answer."""
    clustering: Clustering

    def both_wrong(self, *, level: float = 0.95) -> Estimate:
        """Double fault: P(both wrong). Source: Giacinto & Roli 2001, Image and Vision Computing 19."""
        return share(self._both, self.clustering, level=level)

    def same_wrong(self, *, level: float = 0.95) -> Estimate:
        """P(same answer | both wrong): 1 where a second opinion only repeats the first one's errors."""
        rows = self._both
        if not rows.any():
            return Estimate.none("no row is wrong for both", unit="share", n=0)
        return share(self.same_answer[rows], self.clustering.keep(rows), level=level)

    def homogenisation(self, *, level: float = 0.95) -> Estimate:
        """P(both wrong) / (P(first wrong) · P(second wrong)); 1 where errors are independent.

        The interval is that of the logarithm by the delta method with the cluster-robust (CR1)
        standard error; where no row is wrong for both, its upper end is that of P(both wrong).

        Source: Bommasani et al. 2022, "Picking on the Same Person", equation 1.
        """
        n = len(self.first_wrong)
        shares = [float(w.mean()) if n else 0.0 for w in (self.first_wrong, self.second_wrong, self._both)]
        if not shares[0] or not shares[1]:
            return Estimate.none("one of the two makes no error", unit="times", n=n)
        independent = shares[0] * shares[1]
        if self.clustering.count < 2:
            return Estimate.none("all rows belong to one cluster", unit="times", n=n)
        if not shares[2]:
            high = self.both_wrong(level=level).high
            return self._estimate(0.0, (0.0, None if high is None else high / independent), level, "times")
        log_ratio = math.log(shares[2] / independent)
        influence = (
            self._both / shares[2] - self.first_wrong / shares[0] - self.second_wrong / shares[1] + 1.0
        )
        half = self._half(influence, level)
        bounds = (math.exp(log_ratio - half), math.exp(log_ratio + half))
        return self._estimate(math.exp(log_ratio), bounds, level, "times")

    def yule_q(self, *, level: float = 0.95) -> Estimate:
        """Q = (ad − bc) / (ad + bc) = (ω − 1) / (ω + 1), ω the odds ratio; inside [−1, 1].

        The interval is that of log ω with half a row added to each count (Haldane), by the delta
        method with the cluster-robust (CR1) standard error: it never collapses at ±1.

        Source: Yule 1900; Kuncheva & Whitaker 2003, Machine Learning 51 (as a measure of diversity).
        """
        one, other = self.first_wrong, self.second_wrong
        cells = (~one & ~other, ~one & other, one & ~other, one & other)
        a, b, c, d = (int(cell.sum()) for cell in cells)
        n = len(one)
        if a * d + b * c == 0:
            return Estimate.none("one of the two is always right or always wrong", n=n)
        if self.clustering.count < 2:
            return Estimate.none("all rows belong to one cluster", n=n)
        log_odds = math.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
        influence = sum(
            sign * cell * (n + 2) / (count + 0.5)
            for sign, cell, count in zip((1, -1, -1, 1), cells, (a, b, c, d), strict=True)
        )
        # Woolf's variance counts each cell's half row too; the influence function alone does not.
        woolf = math.sqrt(sum(1 / (count + 0.5) for count in (a, b, c, d)))
        half = max(self._half(np.asarray(influence, dtype=np.float64), level), self._quantile(level) * woolf)
        bounds = (math.tanh((log_odds - half) / 2), math.tanh((log_odds + half) / 2))
        return self._estimate((a * d - b * c) / (a * d + b * c), bounds, level, "")

    @property
    def _both(self) -> Flags:
        return self.first_wrong & self.second_wrong

    def _quantile(self, level: float) -> float:
        return t_quantile(level, self.clustering)

    def _half(self, influence: Floats, level: float) -> float:
        return self._quantile(level) * cr1_standard_error(influence, self.clustering)

    def _estimate(
        self, value: float, bounds: tuple[float, float | None], level: float, unit: str
    ) -> Estimate:
        low, high = bounds
        return Estimate(
            value=value,
            low=min(low, value),
            high=None if high is None else max(high, value),
            level=level,
            unit=unit,
            method="delta method of the logarithm, cluster-robust (CR1)",
            n=len(self.first_wrong),
            clusters=self.clustering.count,
        )
