"""Which unknowns drive the choice, what they would be worth, and which options are beaten for certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sazon.core.outlook import Dominated, Influence, Unknown
from sazon.core.types import Estimate, Floats

MOST_WORLDS = 4000
"""Enough for the value of information; worlds are in random order, so the first are a fair sample."""
MOST_UNKNOWNS = 8


def unknowns_of(
    total: Floats,
    inputs: Mapping[str, Floats],
    influences: Sequence[Influence],
    *,
    unit: str,
    rng: np.random.Generator,
) -> tuple[tuple[Unknown, ...], Estimate]:
    """What it would be worth to know each input before choosing the option that costs least.

    Args:
        total: shape (worlds, options): cost of each option.
        inputs: name → shape (worlds,), the value of each uncertain input.
        influences: of these inputs, for their share of the variance of the gap between the two cheapest.
        unit: of the cost.
        rng: the stream of the bootstraps.

    Returns:
        The inputs worth most, and the worth of knowing everything.
    """
    from sazon.stats.information import partials, perfect

    total = total[:MOST_WORLDS]
    if total.shape[1] < 2 or total.shape[0] < 100:
        return (), Estimate.none("there is no other candidate", unit=unit)
    moving = _moving(inputs)
    shares = {i.name: i.first for i in influences}
    worth = partials(-total, moving, rng=rng, unit=unit, most=MOST_UNKNOWNS)
    found = tuple(
        Unknown(name=name, share=shares[name], worth=_assumed(worth[name]))
        for name in sorted(worth, key=lambda name: -(worth[name].value or 0.0))
    )
    return found, _assumed(perfect(-total, rng=rng, unit=unit))


def influences_of(total: Floats, inputs: Mapping[str, Floats]) -> tuple[tuple[Influence, ...], Estimate]:
    """Sobol' indices, of first and total order, of the gap between the two cheapest (by median).

    Args:
        total: shape (worlds, options): cost of each option.
        inputs: name → shape (worlds,), the value of each uncertain input.

    Returns:
        Inputs in the order of their total index (of their first-order one where that is undefined), and the
        fit of the polynomial they are read from.
    """
    from sazon.stats.chaos import influences

    total = total[:MOST_WORLDS]
    moving = _moving(inputs)
    if total.shape[1] < 2 or not moving:
        return (), Estimate.none("there is no other candidate", unit="share")
    first, second = np.argsort(np.median(total, axis=0), kind="stable")[:2]
    found = influences(np.stack(list(moving.values()), axis=1), total[:, second] - total[:, first])
    pairs = [
        Influence(name=name, first=_assumed(pair.first), total=_assumed(pair.total))
        for name, pair in zip(moving, found.indices, strict=True)
    ]
    ordered = sorted(pairs, key=lambda p: -(p.total.value or p.first.value or 0.0))
    return tuple(ordered), found.fit


def dominated_by(total: Floats, names: tuple[str, ...]) -> tuple[Dominated, ...]:
    """Every option that another one dominates, with the strongest order there is.

    Args:
        total: shape (worlds, options).
        names: of the options.
    """
    from sazon.stats.dominance import TIE, dominance

    means, slack = total.mean(axis=0), TIE * float(np.abs(total).max())
    found, total = [], np.sort(total, axis=0)  # once: of the worlds only the distribution matters
    for j, name in enumerate(names):
        # What costs more on average can be better for nobody.
        rivals = [i for i in range(len(names)) if i != j and means[i] <= means[j] + slack]
        orders = {names[i]: dominance(total[:, i], total[:, j]).order for i in rivals}
        known = {other: order for other, order in orders.items() if order is not None}
        if known:
            # Of several that beat it, the one that costs least says most.
            by = min(known, key=lambda other: (known[other], float(means[names.index(other)])))
            found.append(Dominated(name=name, by=by, order=known[by]))
    return tuple(found)


def _moving(inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    """Inputs that differ from world to world; of several that rank the worlds alike, the first."""
    found: dict[bytes, tuple[str, Floats]] = {}
    for name, column in inputs.items():
        some = column[:MOST_WORLDS]
        if np.ptp(some) > 0:
            found.setdefault(np.argsort(some, kind="stable").tobytes(), (name, some))
    return dict(found.values())


def _assumed(estimate: Estimate) -> Estimate:
    return replace(estimate, kind="assumed")
