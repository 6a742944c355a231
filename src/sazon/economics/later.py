"""What each option costs from a later month on: the ground of waiting, moving and leaving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sazon.core.types import Estimate, Floats, Waiting
from sazon.economics.cashflow import Flows, flows_of, load_of
from sazon.economics.config import EconomicsConfig
from sazon.economics.market import DAYS_PER_MONTH, Market
from sazon.economics.options import EVERYBODY, OWN, Option
from sazon.economics.worlds import Block
from sazon.stats.optimal_stopping import Whole, fit_rule, fit_threshold, gain_at

MOST_DATES = 12
MOST_WORLDS = 4000
"""Worlds are in random order: the first are a fair sample."""
PATIENCE = 2
"""Months in a row that demand must be past a level."""


@dataclass(frozen=True, kw_only=True)
class Later:
    """Money of all options in today's worth, errors included; shape (worlds, options, dates) each."""

    names: tuple[str, ...]
    currency: str
    dates: Whole
    """Months at whose start one may move; the first is 0."""
    since: Floats
    """Cost from the date on of an option that is taken up then, its set-up and purchases included."""
    ahead: Floats
    """Cost from the date on of an option that runs since the first month."""
    setup: Floats
    """Set-up and purchases at the date."""
    requests_per_day: Floats
    """Shape (worlds, months)."""
    parties: tuple[Mapping[str, float], ...]
    """Option → whom it pays over the horizon → expected amount."""
    places: tuple[frozenset[str], ...]
    """Whom each option needs outside: providers, rented machines."""


def later_of(
    config: EconomicsConfig,
    held: Mapping[str, Option],
    names: Sequence[str],
    wrong: Floats,
    market: Market,
    worlds: Block,
) -> Later:
    """Cost every option as if it were taken up at each of some dates, in the same worlds.

    Args:
        config: horizon and prices.
        held: all options by name.
        names: those to cost.
        wrong: shape (worlds, options), share of wrong answers in these worlds.
        market: of these worlds.
        worlds: the block of worlds.
    """
    dates = dates_of(config.months)
    shape = (worlds.count, len(names), len(dates))
    since, ahead, setup = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    parties = []
    loads = [load_of(held[name], held, worlds) for name in names]
    for d, date in enumerate(dates):
        then = market.since(int(date))
        rest = config.model_copy(update={"months": config.months - int(date)})
        for j, load in enumerate(loads):
            flows = flows_of(load, rest, then, worlds)
            since[:, j, d] = flows.total + wrong[:, j] * then.error_cost * then.asked.today
            setup[:, j, d] = flows.investment
            if date == 0:
                before = flows.so_far(then, wrong[:, j])
                ahead[:, j, 0] = since[:, j, 0]
                ahead[:, j, 1:] = since[:, j, [0]] - before[:, dates[1:] - 1]
                parties.append(_paid(flows))
    return Later(
        names=tuple(names),
        currency=config.currency,
        dates=dates,
        since=since,
        ahead=ahead,
        setup=setup,
        requests_per_day=market.requests / DAYS_PER_MONTH,
        parties=tuple(parties),
        places=tuple(frozenset(load.places) - {EVERYBODY, OWN} for load in loads),
    )


def dates_of(months: int) -> Whole:
    """Months at whose start one may move: all of a short horizon, else denser early, when most is learnt."""
    if months <= MOST_DATES:
        return np.arange(months)
    spread = np.linspace(0, (months - 1) ** 0.5, MOST_DATES) ** 2
    return np.unique(np.round(spread).astype(np.int64))


def _paid(flows: Flows) -> dict[str, float]:
    """Expected spending by whom it goes to; what is not paid outside is the house's own."""
    outside = {party: float(amount.mean()) for party, amount in flows.paid_outside().items()}
    whole = float((flows.total + flows.residual).mean())
    return {OWN: max(whole - sum(outside.values()), 0.0), **outside}


# ------------------------------------------------------------------------ waiting


def waiting_of(later: Later, start: str, others: Sequence[str]) -> Waiting | None:
    """Begin with one option and move to the best of others when it pays, or never.

    The rule is fitted on every second world and valued on the rest, against the better of the two for
    good (chosen on the fitted half as well), so that it is not flattered. It sees demand so far, not the
    future nor prices that only time would tell.

    Args:
        later: costs by date.
        start: the option to begin with.
        others: options to move to.

    Returns:
        None where there is nowhere to move.
    """
    found = [_waiting(later, start, then) for then in others]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _waiting(later: Later, start: str, then: str) -> tuple[float, Waiting]:
    """What the rule saves in the half it was fitted on, and its value on the other half."""
    one, other = later.names.index(start), later.names.index(then)
    gain = later.ahead[:, one] - later.since[:, other]
    fitted, rest = slice(0, None, 2), slice(1, None, 2)
    state = _seen(later)
    rule = fit_rule(gain[fitted], state[fitted], degree=2, seen=False)
    # For good: at date 0, or never.
    commit = then if gain[fitted, 0].mean() > 0 else start
    kept = gain[rest, 0] if commit == then else np.zeros(len(gain[rest]))
    own, _ = rule.follow(gain[fitted], state[fitted])
    saved, moved = rule.follow(gain[rest], state[rest])
    demand = later.requests_per_day
    simple = fit_threshold(gain[fitted], demand[fitted], later.dates, times=PATIENCE)
    chosen = simple.dates(demand[rest], later.dates) if simple else np.full(len(kept), -1)
    return float(own.mean()), Waiting(
        start=start,
        then=then,
        commit=commit,
        value=_mean(saved - kept, later.currency),
        moves=_mean((moved > 0).astype(float), "share"),
        requests_per_day=simple.level if simple else None,
        above=simple.above if simple else True,
        months=PATIENCE,
        simple_value=_mean(gain_at(gain[rest], chosen) - kept, later.currency),
    )


def _seen(later: Later) -> Floats:
    """Demand of the month before each date, its logarithm and its growth so far; nothing at the first."""
    known = later.requests_per_day
    last = known[:, later.dates[1:] - 1]
    state = np.zeros((len(known), len(later.dates), 3))
    state[:, 1:] = np.stack([last, np.log(last), np.log(last / known[:, [0]])], axis=2)
    return state


# --------------------------------------------------------------------- dependence


def dependence_of(later: Later, rng: np.random.Generator) -> dict[str, dict[str, Estimate]]:
    """How much each option hangs on others: spread of its spending, and the cost of losing a supplier.

    Args:
        later: costs by date.
        rng: draws the month at which a supplier is gone.

    Returns:
        Option → quantity → Estimate. `loss_if_gone` is the extra cost, from a month drawn at random on,
        of the cheapest option that does not need the supplier (the worst of several suppliers);
        `cost_to_leave` is the set-up and purchase of that option alone.
    """
    n, money = len(later.since), later.currency
    months = rng.integers(1, later.requests_per_day.shape[1], n)
    when = np.minimum(np.searchsorted(later.dates, months), len(later.dates) - 1)
    found = {}
    for j, name in enumerate(later.names):
        loss, leave = _without(later, j, when)
        shares = later.parties[j]
        found[name] = {
            "loss_if_gone": loss if isinstance(loss, Estimate) else _mean(loss, money),
            "cost_to_leave": leave if isinstance(leave, Estimate) else _mean(leave, money),
            "effective_suppliers": _effective(shares, n),
        }
    return found


def _without(later: Later, j: int, when: Whole) -> tuple[Floats | Estimate, Floats | Estimate]:
    places = later.places
    if not places[j]:
        nothing = Estimate.none("it needs nobody outside", unit=later.currency)
        return nothing, nothing
    rows = np.arange(len(when))
    found = []
    for party in sorted(places[j]):
        left = [i for i in range(len(later.names)) if party not in places[i]]
        if not left:
            nothing = Estimate.none("every other option needs the same supplier", unit=later.currency)
            return nothing, nothing
        best = min(left, key=lambda i: float(later.since[rows, i, when].mean()))
        loss = later.since[rows, best, when] - later.ahead[rows, j, when]
        found.append((loss, later.setup[rows, best, when]))
    return max(found, key=lambda pair: float(pair[0].mean()))


def _effective(paid: Mapping[str, float], n: int) -> Estimate:
    """Effective number of suppliers: the inverse of the Herfindahl–Hirschman index of expected spending."""
    from sazon.stats.risk_control import concentration

    if sum(paid.values()) <= 0:
        return Estimate.none("nothing is spent", n=n)
    value = 10_000 / concentration(list(paid.values()))
    return Estimate(value=value, method="10,000 / HHI of spending", n=n, kind="assumed")


def _mean(values: Floats, unit: str) -> Estimate:
    from sazon.stats.means import mean

    return replace(mean(values, unit=unit), kind="assumed")
