"""Two candidates on the same rows: only the rows on which they differ carry news.

b counts the rows only the first gets right, c those only the second does, of n rows;
the estimand is Δ = accuracy(first) − accuracy(second), estimated by (b − c) / n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions

from sazon.core.types import Estimate
from sazon.stats.clusters import FEW, Clustering, design_effect, t_quantile
from sazon.stats.power import labels_for_pair

_STEPS = 80
"""Bisection steps: 2⁻⁸⁰ of the interval [−1, 1]."""


def tango_z(b: float, c: float, n: float, difference: float) -> float:
    """Score statistic for H₀: Δ = difference.

    Z = (b − c − nΔ) / √(n(2q + Δ(1 − Δ))) with q the probability of `c` estimated under H₀:
    q = (√(B² − 4AC) − B) / 2A, A = 2n, B = −b − c + (2n − b + c)Δ, C = −cΔ(1 − Δ).

    Args:
        b: rows only the first gets right (fractional where scaled by a design effect).
        c: rows only the second gets right.
        n: rows, > 0.
        difference: Δ under the hypothesis, inside [−1, 1].

    Source: Tango 1998, Statistics in Medicine 17:891–908, equations 9–12.
    """
    delta = difference
    A, B, C = 2 * n, -b - c + (2 * n - b + c) * delta, -c * delta * (1 - delta)
    q = (math.sqrt(max(0.0, B * B - 4 * A * C)) - B) / (2 * A)
    variance = n * (2 * q + delta * (1 - delta))
    above = b - c - n * delta
    if variance <= 1e-12 * n:
        return 0.0 if abs(above) < 1e-9 * n else math.copysign(math.inf, above)
    return above / math.sqrt(variance)


def tango_interval(b: float, c: float, n: float, *, quantile: float) -> tuple[float, float]:
    """All Δ with |Z(Δ)| ≤ quantile; never a point, also for b = c = 0. Source: Tango 1998."""
    centre = (b - c) / n

    def edge(outside: float, wanted: float) -> float:
        inside = centre
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            if abs(tango_z(b, c, n, middle)) <= wanted:
                inside = middle
            else:
                outside = middle
        return inside

    return edge(-1.0, quantile), edge(1.0, quantile)


def mcnemar(b: int, c: int, *, mid: bool = True) -> float:
    """Two-sided p of H₀: b and c are equally likely, from Binomial(b + c, ½).

    Args:
        b: rows only the first gets right.
        c: rows only the second gets right.
        mid: the mid-P version (half the observed point's probability), less conservative.

    Source: McNemar 1947; Fagerland, Lydersen & Laake 2013 (mid-P).
    """
    if b + c == 0:
        return 1.0
    binomial = distributions.binom(b + c, 0.5)
    exact = min(1.0, 2 * float(binomial.cdf(min(b, c))))
    if not mid:
        return exact
    return 1.0 - float(binomial.pmf(b)) if b == c else exact - float(binomial.pmf(min(b, c)))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Discordant counts of two candidates, already divided by the design effect."""

    b: float
    c: float
    n: float
    """Effective rows."""
    rows: int
    discordant: int
    clustering: Clustering
    effect: float

    @classmethod
    def of(cls, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], clustering: Clustering) -> Pair:
        """Compare two candidates row by row.

        Args:
            first: shape (n,), right or wrong.
            second: shape (n,), on the same rows.
            clustering: of the same rows.
        """
        difference = first.astype(np.float64) - second.astype(np.float64)
        effect = design_effect(difference, clustering) if len(first) else 1.0
        only_first, only_second = int((difference > 0).sum()), int((difference < 0).sum())
        return cls(
            b=only_first / effect,
            c=only_second / effect,
            n=len(first) / effect,
            rows=len(first),
            discordant=only_first + only_second,
            clustering=clustering,
            effect=effect,
        )

    @property
    def defined(self) -> bool:
        """Whether the rows allow a comparison: at least two independent ones."""
        return self.clustering.count >= 2

    @property
    def method(self) -> str:
        """Name of the method, with its allowance for clusters."""
        if not self.clustering.repeats:
            return "Tango score, paired"
        few = f"; only {self.clustering.count} clusters" if self.clustering.count < FEW else ""
        return f"Tango score, paired, design effect {self.effect:.2f} (CR1), t{few}"

    def difference(self, *, level: float = 0.95) -> Estimate:
        """Δ with the interval that inverts Tango's test."""
        if not self.defined:
            return Estimate.none(
                "needs at least two independent rows answered by both", unit="share", n=self.rows
            )
        low, high = tango_interval(self.b, self.c, self.n, quantile=t_quantile(level, self.clustering))
        value = (self.b - self.c) / self.n
        return Estimate(
            value=value,
            low=min(low, value),
            high=max(high, value),
            level=level,
            unit="share",
            method=self.method,
            n=self.rows,
            clusters=self.clustering.count,
        )

    def p_differs(self) -> float | None:
        """Two-sided p of H₀: Δ = 0 (mid-P McNemar; the scaled score test where clusters repeat)."""
        if not self.defined:
            return None
        if not self.clustering.repeats:
            return mcnemar(round(self.b), round(self.c))
        return 2 * self._tail(abs(tango_z(self.b, self.c, self.n, 0.0)))

    def labels_needed(self, *, level: float = 0.95, power: float = 0.8) -> int | None:
        """Further rows that would show the difference, were it as large as it looks now.

        None where the two are equal so far: no number of rows shows a difference of 0.
        """
        if not self.defined or self.b == self.c:
            return None
        wanted = labels_for_pair(
            (self.b - self.c) / self.n, (self.b + self.c) / self.n, level=level, power=power
        )
        return max(0, math.ceil(wanted * self.effect) - self.rows)

    def p_inferior(self, margin: float) -> float | None:
        """One-sided p of H₀: Δ ≤ −margin; small means the first is not worse by the margin."""
        if not self.defined:
            return None
        return self._tail(tango_z(self.b, self.c, self.n, -margin))

    def _tail(self, z: float) -> float:
        if self.clustering.repeats:
            return float(distributions.t.sf(z, self.clustering.count - 1))
        return float(distributions.norm.sf(z))


def independent_difference(first: Estimate, second: Estimate) -> tuple[float, float, float]:
    """Difference of two shares from different rows, with Newcombe's hybrid score bounds.

    Δ̂ − √((p₁−l₁)² + (u₂−p₂)²) to Δ̂ + √((u₁−p₁)² + (p₂−l₂)²), from each share's own bounds.

    Args:
        first: a share with bounds.
        second: a share with bounds at the same level.

    Raises:
        ValueError: a value or bound is missing.

    Source: Newcombe 1998, Statistics in Medicine 17:873–890, method 10.
    """
    numbers = (first.value, first.low, first.high, second.value, second.low, second.high)
    if any(x is None for x in numbers):
        raise ValueError("both shares need a value and bounds")
    p1, l1, u1, p2, l2, u2 = (float(x) for x in numbers if x is not None)
    value = p1 - p2
    return value, value - math.hypot(p1 - l1, u2 - p2), value + math.hypot(u1 - p1, p2 - l2)
