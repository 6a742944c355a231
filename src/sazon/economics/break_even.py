"""Where one option begins to cost less than another: at which demand, how full, in which month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sazon.core.outlook import BreakEven, Crossing
from sazon.core.types import Estimate, Floats
from sazon.economics.cashflow import Load, flows_of, load_of, replica_of
from sazon.economics.config import EconomicsConfig, StaffHours
from sazon.economics.market import DAYS_PER_MONTH, SECONDS_PER_DAY, Market
from sazon.economics.options import Option
from sazon.economics.ranges import Range
from sazon.economics.summary import Ledgers, spread
from sazon.economics.worlds import Block
from sazon.stats.proportions import proportion

Flags = npt.NDArray[np.bool_]
FACTORS = np.array([0.0, 0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0])
"""Times the demand of each world at which options are priced."""
MOST_WORLDS = 2000
"""Worlds are in random order: the first are a fair sample."""
MACHINES = "machines"
"""A technique that takes nobody's time: what is left are the machines."""


def breaks_of(
    config: EconomicsConfig,
    held: Mapping[str, Option],
    ledgers: Ledgers,
    wrong: Floats,
    market: Market,
    worlds: Block,
) -> tuple[BreakEven, ...]:
    """For every option, where it costs as much as the cheapest other one (by median).

    Args:
        config: horizon and prices.
        held: all options by name.
        ledgers: money of all options in all worlds.
        wrong: shape (worlds of the block, options), share of wrong answers.
        market: of the block.
        worlds: the block, the first of all worlds.

    Returns:
        One for each option; nothing where there is only one.
    """
    names = ledgers.candidates
    if len(names) < 2:
        return ()
    loads = [load_of(held[name], held, worlds) for name in names]
    totals = _totals(loads, config, wrong, market, worlds)
    so_far = [flows_of(v, config, market, worlds).so_far(market, wrong[:, j]) for j, v in enumerate(loads)]
    middle, found = np.median(ledgers.total, axis=0), []
    for j, name in enumerate(names):
        other = min((i for i in range(len(names)) if i != j), key=middle.__getitem__)
        factor, below = crossing_factor(totals[:, j] - totals[:, other])
        level = factor * ledgers.level[worlds.rows]
        found.append(
            BreakEven(
                name=name,
                against=names[other],
                demand=_crossing(level, "requests/day"),
                above=_share(~below[np.isfinite(level)]),
                utilisation=_utilisation(held[name], config, held, ledgers, (j, other), market, worlds),
                month=_crossing(first_month_for_good(so_far[j] - so_far[other]), "month"),
            )
        )
    return tuple(found)


def usual_demand(found: BreakEven) -> Estimate:
    """The demand of a break-even where most futures have one."""
    nowhere, unit = found.demand.nowhere.value or 0.0, "requests/day"
    if nowhere > 0.5:
        return Estimate.none(
            f"in {100 * nowhere:.0f} % of worlds no demand makes it cost the same as {found.against}",
            unit=unit,
        )
    words = (
        f"; against {found.against}; cheaper above it in {100 * (found.above.value or 0.0):.0f} % of these"
    )
    return replace(found.demand.at, method=found.demand.at.method + words)


def crossing_factor(gap: Floats) -> tuple[Floats, Flags]:
    """How many times its demand each world must have for two options to cost the same.

    Args:
        gap: shape (worlds, FACTORS), the cost of one less that of the other at each of `FACTORS` times the
            demand. Between them it is taken as a line.

    Returns:
        Shape (worlds,): the crossing nearest to 1, infinite where there is none; whether the gap is below 0
        under it.
    """
    left, right = gap[:, :-1], gap[:, 1:]
    # Options that cost the same while nobody asks do not cross there.
    crosses = ((left < 0) != (right < 0)) & (left != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(crosses, left / (left - right), np.nan)
        at = FACTORS[:-1] + share * np.diff(FACTORS)
        far = np.where(crosses, np.abs(np.log(at)), np.inf)
    rows, nearest = np.arange(len(gap)), np.argmin(far, axis=1)
    factor = np.where(crosses.any(axis=1), at[rows, nearest], np.inf)
    return factor, left[rows, nearest] < 0


def first_month_for_good(gap: Floats) -> Floats:
    """First month from whose end on a running gap is never above 0 again; infinite where there is none.

    Args:
        gap: shape (worlds, months), cumulative cost less that of the other.
    """
    above = gap > 0
    last = gap.shape[1] - np.argmax(above[:, ::-1], axis=1)
    month = np.where(above.any(axis=1), last + 1.0, 1.0)
    return np.where(month > gap.shape[1], np.inf, month)


def _totals(
    loads: Sequence[Load], config: EconomicsConfig, wrong: Floats, market: Market, worlds: Block
) -> Floats:
    """Cost of every option at each of `FACTORS` times the demand, shape (worlds, options, FACTORS)."""
    found = np.empty((*wrong.shape, len(FACTORS)))
    for k, factor in enumerate(FACTORS):
        then = market.times(factor)
        all_wrong = then.error_cost * then.asked.today
        for j, load in enumerate(loads):
            found[:, j, k] = flows_of(load, config, then, worlds).total + wrong[:, j] * all_wrong
    return found


# -------------------------------------------------------------------- utilisation


def _utilisation(
    option: Option,
    config: EconomicsConfig,
    held: Mapping[str, Option],
    ledgers: Ledgers,
    pair: tuple[int, int],
    market: Market,
    worlds: Block,
) -> Crossing:
    """How full a machine must be for a request on it to cost what one of the other option costs.

    u = cost of one machine / (requests it could answer · saving a request), discounted, without staff; the
    saving is what a request of the other costs, errors included, less this one's errors. Nowhere: above 1.
    """
    if option.place not in ("host", "local"):
        why = "it has no machines of its own" if option.place == "api" else "it shares its work with others"
        return Crossing(at=Estimate.none(why, unit="share"), nowhere=Estimate.none(why, unit="share"))
    rows, (j, other) = worlds.rows, pair
    use = ledgers.bare[rows, other] - ledgers.fixed[rows, other]
    saved = (use + ledgers.errors[rows, other] - ledgers.errors[rows, j]) / ledgers.requests_today[rows]
    seconds = DAYS_PER_MONTH * SECONDS_PER_DAY * market.end.sum(axis=1)
    full = requests_per_s(option, config, held, worlds) * seconds
    single = config.model_copy(update={"hardware": config.hardware.model_copy(update={"spares": 0})})
    machine = machines_cost(option, single, held, market.times(0).without_events(), worlds)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = machine / (full * saved)
    return _crossing(np.where((saved > 0) & (share <= 1), share, np.inf), "share")


def requests_per_s(
    option: Option, config: EconomicsConfig, held: Mapping[str, Option], worlds: Block
) -> Floats:
    """What one replica or one small server answers when it is never idle, shape (worlds,)."""
    if option.place == "local":
        return np.asarray(1 / load_of(option, held, worlds).seconds)
    return replica_of(option, config, worlds)[1]


def machines_cost(
    option: Option, config: EconomicsConfig, held: Mapping[str, Option], market: Market, worlds: Block
) -> Floats:
    """Discounted cost of an option's machines, power and spares included, staff not; shape (worlds,)."""
    nobody = StaffHours(setup=Range(value=0.0), monthly=Range(value=0.0), retrained=False)
    alone = config.model_copy(update={"staff_hours": {MACHINES: nobody}})
    bare = replace(option, technique=MACHINES, setup_hours=None, monthly_hours=None, training_seconds=0.0)
    load = load_of(bare, {**held, option.name: bare}, worlds)
    return flows_of(load, alone, market, worlds).total


# ---------------------------------------------------------------------- estimates


def _crossing(values: Floats, unit: str) -> Crossing:
    """Quantiles over the worlds in which it is finite, and the share of the others."""
    exists = np.isfinite(values)
    if not exists.any():
        return Crossing(at=Estimate.none("in no simulated future", unit=unit), nowhere=_share(~exists))
    also = f", of {len(values):,}: elsewhere there is none"
    return Crossing(at=spread(values[exists], unit, also=also), nowhere=_share(~exists))


def _share(flags: Flags) -> Estimate:
    if not len(flags):
        return Estimate.none("in no simulated future", unit="share")
    return proportion(int(flags.sum()), len(flags), method="jeffreys", unit="share", kind="assumed")
