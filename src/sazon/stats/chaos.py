"""Total-order sensitivity from draws that exist: a polynomial chaos fitted to them, and how well it fits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np

from sazon.core.types import Estimate, Floats
from sazon.stats.sensitivity import Indices

MOST_TERMS = 200
ROWS_A_TERM = 10
MOST_TOGETHER = 8
"""Inputs whose interactions are fitted; the others act alone."""
ALONE = 2
"""Degree of those."""
GOOD_FIT = 0.7
"""Share of the variance, of rows left out, from which the fit may speak."""
DEPENDENT = 0.1
"""Rank correlation with another input from which the variance cannot be parted."""
BLOCKS = 40


@dataclass(frozen=True, kw_only=True)
class Influences:
    """First-order and total indices of every input, and how far they may be believed."""

    indices: tuple[Indices, ...]
    fit: Estimate
    """Share of the variance that the polynomial explains in rows it was not fitted on."""


def influences(x: Floats, y: Floats, *, level: float = 0.95) -> Influences:
    """Indices of draws that exist, by least squares on orthogonal polynomials of the inputs' ranks.

    y ≈ Σ_α c_α ψ_α(x), ψ of Hermite polynomials of normal scores or of Legendre polynomials of ranks,
    whichever predicts rows left out better. First: share of the terms in one input alone; total: mean
    square of all terms with it. What chance would add to them is taken off. Where inputs are many, those
    with the least rank correlation, with the result or with its distance from the mean, act alone and have
    no interactions.

    Args:
        x: shape (n, inputs), none constant.
        y: shape (n,), the result.
        level: nominal coverage.

    Returns:
        Undefined with the reason where the fit is poor, or for an input that moves with another one.

    Source: Sudret 2008, Reliability Engineering & System Safety 93:964–979.
    """
    n, inputs = x.shape
    nothing = "fewer than 500 draws" if n < 500 else "the result does not vary" if np.ptp(y) == 0 else ""
    if nothing:
        return _none(nothing, inputs, n, Estimate.none(nothing, unit="share", n=n))
    ranks = (np.argsort(np.argsort(x, axis=0, kind="stable"), axis=0, kind="stable") + 0.5) / n
    terms = _terms(ranks, y - y.mean(), n)
    fits = [_Fit(design, terms, y - y.mean()) for design in _designs(ranks, terms)]
    best = max(fits, key=lambda fit: fit.explained)
    told = f"polynomial chaos of {len(terms)} terms"
    fit = Estimate(value=best.explained, unit="share", n=n, method=f"{told}, leave-one-out", kind="assumed")
    if best.explained < GOOD_FIT:
        why = f"a polynomial explains only {100 * max(best.explained, 0.0):.0f} % of the variance"
        return _none(why, inputs, n, fit)
    moves = np.abs(np.corrcoef(ranks, rowvar=False).reshape(inputs, inputs) - np.eye(inputs)).max(axis=0)
    found = best.shares(inputs)
    pairs = [
        _pair("it moves together with another input", n)
        if moves[i] > DEPENDENT
        else Indices(
            first=_estimate(found[:, 0, i], n, level, told), total=_estimate(found[:, 1, i], n, level, told)
        )
        for i in range(inputs)
    ]
    return Influences(indices=tuple(pairs), fit=fit)


def _none(why: str, inputs: int, n: int, fit: Estimate) -> Influences:
    return Influences(indices=(_pair(why, n),) * inputs, fit=fit)


def _pair(why: str, n: int) -> Indices:
    nothing = Estimate.none(why, unit="share", n=n)
    return Indices(first=nothing, total=nothing)


Term = tuple[int, ...]
"""The inputs of a product, each as often as its degree."""


def _terms(ranks: Floats, y: Floats, n: int) -> list[Term]:
    """All products up to the highest degree there are rows for, of the inputs that matter most."""
    # An input may move the result neither up nor down, only away: one that scales a gap of either sign.
    moved, away = (np.abs(_columns_with(ranks, np.argsort(np.argsort(v)) / n)) for v in (y, np.abs(y)))
    order = np.argsort(-np.maximum(moved, away), kind="stable")
    together, alone = order[:MOST_TOGETHER], order[MOST_TOGETHER:]
    room = max(min(MOST_TERMS, n // ROWS_A_TERM) - ALONE * len(alone), len(together))
    degree = 1
    while comb(len(together) + degree + 1, degree + 1) <= room:
        degree += 1
    products = [
        term
        for d in range(1, degree + 1)
        for term in combinations_with_replacement(sorted(map(int, together)), d)
    ]
    return products + [(int(i),) * d for i in alone for d in range(1, ALONE + 1)]


def _columns_with(ranks: Floats, y: Floats) -> Floats:
    """Correlation of every column with y."""
    centred, y = ranks - ranks.mean(axis=0), y - y.mean()
    return np.asarray(centred.T @ y / np.sqrt((centred**2).sum(axis=0) * (y**2).sum()))


def _designs(ranks: Floats, terms: list[Term]) -> list[Floats]:
    """The terms' values, shape (n, terms), in two bases of orthogonal polynomials."""
    from scipy.special import eval_hermitenorm, eval_legendre, factorial, ndtri

    highest = max(len(term) for term in terms)
    scores, uniform = ndtri(ranks), 2 * ranks - 1
    hermite = [eval_hermitenorm(d, scores) / np.sqrt(factorial(d)) for d in range(highest + 1)]
    legendre = [eval_legendre(d, uniform) * np.sqrt(2 * d + 1) for d in range(highest + 1)]
    return [_products(basis, terms) for basis in (hermite, legendre)]


def _products(basis: list[Floats], terms: list[Term]) -> Floats:
    columns = []
    for term in terms:
        column = np.ones(len(basis[0]))
        for i in dict.fromkeys(term):
            column = column * basis[term.count(i)][:, i]
        columns.append(column - column.mean())
    return np.stack(columns, axis=1)


class _Fit:
    """Least squares of one basis, its error on rows left out, and its parts."""

    def __init__(self, design: Floats, terms: list[Term], y: Floats) -> None:
        """Fit; `y` is centred."""
        self.design, self.terms, self.y = design, terms, y
        self.gram = design.T @ design
        self.inverse = np.linalg.inv(self.gram)
        self.coefficients = self.inverse @ (design.T @ y)
        self.residual = y - design @ self.coefficients
        leverage = np.einsum("ij,ij->i", design @ self.inverse, design)
        left_out = self.residual / np.maximum(1 - leverage - 1 / len(y), 1e-6)
        self.explained = float(1 - (left_out**2).sum() / (y**2).sum())

    def shares(self, inputs: int) -> Floats:
        """First and total index of every input, shape (1 + blocks, 2, inputs): of all rows, then with one
        block of rows after another left out, the coefficients to first order and the basis as it is.
        """
        n, block = len(self.y), np.arange(len(self.y)) % BLOCKS
        coefficients, squares = [self.coefficients], [float(self.y @ self.y) / n]
        for b in range(BLOCKS):
            out = block == b
            less = self.inverse @ (self.design[out].T @ self.residual[out])
            coefficients.append(self.coefficients - less)
            squares.append(float(self.y[~out] @ self.y[~out]) / int((~out).sum()))
        return self._parts(np.stack(coefficients), np.array(squares), inputs)

    def _parts(self, c: Floats, squares: Floats, inputs: int) -> Floats:
        """Mean square of the terms concerned over that of the result, less what chance adds."""
        n = len(self.y)
        noise = float(self.residual @ self.residual) / max(n - c.shape[1], 1)
        found = np.zeros((len(c), 2, inputs))
        for i in range(inputs):
            within = [t for t, term in enumerate(self.terms) if i in term]
            alone = [t for t in within if set(self.terms[t]) == {i}]
            for row, chosen in enumerate((alone, within)):
                gram = self.gram[np.ix_(chosen, chosen)]
                part = ((c[:, chosen] @ gram) * c[:, chosen]).sum(axis=1)
                found[:, row, i] = (part - noise * len(chosen)) / n / squares
        return found


def _estimate(values: Floats, n: int, level: float, method: str) -> Estimate:
    """The first value; bounds from the jackknife of blocks, normal; all clipped to [0, 1]."""
    from statistics import NormalDist

    spread = float(np.sqrt((BLOCKS - 1) * np.var(values[1:])))
    reach = NormalDist().inv_cdf(0.5 + level / 2) * spread
    low, value, high = (float(np.clip(values[0] + d, 0.0, 1.0)) for d in (-reach, 0.0, reach))
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        unit="share",
        n=n,
        method=f"{method}, jackknife of blocks of rows",
    )
