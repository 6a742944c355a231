"""Which uncertain input moves a result: Sobol indices of a function, or of draws that exist already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from sazon.core.types import Estimate, Floats

_RESAMPLES = 500


@dataclass(frozen=True, kw_only=True)
class Indices:
    """What one input contributes to the variance of the result."""

    first: Estimate
    """Share of the variance that would go if this input alone were known."""
    total: Estimate
    """Share that would stay if all others were known; above `first` where inputs act together."""


def sobol(
    function: Callable[[Floats], Floats],
    inputs: int,
    *,
    rng: np.random.Generator,
    draws: int = 4096,
    level: float = 0.95,
) -> tuple[Indices, ...]:
    """First-order and total indices of a function of independent inputs.

    First: S = E[f(B)(f(Aᵢ) − f(A))] / V; total: T = E[(f(A) − f(Aᵢ))²] / 2V, where A and B are two
    scrambled Sobol' samples and Aᵢ is A with column i of B. Intervals are percentiles of a bootstrap of
    the rows.

    Args:
        function: of shape (n, inputs) inside (0, 1), uniform; gives shape (n,). Called inputs + 2 times.
        inputs: how many.
        rng: scrambles the samples and draws the bootstrap.
        draws: rows of each sample, a power of two.
        level: nominal coverage.

    Returns:
        One pair an input; undefined where the function is constant.

    Source: Saltelli et al. 2010, Computer Physics Communications 181:259–270 (first); Jansen 1999,
    Computer Physics Communications 117:35–43 (total).
    """
    seeds = qmc.Sobol(2 * inputs, scramble=True, seed=rng).random(draws)
    A, B = seeds[:, :inputs], seeds[:, inputs:]
    fa, fb = function(A), function(B)
    changed = []
    for i in range(inputs):
        mixed = A.copy()
        mixed[:, i] = B[:, i]
        changed.append(function(mixed))
    if np.ptp(np.concatenate([fa, fb])) == 0:
        nothing = Estimate.none("the result does not vary", unit="share", n=draws)
        return (Indices(first=nothing, total=nothing),) * inputs
    times = rng.multinomial(draws, np.full(draws, 1 / draws), size=_RESAMPLES) / draws
    weights = np.vstack([np.full(draws, 1 / draws), times])
    centre = (fa.mean() + fb.mean()) / 2
    fa, fb = fa - centre, fb - centre
    variance = weights @ ((fa**2 + fb**2) / 2) - (weights @ ((fa + fb) / 2)) ** 2
    found = []
    for each in changed:
        first = weights @ (fb * (each - centre - fa)) / variance
        total = weights @ ((fa - each + centre) ** 2) / (2 * variance)
        found.append(
            Indices(
                first=_estimate(first, draws, level, "Saltelli 2010"),
                total=_estimate(total, draws, level, "Jansen 1999"),
            )
        )
    return tuple(found)


def first_order(x: Floats, y: Floats, *, rng: np.random.Generator, level: float = 0.95) -> Estimate:
    """First-order index from draws that exist: how much of Var(y) goes once x is known.

    S = Var(E[y | x]) / Var(y), the conditional mean taken in √n bins of equally many draws, less what
    bins explain by chance (adjusted η²); may come out below 0 where x says nothing.

    Args:
        x: shape (n,), one uncertain input.
        y: shape (n,), the result.
        rng: the stream of the bootstrap.
        level: nominal coverage.

    Source: Plischke, Borgonovo & Smith 2013, European Journal of Operational Research 226:536–550.
    """
    n = len(x)
    if n < 100:
        return Estimate.none("fewer than 100 draws", unit="share", n=n)
    if np.ptp(y) == 0:
        return Estimate.none("the result does not vary", unit="share", n=n)
    bins = int(np.sqrt(n))
    order = np.argsort(x, kind="stable")
    edges = -(-np.arange(bins) * n // bins)
    y = (y - y.mean())[order]
    weights = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)])[:, order]
    size = np.maximum(np.add.reduceat(weights, edges, axis=1), 1e-12)
    within = (weights @ y**2) - (np.add.reduceat(weights * y, edges, axis=1) ** 2 / size).sum(axis=1)
    whole = (weights @ y**2) - (weights @ y) ** 2 / n
    index = 1 - within / (n - bins) / (whole / (n - 1))
    # A resample repeats rows, which looks like order: it is only used for the spread.
    return _estimate(
        index - np.where(np.arange(len(index)) == 0, 0, index[1:].mean() - index[0]),
        n,
        level,
        "given draws, adjusted for bins",
    )


def _estimate(values: Floats, n: int, level: float, method: str) -> Estimate:
    """The first value, with percentiles of the others as bounds."""
    tail = (1 - level) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    value = float(values[0])
    return Estimate(
        value=value,
        low=float(min(low, value)),
        high=float(max(high, value)),
        level=level,
        unit="share",
        n=n,
        method=f"{method}, bootstrap of the rows",
    )
