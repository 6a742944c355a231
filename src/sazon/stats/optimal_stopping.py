"""When to move: the best time to stop, learnt backwards from simulated paths by least squares."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.core.types import Floats

NEVER = -1
Whole = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class _Polynomial:
    """What one regression at one date found."""

    middle: Floats
    scale: Floats
    degree: int
    weights: Floats
    """Shape (terms, columns)."""

    def at(self, state: Floats) -> Floats:
        return np.asarray(_terms((state - self.middle) / self.scale, self.degree) @ self.weights)


@dataclass(frozen=True, kw_only=True)
class StoppingRule:
    """Whether to stop, date by date, from what can be seen at the date."""

    seen: bool
    fits: tuple[_Polynomial | None, ...]
    """One a date: the value of going on (and of stopping, where that is not seen); None: never stop."""

    def follow(self, gain: Floats, state: Floats) -> tuple[Floats, Whole]:
        """Apply the rule to paths.

        Args:
            gain: shape (paths, dates), discounted to today.
            state: shape (paths, dates, k).

        Returns:
            Gain of each path, and the date at which it stops (`NEVER`: it does not).
        """
        dates = np.full(len(gain), NEVER, dtype=np.int64)
        for t, fit in enumerate(self.fits):
            if fit is not None:
                stops = _stops(fit, gain[:, t], state[:, t], seen=self.seen) & (dates == NEVER)
                dates[stops] = t
        found = np.where(dates == NEVER, 0.0, gain[np.arange(len(gain)), dates])
        return found, dates


def fit_rule(gain: Floats, state: Floats, *, degree: int = 3, seen: bool = True) -> StoppingRule:
    """Learn when to stop once, or never, by least-squares Monte Carlo.

    Going backwards from the last date, the gain of going on is regressed on a polynomial of what is
    seen; it pays to stop where stopping gains more. Value the rule on other paths than it was fitted on:
    on its own it looks better than it is.

    Args:
        gain: shape (paths, dates): what stopping at each date gains over never stopping, discounted to
            today.
        state: shape (paths, dates, k): what is known at each date.
        degree: of the polynomial.
        seen: True where the gain is known when it is taken (the pay-off of a put); only paths where it
            is above 0 are then regressed. False where it too is only known on average given the state
            (what a move saves over the years to come): then it is regressed as well, on all paths.

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.

    Source: Longstaff & Schwartz 2001, Review of Financial Studies 14:113–147.
    """
    if gain.ndim != 2 or state.ndim != 3 or state.shape[:2] != gain.shape or not gain.size:
        raise ValueError("needs gains of shape (paths, dates) and states of shape (paths, dates, k)")
    if not (np.isfinite(gain).all() and np.isfinite(state).all()):
        raise ValueError("gains and states must be finite")
    ahead = np.zeros(len(gain))
    fits: list[_Polynomial | None] = []
    for t in range(gain.shape[1] - 1, -1, -1):
        rows = gain[:, t] > 0 if seen else np.ones(len(gain), dtype=bool)
        if not rows.any():
            fits.append(None)
            continue
        values = ahead[rows, None] if seen else np.stack([ahead, gain[:, t]], axis=1)
        fit = _regress(state[rows, t], values, degree)
        stops = _stops(fit, gain[:, t], state[:, t], seen=seen)
        ahead = np.where(stops, gain[:, t], ahead)
        fits.append(fit)
    return StoppingRule(seen=seen, fits=tuple(reversed(fits)))


def _stops(fit: _Polynomial, gain: Floats, state: Floats, *, seen: bool) -> Bools:
    values = fit.at(state)
    now = gain if seen else values[:, 1]
    return np.asarray((now > 0) & (now >= values[:, 0]))


def _regress(state: Floats, values: Floats, degree: int) -> _Polynomial:
    middle, spread = state.mean(axis=0), state.std(axis=0)
    scale = np.where(spread > 1e-12 * np.maximum(np.abs(middle), 1.0), spread, 1.0)
    terms = _terms((state - middle) / scale, degree)
    weights = np.asarray(np.linalg.lstsq(terms, values, rcond=None)[0], dtype=np.float64)
    return _Polynomial(middle=middle, scale=scale, degree=degree, weights=weights)


def _terms(scaled: Floats, degree: int) -> Floats:
    chosen = (
        list(c)
        for d in range(degree + 1)
        for c in itertools.combinations_with_replacement(range(scaled.shape[1]), d)
    )
    return np.stack([np.prod(scaled[:, c], axis=1) for c in chosen], axis=1)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A rule people can follow: move when one number has passed a level for some dates in a row."""

    level: float
    above: bool
    times: int

    def dates(self, watched: Floats, dates: Whole) -> Whole:
        """Position in `dates` of the first one with the last `times` months past the level, or `NEVER`.

        Args:
            watched: shape (paths, months); month m is known from date m + 1 on.
            dates: shape (n,), months at whose start one may move, ascending.
        """
        past = watched >= self.level if self.above else watched <= self.level
        known = np.stack([_lasting(past, int(d), self.times) for d in dates], axis=1)
        return np.asarray(np.where(known.any(axis=1), known.argmax(axis=1), NEVER), dtype=np.int64)


def _lasting(past: Bools, date: int, times: int) -> Bools:
    if date < times:
        return np.zeros(len(past), dtype=bool)
    return np.asarray(past[:, date - times : date].all(axis=1))


def fit_threshold(
    gain: Floats, watched: Floats, dates: Whole, *, times: int = 2, levels: int = 40
) -> Threshold | None:
    """The simple rule that gains most on average; None where none gains more than never moving.

    Args:
        gain: shape (paths, dates), as for `fit_rule`.
        watched: shape (paths, months).
        dates: months at whose start one may move.
        times: months in a row.
        levels: how many levels are tried, evenly spread over what is seen.
    """
    best, most = None, 0.0
    for level in np.unique(np.quantile(watched, np.linspace(0.01, 0.99, levels))):
        for above in (True, False):
            rule = Threshold(level=float(level), above=above, times=times)
            value = float(gain_at(gain, rule.dates(watched, dates)).mean())
            if value > most:
                best, most = rule, value
    return best


def gain_at(gain: Floats, chosen: Whole) -> Floats:
    """Gain of each path at its own date, 0 where it never stops."""
    return np.asarray(np.where(chosen == NEVER, 0.0, gain[np.arange(len(gain)), chosen]))
