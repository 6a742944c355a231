"""What it would be worth to know more before deciding: perfect information, on everything or on a part."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from sazon.core.types import Estimate, Floats

_RESAMPLES = 300
_DEGREES = (1, 2, 3, 4, 5)
_CHANCE = "bootstrap of the worlds"


def perfect(benefit: Floats, *, rng: np.random.Generator, unit: str, level: float = 0.95) -> Estimate:
    """Expected value of perfect information: E[max benefit] − max E[benefit].

    Args:
        benefit: shape (worlds, options): net benefit (or minus cost) of each option in each world.
        rng: the stream of the bootstrap.
        unit: of the benefit.
        level: nominal coverage, of the chance in the worlds drawn.

    Source: Raiffa & Schlaifer 1961, Applied Statistical Decision Theory, chapter 4.
    """
    _check(benefit)
    weights = _weights(len(benefit), rng)
    value = weights @ benefit.max(axis=1) - (weights @ benefit).max(axis=1)
    return _estimate(value, len(benefit), level, unit, f"E[max] − max E, {_CHANCE}")


def partial(
    benefit: Floats, known: Floats, *, rng: np.random.Generator, unit: str, level: float = 0.95
) -> Estimate:
    """Expected value of perfect information on some inputs (EVPPI), by regression.

    E over φ of max_d E[benefit_d | φ], less max_d E[benefit_d]; the inner mean is a polynomial in φ whose
    degree (1 to 5) has the least leave-one-out error. The benefits are regressed as differences to the
    option that is best on average.

    Args:
        benefit: shape (worlds, options).
        known: shape (worlds,) or (worlds, inputs): the inputs that would be known, at most three.
        rng: the stream of the bootstrap.
        unit: of the benefit.
        level: nominal coverage, of the chance in the worlds drawn.

    Raises:
        ValueError: NaN, or more than three inputs.

    Source: Strong, Oakley & Brennan 2014, Medical Decision Making 34:311–326.
    """
    return partials(benefit, {"": known}, rng=rng, unit=unit, level=level)[""]


def partials(
    benefit: Floats,
    inputs: Mapping[str, Floats],
    *,
    rng: np.random.Generator,
    unit: str,
    level: float = 0.95,
    most: int | None = None,
) -> dict[str, Estimate]:
    """`partial` for each of several inputs in turn, all on the same resamples of the worlds.

    With `most`, only for so many that are worth most: the resamples take longest, and are not drawn on
    for the others.
    """
    _check(benefit)
    weights = _weights(len(benefit), rng)
    gaps = benefit - benefit[:, [int(benefit.mean(axis=0).argmax())]]
    names = list(inputs)
    if most is not None and len(names) > most:
        worth = {name: max(0.0, float(_worths(gaps, inputs[name], weights[:1])[0])) for name in names}
        names = sorted(names, key=lambda name: -worth[name])[:most]
    method = f"polynomial regression, {_CHANCE}"
    return {
        name: _estimate(_worths(gaps, inputs[name], weights), len(gaps), level, unit, method)
        for name in names
    }


def _worths(gaps: Floats, known: Floats, weights: Floats) -> Floats:
    """The worth of knowing an input, on each resample of the worlds."""
    phi = known[:, None] if known.ndim == 1 else known
    if phi.shape[1] > 3 or not np.isfinite(phi).all():
        raise ValueError("needs one to three inputs, all finite")
    moving = phi[:, np.ptp(phi, axis=0) > 0]
    best, means = np.full(weights.T.shape, -np.inf), []
    for gap, Q in zip(gaps.T, _bases(gaps, moving), strict=True):
        guess = Q @ (Q.T @ gap)
        # The regression of each resample, to first order in its weights (Q is orthonormal).
        shifts = Q.T @ ((gap - guess)[:, None] * weights.T * len(gap))
        fitted = guess[:, None] + Q @ shifts
        best = np.maximum(best, fitted)
        means.append((weights.T * fitted).sum(axis=0))
    return np.asarray((weights.T * best).sum(axis=0) - np.max(means, axis=0))


def _bases(gaps: Floats, phi: Floats) -> list[Floats]:
    """For each column of `gaps` the orthonormal polynomials in `phi` that predict it best."""
    found, least = [np.ones((len(phi), 1)) / len(phi) ** 0.5] * gaps.shape[1], np.full(gaps.shape[1], np.inf)
    if not phi.shape[1]:
        return found
    scaled = (phi - phi.mean(axis=0)) / phi.std(axis=0)
    for degree in _DEGREES:
        terms = [
            np.prod(scaled[:, list(chosen)], axis=1)
            for d in range(degree + 1)
            for chosen in itertools.combinations_with_replacement(range(scaled.shape[1]), d)
        ]
        Q = np.linalg.qr(np.stack(terms, axis=1))[0]
        guess = Q @ (Q.T @ gaps)
        leverage = np.minimum((Q**2).sum(axis=1), 1 - 1e-9)
        error = (((gaps - guess) / (1 - leverage)[:, None]) ** 2).mean(axis=0)
        found = [Q if now < old else kept for now, old, kept in zip(error, least, found, strict=True)]
        least = np.minimum(error, least)
    return found


def _weights(worlds: int, rng: np.random.Generator) -> Floats:
    """Each world once, then resamples; every row adds up to 1."""
    drawn = rng.multinomial(worlds, np.full(worlds, 1 / worlds), size=_RESAMPLES)
    return np.vstack([np.ones(worlds), drawn]) / worlds


def _estimate(values: Floats, n: int, level: float, unit: str, method: str) -> Estimate:
    tail = (1 - level) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    value = max(0.0, float(values[0]))
    return Estimate(
        value=value,
        low=max(0.0, min(float(low), value)),
        high=max(float(high), value),
        level=level,
        unit=unit,
        n=n,
        method=method,
    )


def _check(benefit: Floats) -> None:
    if benefit.ndim != 2 or len(benefit) < 2 or not np.isfinite(benefit).all():
        raise ValueError("needs finite benefits of at least two worlds, shape (worlds, options)")
