"""Several tasks on the same machines: what it saves, who pays which part, and whether choices change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Costs, Estimate, Floats
from sazon.economics.break_even import machines_cost, requests_per_s
from sazon.economics.cashflow import flows_of, load_of
from sazon.economics.config import EconomicsConfig
from sazon.economics.market import Market, draw_market
from sazon.economics.options import Option
from sazon.economics.risk import draw_hazards
from sazon.economics.summary import cheapest_shares, spread
from sazon.economics.worlds import Block, Worlds
from sazon.stats.proportions import proportion

MOST_WORLDS = 2000
MOST_COMBINATIONS = 2000
ALIKE = (
    "currency", "months", "worlds", "country", "staff_rate_per_hour", "electricity_price_per_kwh", "pue",
    "discount_rate_per_year", "usd_per_eur", "capacity_error", "hardware",
)  # fmt: skip
"""What must be the same in all tasks, as machines are bought, powered and looked after once."""

Place = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One finished run, as far as sharing needs it."""

    name: str
    config: EconomicsConfig
    options: Mapping[str, Option]
    costs: Costs
    choices: tuple[str, ...]
    """Candidates that may be chosen."""
    seed: int
    """Of its worlds."""


@dataclass(frozen=True, kw_only=True)
class SharedTask:
    """One task's choice and cost, alone and together."""

    name: str
    choice_alone: str
    choice_together: str
    alone: Estimate
    together: Estimate
    """What is shared divided by use of the machines."""
    shares_with: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """All tasks."""

    currency: str
    months: int
    tasks: tuple[SharedTask, ...]
    alone: Estimate
    together: Estimate
    saved: Estimate
    p_best: Estimate
    """Share of futures in which this combination costs least of all."""


@dataclass(frozen=True, kw_only=True)
class _Use:
    """One option of one task on machines that others can use too."""

    place: Place
    option: Option
    busy: Floats
    """Shape (worlds, months): machines kept busy in the busiest minute."""
    capacity: Floats
    """Shape (worlds,): requests a second of one machine."""
    machines: Floats
    """Shape (worlds,): their discounted cost alone, spares included."""
    staff: Floats
    """Shape (worlds,): set-up and monthly hours that are spent once, however many tasks share."""


@dataclass(frozen=True, kw_only=True)
class _Ground:
    task: Task
    market: Market
    worlds: Block
    totals: Floats
    """Shape (worlds, choices)."""
    uses: Mapping[str, _Use]


def share(tasks: Sequence[Task]) -> Sharing:
    """Find the cheapest combination of choices where options on the same machines share them.

    Shared: small servers among all models that run on them, and the replicas of one hosted model on one
    kind of GPU of one tenure. Machines are sized for the sum of the peaks (as if they came at once), the
    spares counted once; the staff hours of a hosted model count once, at the most any of its tasks needs.
    Not shared: the hours of models that are trained for a task, providers' bills, members of cascades and
    panels, and errors. All tasks are in the same futures: what they have in common is drawn once, and
    their demands rise and fall together.

    Args:
        tasks: two or more, each of one finished run.

    Raises:
        RecipeError: their economics cannot be put together.
    """
    _check(tasks)
    grounds = [_ground(task) for task in tasks]
    combinations = list(product(*(range(len(t.choices)) for t in tasks)))
    saved: dict[tuple[tuple[int, str], ...], Floats] = {}

    def saving(combination: Sequence[int]) -> Floats:
        whole = np.zeros(grounds[0].worlds.count)
        for group in _groups(grounds, combination):
            key = tuple((t, use.option.name) for t, use in group)
            if key not in saved:
                machines, staff = _joint(grounds, group)
                alone = sum((u.machines + u.staff for _, u in group), start=np.zeros_like(machines))
                saved[key] = alone - machines - staff
            whole = whole + saved[key]
        return whole

    totals = np.stack(
        [
            sum(g.totals[:, i] for g, i in zip(grounds, combination, strict=True)) - saving(combination)
            for combination in combinations
        ],
        axis=1,
    )
    shares = cheapest_shares(totals).mean(axis=0)
    best = int(np.argmax(shares))
    first = [int(np.argmax(cheapest_shares(g.totals).mean(axis=0))) for g in grounds]
    alone = np.asarray(sum(g.totals[:, i] for g, i in zip(grounds, first, strict=True)))
    return Sharing(
        currency=tasks[0].config.currency,
        months=tasks[0].config.months,
        tasks=tuple(_told(grounds, t, first[t], combinations[best]) for t in range(len(tasks))),
        alone=spread(alone, tasks[0].config.currency),
        together=spread(totals[:, best], tasks[0].config.currency),
        saved=spread(alone - totals[:, best], tasks[0].config.currency),
        p_best=proportion(
            round(float(shares[best] * len(totals))), len(totals), method="jeffreys", kind="assumed"
        ),
    )


def _check(tasks: Sequence[Task]) -> None:
    if len(tasks) < 2:
        raise RecipeError("one task has nobody to share with", mend="Name two runs or more.")
    first = tasks[0]
    for task in tasks[1:]:
        for name in ALIKE:
            if getattr(task.config, name) != getattr(first.config, name):
                raise RecipeError(
                    f"economics.{name} of {task.name!r} is not that of {first.name!r}",
                    mend=f"Machines are paid for once: run one again with --set economics.{name}=…",
                )
        if task.seed != first.seed:
            raise RecipeError(
                f"{task.name!r} has another seed than {first.name!r}, so their futures are not the same",
                mend=f"Run it again with the same seed, e.g. --set seed={0}.",
            )
    for task in tasks:
        if not task.choices:
            raise RecipeError(f"no candidate of {task.name!r} passes its gates", mend="Leave it out.")
    if prod(len(t.choices) for t in tasks) > MOST_COMBINATIONS:
        raise RecipeError("too many combinations to try", mend="Name fewer runs.")


def _ground(task: Task) -> _Ground:
    config, options = task.config, task.options
    worlds = Worlds(config.worlds, seed=task.seed, correlations=config.correlations)
    providers = sorted({o.stands_on for o in options.values() if o.place == "api"})
    hazards = draw_hazards(config.risks, providers, worlds, months=config.months, currency=config.currency)
    block = worlds.block(0, MOST_WORLDS)
    market = draw_market(config, block, hazards).without_events()
    columns = [task.costs.candidates.index(name) for name in task.choices]
    uses = {
        name: use
        for name in task.choices
        if (use := _use(options[name], config, options, market, block)) is not None
    }
    totals = task.costs.values[: block.count, columns]
    return _Ground(task=task, market=market, worlds=block, totals=totals, uses=uses)


def _use(
    option: Option, config: EconomicsConfig, held: Mapping[str, Option], market: Market, worlds: Block
) -> _Use | None:
    """What an option uses that others could use too; None where it has nothing of the kind."""
    if option.place not in ("local", "host"):
        return None
    hosted = option.place == "host"
    capacity = requests_per_s(option, config, held, worlds)
    machines = machines_cost(option, config, held, market, worlds)
    staff = np.zeros(worlds.count)
    if hosted:
        staff = flows_of(load_of(option, held, worlds), config, market, worlds).total - machines
    return _Use(
        place=(option.model, option.gpu, option.tenure) if hosted else ("server",),
        option=option,
        busy=market.requests * (market.peak_per_request / capacity)[:, None],
        capacity=capacity,
        machines=machines,
        staff=staff,
    )


def _groups(grounds: Sequence[_Ground], combination: Sequence[int]) -> list[list[tuple[int, _Use]]]:
    """Tasks of a combination that stand on the same machines."""
    found: dict[Place, list[tuple[int, _Use]]] = {}
    for t, (ground, i) in enumerate(zip(grounds, combination, strict=True)):
        use = ground.uses.get(ground.task.choices[i])
        if use is not None:
            found.setdefault(use.place, []).append((t, use))
    return [group for group in found.values() if len(group) > 1]


def _joint(grounds: Sequence[_Ground], group: Sequence[tuple[int, _Use]]) -> tuple[Floats, Floats]:
    """Discounted cost of the machines of all, and of the staff hours spent once; shape (worlds,) each."""
    t, first = group[0]
    ground = grounds[t]
    busy = sum((use.busy for _, use in group), start=np.zeros_like(first.busy))
    # As many requests of the first kind as keep as many machines busy.
    requests = busy * (first.capacity / ground.market.peak_per_request)[:, None]
    market = replace(ground.market, requests=requests)
    machines = machines_cost(first.option, ground.task.config, ground.task.options, market, ground.worlds)
    return machines, np.max([use.staff for _, use in group], axis=0)


def _told(grounds: Sequence[_Ground], t: int, alone: int, combination: Sequence[int]) -> SharedTask:
    """One task alone and in the best combination, what is shared divided by use."""
    ground, chosen = grounds[t], combination[t]
    money, total = ground.task.config.currency, ground.totals[:, chosen]
    others: tuple[str, ...] = ()
    for group in _groups(grounds, combination):
        mine = [use for s, use in group if s == t]
        if mine:
            machines, staff = _joint(grounds, group)
            busy = sum((use.busy.sum(axis=1) for _, use in group), start=np.zeros(len(total)))
            part = mine[0].busy.sum(axis=1) / busy
            total = total - mine[0].machines - mine[0].staff + part * (machines + staff)
            others = tuple(grounds[s].task.name for s, _ in group if s != t)
    return SharedTask(
        name=ground.task.name,
        choice_alone=ground.task.choices[alone],
        choice_together=ground.task.choices[chosen],
        alone=spread(ground.totals[:, alone], money),
        together=spread(total, money),
        shares_with=others,
    )
