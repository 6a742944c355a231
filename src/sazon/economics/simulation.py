"""What every option costs in every simulated world, its errors included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.outlook import BreakEven
from sazon.core.rng import integer
from sazon.core.types import Costs, Estimate, Floats, Outlook, QualityDraws, Waiting
from sazon.economics.break_even import MOST_WORLDS as BROKEN_WORLDS
from sazon.economics.break_even import breaks_of, usual_demand
from sazon.economics.carbon import carbon_of
from sazon.economics.cashflow import Flows, Market, draw_market, flows_of, load_of
from sazon.economics.config import EconomicsConfig
from sazon.economics.later import MOST_WORLDS, Later, dependence_of, later_of, waiting_of
from sazon.economics.options import Option
from sazon.economics.risk import Hazards, draw_hazards
from sazon.economics.summary import Ledgers, drivers_of, summarise
from sazon.economics.unknowns import dominated_by, influences_of, unknowns_of
from sazon.economics.worlds import Block, Worlds

WEIGHTED = "weighted_error"
BLOCK = 20_000
"""Worlds held in memory month by month; the rest only as totals."""
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
    blocks = [
        _simulate_block(config, held, quality.candidates, wrong, hazards, worlds.block(start, start + BLOCK))
        for start in range(0, worlds.count, BLOCK)
    ]
    worlds.check_names()
    level = worlds.draw("demand.requests_per_day", config.demand.requests_per_day, unit="requests/day")
    ledgers = _gather([b.ledgers for b in blocks], right=right, level=level)
    later = _later(config, held, quality.candidates, wrong, hazards, worlds)
    parts = {"fixed": ledgers.fixed, "use": ledgers.bare - ledgers.fixed, "errors": ledgers.errors}
    all_wrong = np.concatenate([b.all_wrong for b in blocks])
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
        # Worlds are in random order: the first block is a fair sample of all.
        timeline=dict(zip(quality.candidates, blocks[0].fans, strict=True)),
        drivers=drivers_of(ledgers, worlds.columns),
        inputs=inputs,
        parts={**parts, "all_wrong": np.repeat(all_wrong[:, None], len(quality.candidates), axis=1)},
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


@dataclass(frozen=True, kw_only=True)
class _Simulated:
    """One block of worlds."""

    ledgers: Ledgers
    all_wrong: Floats
    """Shape (worlds,): discounted cost of errors if every answer were wrong."""
    fans: tuple[Fan, ...]
    """Per candidate; empty beyond the first block."""


def _simulate_block(
    config: EconomicsConfig,
    held: dict[str, Option],
    names: Sequence[str],
    wrong: Floats,
    hazards: Hazards,
    worlds: Block,
) -> _Simulated:
    market = draw_market(config, worlds, hazards)
    calm = market.without_events()
    requests_today = (market.requests * market.end).sum(axis=1)
    all_wrong = requests_today * market.error_cost
    shape = (worlds.count, len(names))
    columns = {
        n: np.zeros(shape) for n in ("bare", "fixed", "investment", "residual", "energy_kwh", "events")
    }
    errors = wrong[worlds.rows] * all_wrong[:, None]
    remote, fans = [], []
    for j, name in enumerate(names):
        load = load_of(held[name], held, worlds)
        flows = flows_of(load, config, market, worlds)
        columns["bare"][:, j] = _total(flows, market)
        columns["fixed"][:, j] = _total(flows_of(load, config, market.without_demand(), worlds), market)
        if market.strikes:
            columns["events"][:, j] = columns["bare"][:, j] - _total(
                flows_of(load, config, calm, worlds), calm
            )
        columns["investment"][:, j] = flows.bought[:, 0]
        columns["residual"][:, j] = flows.residual_today(market)
        columns["energy_kwh"][:, j] = flows.energy_kwh
        remote.append(any(o.place == "api" for o, _ in load.remote))
        if worlds.rows.start == 0:
            fans.append(_fan(flows, market, wrong[worlds.rows, j]))
    ledgers = Ledgers(
        candidates=tuple(names),
        currency=config.currency,
        total=columns["bare"] + errors,
        errors=errors,
        remote=tuple(remote),
        requests_today=requests_today,
        requests=market.requests.sum(axis=1),
        right=np.empty(0),  # set when all blocks are gathered
        level=np.empty(0),
        **columns,
    )
    return _Simulated(ledgers=ledgers, all_wrong=all_wrong, fans=tuple(fans))


def _gather(blocks: Sequence[Ledgers], *, right: Floats, level: Floats) -> Ledgers:
    """All worlds' ledgers out of their blocks'."""
    first = blocks[0]
    held = {f.name: getattr(first, f.name) for f in fields(Ledgers)}
    for name, value in held.items():
        if isinstance(value, np.ndarray):
            held[name] = np.concatenate([getattr(block, name) for block in blocks])
    return Ledgers(**{**held, "right": right, "level": level})


def _total(flows: Flows, market: Market) -> Floats:
    return np.asarray(flows.discounted(market).sum(axis=1) - flows.residual_today(market))


def _fan(flows: Flows, market: Market, wrong: Floats) -> Fan:
    """P10, P50 and P90 of the discounted cost so far, errors included, month by month."""
    errors = market.requests * market.end * (wrong * market.error_cost)[:, None]
    path = np.cumsum(flows.discounted(market) + errors, axis=1)
    path[:, -1] -= flows.residual_today(market)
    low, middle, high = np.quantile(path, [0.1, 0.5, 0.9], axis=0)
    return tuple((float(a), float(b), float(c)) for a, b, c in zip(low, middle, high, strict=True))


def _as_of(options: Sequence[Option], worlds: Worlds) -> str:
    """The oldest date among the prices used: the whole is only as fresh as that."""
    quoted = [o.price.as_of for o in options if o.price is not None]
    listed = [str(r["date"]) for r in worlds.rows if r["date"]]
    return min(quoted + listed, default="")
