"""From worlds to what a person reads: quantiles, shares, what drives the gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sazon.core.types import Estimate, Floats

LEVEL = 0.8
MOST_RANKED = 20_000
"""Worlds that tell a rank correlation within 0.014 (95 %); ranking a million takes a quarter of a second
an input."""
TIE = 1e-9
"""Totals closer than this, relatively, are equal."""


@dataclass(frozen=True, kw_only=True)
class Ledgers:
    """Money of all candidates in all worlds, discounted; shape (worlds, candidates) each."""

    candidates: tuple[str, ...]
    currency: str
    total: Floats
    bare: Floats
    """Without errors."""
    errors: Floats
    fixed: Floats
    """What it would cost if nobody asked."""
    investment: Floats
    residual: Floats
    energy_kwh: Floats
    events: Floats
    """What events cost, demand's apart."""
    remote: tuple[bool, ...]
    """Whether a provider's machines are used, whose energy is not known."""
    right: Floats
    """Share of right answers."""
    requests_today: Floats
    """Shape (worlds,): discounted requests."""
    requests: Floats
    level: Floats
    """Shape (worlds,): requests a day in the first month."""


def summarise(ledgers: Ledgers, *, tail: float) -> dict[str, dict[str, Estimate]]:
    """The Estimates of each candidate; `tail` is the level of value at risk."""
    from sazon.stats.dominance import regret
    from sazon.stats.means import mean
    from sazon.stats.proportions import proportion

    money, n = ledgers.currency, ledgers.total.shape[0]
    wins, above = cheapest_shares(ledgers.total), regret(ledgers.total)
    thousand = ledgers.requests_today / 1000
    summary = {}
    for j, name in enumerate(ledgers.candidates):
        bare = ledgers.bare[:, j]
        residual = ledgers.residual[:, j]
        running = bare - ledgers.investment[:, j] + residual
        levelised = "; discounted cost without errors over discounted "
        summary[name] = {
            "total": spread(ledgers.total[:, j], money),
            "investment": spread(ledgers.investment[:, j], money),
            "running_cost": spread(running, money),
            "error_cost": spread(ledgers.errors[:, j], money),
            "residual_value": spread(residual, money),
            "per_1000_requests": spread(
                bare / thousand, f"{money}/1000 requests", also=levelised + "requests"
            ),
            "per_1000_correct": _per_correct(bare, thousand * ledgers.right[:, j], money, levelised),
            "p_cheapest": proportion(
                round(float(wins[:, j].sum())), n, method="jeffreys", unit="share", kind="assumed"
            ),
            "energy": _energy(ledgers, j),
            "energy_per_1000_requests": _energy(ledgers, j, per_1000=True),
            **_tail(ledgers, j, tail),
            "regret": replace(mean(above[:, j], unit=money), kind="assumed"),
        }
    return summary


def _tail(ledgers: Ledgers, j: int, at: float) -> dict[str, Estimate]:
    """The bad end of the total, and what events add to it."""
    from sazon.stats.means import mean
    from sazon.stats.tail import expected_shortfall, value_at_risk

    money, total, events = ledgers.currency, ledgers.total[:, j], ledgers.events[:, j]
    found = {
        "value_at_risk": value_at_risk(total, at=at, unit=money),
        "expected_shortfall": expected_shortfall(total, at=at, unit=money),
    }
    if ledgers.events.any():
        found["event_loss"] = mean(events, unit=money)
        found["event_loss_shortfall"] = expected_shortfall(events, at=at, unit=money)
    return {name: replace(estimate, kind="assumed") for name, estimate in found.items()}


def spread(values: Floats, unit: str, *, also: str = "") -> Estimate:
    """P50 with P10 and P90 over worlds."""
    low, middle, high = (float(q) for q in np.quantile(values, [0.1, 0.5, 0.9]))
    return Estimate(
        value=middle,
        low=low,
        high=high,
        level=LEVEL,
        unit=unit,
        method=f"P10/P50/P90 over {values.shape[0]:,} worlds{also}",
        n=values.shape[0],
        kind="assumed",
    )


def cheapest_shares(total: Floats) -> Floats:
    """1 where a candidate is cheapest in a world, shared equally among ties."""
    least = total.min(axis=1, keepdims=True)
    first = total <= least + TIE * np.maximum(np.abs(least), 1.0)
    return np.asarray(first / first.sum(axis=1, keepdims=True))


def _per_correct(bare: Floats, thousand_right: Floats, money: str, levelised: str) -> Estimate:
    unit = f"{money}/1000 correct"
    if (thousand_right <= 0).any():
        return Estimate.none("in some worlds no answer is right", unit=unit)
    return spread(bare / thousand_right, unit, also=levelised + "right answers")


def _energy(ledgers: Ledgers, j: int, *, per_1000: bool = False) -> Estimate:
    unit = "kWh/1000 requests" if per_1000 else "kWh"
    if ledgers.remote[j]:
        return Estimate.none("the provider does not publish it", unit=unit)
    kwh = ledgers.energy_kwh[:, j]
    return spread(kwh / (ledgers.requests / 1000) if per_1000 else kwh, unit)


def drivers_of(ledgers: Ledgers, columns: Mapping[str, Floats]) -> dict[str, Estimate]:
    """Rank correlation of every uncertain input with the gap between the two cheapest.

    The gap is total of the second minus total of the first (by median), so a positive
    correlation means: the higher the input, the better for the cheapest. Sorted by size. Of more worlds
    than `MOST_RANKED` the first, which are a fair sample.
    Source: Spearman 1904; interval by Fisher's z.
    """
    if len(ledgers.candidates) < 2:
        return {}
    from scipy.stats import rankdata

    first, second = np.argsort(np.median(ledgers.total, axis=0), kind="stable")[:2]
    total = ledgers.total[:MOST_RANKED]
    gap = total[:, second] - total[:, first]
    if np.ptp(gap) <= TIE * max(float(np.abs(total[:, first]).max()), 1.0):
        return {}
    held = {name: column[:MOST_RANKED] for name, column in columns.items()}
    for j in (first, second):
        held[f"accuracy.{ledgers.candidates[j]}"] = ledgers.right[:MOST_RANKED, j]
    moving = {name: column for name, column in held.items() if np.ptp(column) > 0}
    ranks = rankdata(gap)
    found = {name: _rank_correlation(ranks, rankdata(column)) for name, column in moving.items()}
    return dict(sorted(found.items(), key=lambda item: -abs(item[1].value or 0.0)))


def _rank_correlation(ranks: Floats, others: Floats) -> Estimate:
    rho = float(np.corrcoef(ranks, others)[0, 1])
    inner = float(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    reach = 1.959963984540054 / np.sqrt(max(ranks.shape[0] - 3, 1))
    return Estimate(
        value=inner,
        low=float(np.tanh(np.arctanh(inner) - reach)),
        high=float(np.tanh(np.arctanh(inner) + reach)),
        level=0.95,
        unit="rank correlation",
        method="Spearman, with the gap between the two cheapest",
        n=ranks.shape[0],
        kind="assumed",
    )
