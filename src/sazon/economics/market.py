"""What all options share in each world: demand, prices, money, and what events do, month by month.

Purchases fall at the start of a month, everything else at its end; month 0 starts today. What is asked
for month after month is a path; what a unit of it costs in today's money is added up once for all options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sazon.core.types import Floats
from sazon.economics.config import EconomicsConfig
from sazon.economics.risk import Hazards, Strikes, demand_level, strikes_of
from sazon.economics.worlds import Block

DAYS_PER_MONTH = 365.25 / 12
HOURS_PER_MONTH = 24 * DAYS_PER_MONTH
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Path:
    """One unit of something that is paid for month by month, in today's money."""

    today: Floats
    """Shape (worlds,): all months together."""
    idle: Floats | float
    """… if nobody asked anything."""
    monthly: Callable[[], Floats]
    """Shape (worlds, months)."""
    first: Floats | float = 0.0
    """Shape (worlds,): what falls due before the first request."""


def _path(monthly: Floats, *, asked: bool) -> Path:
    """Months already in today's money; `asked`: nothing where nobody asks."""
    today = monthly.sum(axis=1)
    return Path(today=today, idle=0.0 if asked else today, monthly=lambda: monthly)


@dataclass(frozen=True, kw_only=True)
class Struck:
    """What events at one place cost, as paths."""

    money: Path
    """Losses and repairs."""
    unanswered: Path
    """Requests that nobody answers while the place is down."""
    dearer: Path
    """Requests times how far the list price lies above what it would be without events."""


@dataclass(frozen=True, kw_only=True)
class Market:
    """Demand, prices of power and people, money.

    Arrays of shape (worlds, months) lie month by month in memory, so that a sum over months and a walk
    through them go over neighbours.
    """

    requests: Floats
    """Shape (worlds, months): requests in each month."""
    peak_to_mean: Floats
    start: Floats
    """Shape (worlds, months): what money at the start of the month is worth today."""
    end: Floats
    """… and at its end."""
    staff_rate: Floats
    power_price: Floats
    """Shape (worlds,): one kWh at the machine, building's overhead included."""
    token_drift: Floats
    """Shape (worlds, months): a list price relative to today's."""
    error_cost: Floats
    strikes: Mapping[str, Strikes] = field(default_factory=dict)
    """Place → what events do to all who stand there."""

    @property
    def months(self) -> int:
        """Horizon."""
        return int(self.requests.shape[1])

    @cached_property
    def setup(self) -> Path:
        """Once, before the first request."""
        once = self.start[:, 0]

        def monthly() -> Floats:
            path = np.zeros_like(self.start)
            path[:, 0] = once
            return path

        return Path(today=once, idle=once, first=once, monthly=monthly)

    @cached_property
    def standing(self) -> Path:
        """The same every month, whoever asks."""
        return _path(self.end, asked=False)

    @cached_property
    def asked(self) -> Path:
        """Each request."""
        return _path(self.requests * self.end, asked=True)

    @cached_property
    def billed(self) -> Path:
        """Each request at a list price that drifts, events apart."""
        return _path(self.asked.monthly() * self.token_drift, asked=True)

    @cached_property
    def struck(self) -> Mapping[str, Struck]:
        """Place → what events there cost."""
        return {
            place: Struck(
                money=_path(strikes.money * self.end, asked=False),
                unanswered=_path(
                    self.asked.monthly() * np.minimum(strikes.outage_hours / HOURS_PER_MONTH, 1.0), asked=True
                ),
                dearer=_path(self.billed.monthly() * (strikes.price_level - 1), asked=True),
            )
            for place, strikes in self.strikes.items()
        }

    @cached_property
    def extremes(self) -> tuple[Floats, Floats]:
        """Requests in the quietest and in the busiest month, shape (worlds,) each."""
        return self.requests.min(axis=1), self.requests.max(axis=1)

    @cached_property
    def peak_per_request(self) -> Floats:
        """Requests per second in the busiest minute, over those of the month; shape (worlds,)."""
        return self.peak_to_mean / (DAYS_PER_MONTH * SECONDS_PER_DAY)

    def times(self, factor: float) -> Market:
        """The same world with so many times its demand."""
        return replace(self, requests=self.requests * factor)

    def without_events(self) -> Market:
        """The same demand, with nothing else that strikes."""
        return replace(self, strikes={})

    def since(self, month: int) -> Market:
        """The same world from a month on, money still in today's worth."""
        paths = ("requests", "start", "end", "token_drift")
        cut = {name: getattr(self, name)[:, month:] for name in paths}
        return replace(self, **cut, strikes={p: s.since(month) for p, s in self.strikes.items()})


def draw_market(config: EconomicsConfig, worlds: Block, hazards: Hazards | None = None) -> Market:
    """Demand paths, prices, discount factors and events, drawn jointly for all options."""
    hazards = hazards or {}
    months, money, demand = config.months, config.currency, config.demand
    shape = (worlds.count, months)
    level = worlds.draw("demand.requests_per_day", demand.requests_per_day, unit="requests/day")
    growth = worlds.draw("demand.growth_per_year", demand.growth_per_year, unit="1/year")
    rate = worlds.draw("discount_rate_per_year", config.discount_rate_per_year, unit="1/year")
    drift = worlds.draw("price_change_per_year", config.price_change_per_year, unit="1/year")
    power = worlds.draw("electricity_price_per_kwh", config.electricity_price(), unit=f"{money}/kWh")
    staff_rate = worlds.draw("staff_rate_per_hour", config.staff_rate(), unit=f"{money}/hour")
    requests = _middle_of_months(level * DAYS_PER_MONTH, growth, months)
    changes = demand_level(hazards, worlds.rows, shape)
    worth = _monthly(np.ones(worlds.count), (1 + rate) ** (-1 / 12), months + 1)
    return Market(
        requests=requests if changes is None else requests * changes,
        peak_to_mean=worlds.draw("demand.peak_to_mean", demand.peak_to_mean, unit="ratio"),
        start=worth[:, :-1],
        end=worth[:, 1:],
        staff_rate=staff_rate,
        power_price=power * worlds.draw("pue", config.pue, unit="ratio"),
        token_drift=_middle_of_months(np.ones(worlds.count), drift, months),
        error_cost=worlds.draw("value_of_error", config.value_of_error, unit=f"{money}/error"),
        strikes=strikes_of(hazards, worlds.rows, staff_rate=staff_rate, shape=shape),
    )


def _middle_of_months(first: Floats, rate_per_year: Floats, months: int) -> Floats:
    """Something that grows by a yearly rate, in the middle of each month."""
    ratio = (1 + rate_per_year) ** (1 / 12)
    return _monthly(first * np.sqrt(ratio), ratio, months)


def _monthly(first: Floats, ratio: Floats, months: int) -> Floats:
    """`first · ratioᵐ` for each month m, shape (worlds, months); powers would take ten times as long."""
    path = np.empty((months, len(first)))
    path[0] = first
    for month in range(1, months):
        np.multiply(path[month - 1], ratio, out=path[month])
    return path.T
