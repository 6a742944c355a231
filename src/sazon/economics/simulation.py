"""What every option costs in every simulated world, its errors included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.outlook import BreakEven
from sazon.core.rng import integer
from sazon.core.types import Costs, Estimate, Floats, Outlook, QualityDraws, Waiting
from sazon.economics.break_even import MOST_WORLDS as BROKEN_WORLDS
from sazon.economics.break_even import breaks_of, usual_demand
from sazon.economics.carbon import carbon_of
from sazon.economics.cashflow import flows_of, load_of
from sazon.economics.config import EconomicsConfig
from sazon.economics.later import MOST_WORLDS, Later, dependence_of, later_of, waiting_of
from sazon.economics.market import draw_market
from sazon.economics.options import Option
from sazon.economics.risk import Hazards, draw_hazards
from sazon.economics.summary import Ledgers, drivers_of, summarise
from sazon.economics.unknowns import dominated_by, influences_of, unknowns_of
from sazon.economics.worlds import Worlds

WEIGHTED = "weighted_error"
BLOCK = 4_000
"""Worlds held month by month at once, so that they stay near the processor; of the others only totals."""
FAN_WORLDS = 20_000
"""Enough for a fan of quantiles month by month; worlds are in random order: the first are a fair sample."""
MONEY = {
    "bare": "total",
    "fixed": "fixed",
    "investment": "investment",
    "residual": "residual",
    "energy_kwh": "energy_kwh",
    "events": "events",
}
"""Column of the ledgers → attribute of an option's flows."""
Fan = tuple[tuple[float, float, float], ...]


def simulate(
    config: EconomicsConfig,
    options: Sequence[Option],
    quality: QualityDraws,
    *,
    rng: np.random.Generator,
) -> Costs:
    """Simulate the discounted cost of each option over the horizon in each world.

    Total = set-up and purchases + running costs + requests × error rate × value of an
    error − what the hardware still sells for, each month discounted to today. Worlds are
    shared by all options, and world i uses draw i of quality, so differences are paired.

    Args:
        config: horizon, demand and prices.
        options: one for each candidate of `quality`; members of cascades may be further ones.
        quality: draws, shape (worlds, candidates, metrics); with `error_costs` the errors are those of the
            metric `weighted_error` (mean cost weight of an answer's error).
        rng: stream for the worlds.

    Returns:
        Costs in `config.currency`, columns in the order of `quality.candidates`.

    Raises:
        RecipeError: an option is missing or lacks what its cost needs.
    """
    held = {option.name: option for option in options}
    missing = [c for c in quality.candidates if c not in held]
    if missing:
        raise RecipeError(f"no option for {', '.join(missing)}", where="economics")
    right = quality.of("accuracy")
    wrong = _error_rate(config, quality, right)
    worlds = Worlds(quality.values.shape[0], seed=integer(rng), correlations=config.correlations)
    hazards = draw_hazards(
        config.risks, _providers(options), worlds, months=config.months, currency=config.currency
    )
    ledgers, all_wrong = _ledgers(config, held, quality.candidates, wrong, hazards, worlds)
    worlds.check_names()
    ledgers = replace(
        ledgers,
        right=right,
        level=worlds.draw("demand.requests_per_day", config.demand.requests_per_day, unit="requests/day"),
    )
    later = _later(config, held, quality.candidates, wrong, hazards, worlds)
    parts = {"fixed": ledgers.fixed, "use": ledgers.bare - ledgers.fixed, "errors": ledgers.errors}
    outlook = _outlook(ledgers, later, held, worlds, config)
    worlds.draw("carbon_kg_per_kwh", config.carbon_intensity(), unit="kg CO2e/kWh")
    # Inputs first: looking where options cost the same draws more of what only that needs.
    inputs, drawn = worlds.rows, dict(worlds.columns)
    breaks = _breaks(config, held, ledgers, wrong, hazards, worlds)
    return Costs(
        values=ledgers.total,
        candidates=quality.candidates,
        currency=config.currency,
        months=config.months,
        prices_as_of=_as_of(options, worlds),
        summary=_summary(ledgers, later, breaks, worlds, config),
        timeline=_fans(config, held, quality.candidates, wrong, hazards, worlds),
        drivers=drivers_of(ledgers, drawn),
        inputs=inputs,
        parts={**parts, "all_wrong": np.broadcast_to(all_wrong[:, None], wrong.shape)},
        drawn=drawn,
        outlook=replace(outlook, breaks=breaks),
    )


def _later(
    config: EconomicsConfig,
    held: dict[str, Option],
    names: Sequence[str],
    wrong: Floats,
    hazards: Hazards,
    worlds: Worlds,
) -> Later | None:
    """What every option costs from later on; None where there is nothing to compare."""
    if len(names) < 2 or config.months < 2:
        return None
    block = worlds.block(0, MOST_WORLDS)
    market = draw_market(config, block, hazards)
    return later_of(config, held, names, wrong[block.rows], market, block)


def _summary(
    ledgers: Ledgers,
    later: Later | None,
    breaks: Sequence[BreakEven],
    worlds: Worlds,
    config: EconomicsConfig,
) -> dict[str, dict[str, Estimate]]:
    found = summarise(ledgers, tail=config.tail_level)
    hangs = dependence_of(later, worlds.stream("dependence")) if later else {}
    none = Estimate.none("there is no other candidate", unit="requests/day")
    even = {b.name: usual_demand(b) for b in breaks}
    level = "break_even_requests_per_day"
    carbon = carbon_of(ledgers, config, worlds)
    return {
        n: {**held, **carbon[n], level: even.get(n, none), **hangs.get(n, {})} for n, held in found.items()
    }


def _breaks(
    config: EconomicsConfig,
    held: dict[str, Option],
    ledgers: Ledgers,
    wrong: Floats,
    hazards: Hazards,
    worlds: Worlds,
) -> tuple[BreakEven, ...]:
    """Where every option costs as much as the cheapest other one."""
    block = worlds.block(0, BROKEN_WORLDS)
    market = draw_market(config, block, hazards)
    return breaks_of(config, held, ledgers, wrong[block.rows], market, block)


def _waiting(later: Later | None, held: dict[str, Option]) -> tuple[Waiting, ...]:
    """For every provider's model, whether to begin with it and move house later."""
    if later is None:
        return ()
    starts = [name for name in later.names if held[name].place == "api"]
    others = [name for name in later.names if held[name].place != "api"]
    return tuple(w for start in starts if (w := waiting_of(later, start, others)) is not None)


def _outlook(
    ledgers: Ledgers, later: Later | None, held: dict[str, Option], worlds: Worlds, config: EconomicsConfig
) -> Outlook:
    accuracies = {f"accuracy.{n}": ledgers.right[:, j] for j, n in enumerate(ledgers.candidates)}
    inputs = {**worlds.columns, **accuracies}
    rng = worlds.stream("information")
    influences, fit = influences_of(ledgers.total, inputs)
    unknowns, everything = unknowns_of(ledgers.total, inputs, influences, unit=config.currency, rng=rng)
    return Outlook(
        tail_level=config.tail_level,
        dominated=dominated_by(ledgers.total, ledgers.candidates),
        unknowns=unknowns,
        influences=influences,
        fit=fit,
        everything=everything,
        waiting=_waiting(later, held),
    )


def _providers(options: Sequence[Option]) -> list[str]:
    return sorted({option.stands_on for option in options if option.place == "api"})


def _error_rate(config: EconomicsConfig, quality: QualityDraws, right: Floats) -> Floats:
    if not config.error_costs:
        return np.asarray(1 - right)
    if WEIGHTED not in quality.metrics:
        raise RecipeError(
            "error_costs per class need the answers of every candidate",
            where="economics.error_costs",
            mend=f"Draw the metric {WEIGHTED!r}, or remove error_costs.",
        )
    return quality.of(WEIGHTED)


def _ledgers(
    config: EconomicsConfig,
    held: dict[str, Option],
    names: Sequence[str],
    wrong: Floats,
    hazards: Hazards,
    worlds: Worlds,
) -> tuple[Ledgers, Floats]:
    """Every world's money, and what errors would cost if every answer were wrong, shape (worlds,)."""
    money = {n: np.zeros(wrong.shape, order="F") for n in (*MONEY, "total", "errors")}
    shared = {n: np.zeros(worlds.count) for n in ("all_wrong", "requests_today", "requests")}
    remote = [False] * len(names)
    for start in range(0, worlds.count, BLOCK):
        block = worlds.block(start, start + BLOCK)
        rows, market = block.rows, draw_market(config, block, hazards)
        shared["requests_today"][rows] = market.asked.today
        shared["requests"][rows] = market.requests.sum(axis=1)
        shared["all_wrong"][rows] = market.asked.today * market.error_cost
        for j, name in enumerate(names):
            load = load_of(held[name], held, block)
            flows = flows_of(load, config, market, block)
            for quantity, attribute in MONEY.items():
                money[quantity][rows, j] = getattr(flows, attribute)
            money["errors"][rows, j] = wrong[rows, j] * shared["all_wrong"][rows]
            money["total"][rows, j] = money["bare"][rows, j] + money["errors"][rows, j]
            remote[j] = any(o.place == "api" for o, _ in load.remote)
    all_wrong = shared.pop("all_wrong")
    nothing = np.empty(0)  # quality and demand are set by the caller
    ledgers = Ledgers(
        candidates=tuple(names),
        currency=config.currency,
        remote=tuple(remote),
        right=nothing,
        level=nothing,
        **money,
        **shared,
    )
    return ledgers, all_wrong


def _fans(
    config: EconomicsConfig,
    held: dict[str, Option],
    names: Sequence[str],
    wrong: Floats,
    hazards: Hazards,
    worlds: Worlds,
) -> dict[str, Fan]:
    """P10, P50 and P90 of every option's discounted cost so far, errors included, month by month."""
    block = worlds.block(0, FAN_WORLDS)
    market, fans = draw_market(config, block, hazards), {}
    for j, name in enumerate(names):
        flows = flows_of(load_of(held[name], held, block), config, market, block)
        path = flows.so_far(market, wrong[block.rows, j])
        path[:, -1] -= flows.residual
        quantiles = np.quantile(path, [0.1, 0.5, 0.9], axis=0)
        fans[name] = tuple((float(a), float(b), float(c)) for a, b, c in quantiles.T)
    return fans


def _as_of(options: Sequence[Option], worlds: Worlds) -> str:
    """The oldest date among the prices used: the whole is only as fresh as that."""
    quoted = [o.price.as_of for o in options if o.price is not None]
    listed = [str(r["date"]) for r in worlds.rows if r["date"]]
    return min(quoted + listed, default="")
