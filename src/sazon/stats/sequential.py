"""Looking at a test again after more labels: bounds that spend the level over the looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import optimize
from scipy import stats as distributions

from sazon.core.types import Floats

Spending = Literal["obrien-fleming", "pocock"]
_NODES = 256
_FAR = 9.0
"""Standard deviations beyond which nothing happens."""


def spent(share: float, *, alpha: float, spending: Spending, two_sided: bool = True) -> float:
    """Level spent when a share of all planned rows has been seen.

    `obrien-fleming`: 2(1 − Φ(z_{1−α/2}/√t)), hardly anything at first; `pocock`: α ln(1 + (e − 1)t),
    nearly even. Two-sided bounds spend half of it on each side.

    Args:
        share: t, inside (0, 1].
        alpha: level in all.
        spending: which function.
        two_sided: whether α covers both sides.

    Source: Lan & DeMets 1983, Biometrika 70:659–663.
    """
    sides = 2 if two_sided else 1
    if spending == "pocock":
        return alpha * math.log(1 + (math.e - 1) * share)
    z = float(distributions.norm.ppf(1 - alpha / (2 * sides)))
    return 2 * sides * float(distributions.norm.sf(z / math.sqrt(share)))


def bounds(
    shares: Sequence[float] | Floats,
    *,
    alpha: float = 0.05,
    spending: Spending = "obrien-fleming",
    two_sided: bool = True,
) -> Floats:
    """Critical values of z at each look made so far, beyond which the hypothesis is rejected.

    The z statistics at two looks have the correlation √(t₁/t₂). A bound depends on the looks before it
    alone, so later looks need not be known, and may depend on anything but the results.

    Args:
        shares: of all planned rows seen at each look, increasing, inside (0, 1].
        alpha: level over all looks, inside (0, 1).
        spending: how it is spent.
        two_sided: reject for |z|, else for z alone.

    Returns:
        Shape (looks,).

    Raises:
        ValueError: shares that do not increase inside (0, 1], or α outside (0, 1).

    Source: Armitage, McPherson & Rowe 1969, JRSS A 132:235–244 (recursive integration).
    """
    if not 0 < alpha < 1 or not len(shares) or shares[-1] > 1 or min(np.diff([0.0, *shares])) <= 0:
        raise ValueError("needs increasing shares inside (0, 1] and alpha inside (0, 1)")
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # Where the process stands without having been stopped: one point before the first look.
    at, mass = np.zeros(1), np.ones(1)
    found, before, gone = [], 0.0, 0.0
    for share in shares:
        step = math.sqrt(share - before)
        now = spent(share, alpha=alpha, spending=spending, two_sided=two_sided)
        bound = _bound(at, mass, step, now - gone, share, two_sided=two_sided)
        found.append(bound / math.sqrt(share))
        floor = -bound if two_sided else -_FAR * math.sqrt(share)
        middle, half = (bound + floor) / 2, (bound - floor) / 2
        places = middle + half * nodes
        density = distributions.norm.pdf((places[:, None] - at) / step) / step @ mass
        at, mass = places, density * weights * half
        before, gone = share, now
    return np.array(found)


def _bound(at: Floats, mass: Floats, step: float, level: float, share: float, *, two_sided: bool) -> float:
    """The b with P(beyond b at this look, not stopped before) = level."""
    far = _FAR * math.sqrt(share)

    def excess(b: float) -> float:
        beyond = distributions.norm.sf((b - at) / step)
        if two_sided:
            beyond = beyond + distributions.norm.cdf((-b - at) / step)
        return float(beyond @ mass) - level

    # So little may be spent at an early look that no result counts.
    return far if excess(far) >= 0 else float(optimize.brentq(excess, 0.0 if two_sided else -far, far))
