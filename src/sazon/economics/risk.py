"""Events that may strike: how often, how hard, and whom they hit together.

Frequency × severity: events of a risk come at random with a yearly rate that is itself uncertain
(Poisson given the rate), each with a size of its own. A risk strikes places (a provider, rented
machines, one's own, or everybody at once); all options that stand on a place are struck in the same
worlds and months. Source: The Open Group 2020, Risk Analysis (O-RA) 2.0, known as FAIR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from sazon.core.config import Config, refuse
from sazon.core.errors import RecipeError
from sazon.core.types import Floats
from sazon.economics import catalogue
from sazon.economics.options import EVERYBODY, OWN, RENTED
from sazon.economics.ranges import Range
from sazon.economics.worlds import Worlds, row_of

PROVIDERS = "providers"
GROUPS = (EVERYBODY, PROVIDERS, RENTED, OWN)
MOST_PER_YEAR = 366.0
CONSEQUENCES = ("loss", "staff_hours", "outage_hours", "price_factor", "demand_factor")
Whole = npt.NDArray[np.int64]


class Risk(Config):
    """One kind of event: how often, whom it hits, and what one such event does."""

    per_year: Range | None = None
    """Events a year at each place hit; default: published, for `deprecation` and `hardware_failure`."""
    hits: list[str] = Field(min_length=1)
    """`providers` (each has events of its own), `rented` (GPUs), `own` (machines), `everybody`, or the
    name of a provider."""
    loss: Range | None = None
    """Money lost by one event, in the recipe's currency."""
    staff_hours: Range | None = None
    """Hours of staff one event takes (moving to another model, repairs)."""
    outage_hours: Range | None = None
    """Hours without answers; every request of these hours counts as one more error."""
    price_factor: Range | None = None
    """From the event on, the provider's list price is so many times what it was."""
    demand_factor: Range | None = None
    """From the event on, demand is so many times what it was (0.5: it halves)."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.consequences:
            raise refuse("an event without consequences", f"Give one or more of {', '.join(CONSEQUENCES)}.")
        if self.demand_factor is not None and self.hits != [EVERYBODY]:
            raise refuse("demand is the same for all options", f"Write hits: [{EVERYBODY}].")
        if self.demand_factor is not None and self.demand_factor.at(1e-12) <= 0:
            raise refuse("without any demand there is nothing to price", "Give a demand_factor above 0.")
        if self.price_factor is not None and set(self.hits) & {RENTED, OWN, EVERYBODY}:
            raise refuse("only providers have a price list", f"Write hits: [{PROVIDERS}], or name one.")
        if self.per_year is not None and self.per_year.at(0.999) > MOST_PER_YEAR:
            raise refuse("more than one a day is no event", "Put it into the running costs.")
        return self

    @property
    def consequences(self) -> dict[str, Range]:
        """What one event does, by name."""
        held = {name: getattr(self, name) for name in CONSEQUENCES}
        return {name: amount for name, amount in held.items() if amount is not None}

    def frequency(self, name: str) -> Range:
        """Given, or published for the risk of this name.

        Raises:
            RecipeError: neither.
        """
        if self.per_year is not None:
            return self.per_year
        row = catalogue.row("risks", "risk", name, what="risk with a published frequency")
        return Range(
            p10=float(row["p10_per_year"]),
            p90=float(row["p90_per_year"]),
            source=row["source"],
            date=row["date"],
        )


@dataclass(frozen=True, kw_only=True)
class Events:
    """All events of one risk at one place, in the order of their worlds; arrays of shape (events,)."""

    world: Whole
    month: Whole
    sizes: Mapping[str, Floats]
    """Consequence → its size for each event."""

    def within(self, rows: slice) -> Events:
        """Those of some worlds, renumbered from 0."""
        first, last = np.searchsorted(self.world, [rows.start, rows.stop])
        return Events(
            world=self.world[first:last] - rows.start,
            month=self.month[first:last],
            sizes={name: size[first:last] for name, size in self.sizes.items()},
        )

    def total(self, name: str, shape: tuple[int, ...]) -> Floats:
        """Sizes of one consequence summed by world and month, shape (worlds, months)."""
        summed = _by_month(shape)
        if name in self.sizes:
            np.add.at(summed, (self.world, self.month), self.sizes[name])
        return summed

    def level(self, name: str, shape: tuple[int, ...]) -> Floats:
        """Product of all factors up to each month, the month of the event included; 1 where none."""
        factors = _by_month(shape) + 1
        if name in self.sizes:
            np.multiply.at(factors, (self.world, self.month), self.sizes[name])
        return np.asarray(np.cumprod(factors.T, axis=0).T)


def _by_month(shape: tuple[int, ...]) -> Floats:
    """Zeros of shape (worlds, months) that lie month by month in memory, as all paths do."""
    return np.zeros(shape[::-1]).T


def draw_events(
    per_year: Floats, sizes: Mapping[str, Range], *, months: int, rng: np.random.Generator
) -> Events:
    """Events of one risk at one place over the horizon.

    Given its rate, the number in a world is Poisson, their times uniform and their sizes independent
    (compound Poisson: annual mean λE[X], variance λE[X²]).

    Args:
        per_year: shape (worlds,), the rate λ in each world.
        sizes: consequence → distribution of its size for one event.
        months: horizon.
        rng: stream of this risk at this place.
    """
    counts = rng.poisson(per_year * months / 12)
    world = np.repeat(np.arange(len(per_year), dtype=np.int64), counts)
    month = rng.integers(0, months, len(world))
    inside = {name: np.clip(rng.random(len(world)), 1e-12, 1 - 1e-12) for name in sizes}
    return Events(
        world=world,
        month=month,
        sizes={name: amount.quantile(inside[name]) for name, amount in sizes.items()},
    )


Hazards = Mapping[str, Sequence[Events]]
"""Place → the events of each risk that hits it."""


def draw_hazards(
    risks: Mapping[str, Risk], providers: Sequence[str], worlds: Worlds, *, months: int, currency: str
) -> Hazards:
    """Events of all risks at all places, in all worlds.

    Args:
        risks: by name.
        providers: whom the options ask.
        worlds: rates are drawn there; events have streams of their own by risk and place.
        months: horizon.
        currency: of losses.

    Raises:
        RecipeError: a risk hits a place nobody knows, or has no frequency.
    """
    check_risks(risks, providers)
    units = {"loss": f"{currency}/event", "staff_hours": "hours", "outage_hours": "hours"}
    found: dict[str, list[Events]] = {}
    for name, risk in risks.items():
        rate = worlds.draw(f"risk_per_year.{name}", risk.frequency(name), unit="1/year")
        for consequence, amount in risk.consequences.items():
            worlds.note(row_of(f"risk_{consequence}.{name}", amount, units.get(consequence, "ratio")))
        for place in _places(risk, providers):
            rng = worlds.stream(f"risk.{name}.{place}")
            found.setdefault(place, []).append(draw_events(rate, risk.consequences, months=months, rng=rng))
    return found


def check_risks(risks: Mapping[str, Risk], providers: Sequence[str]) -> None:
    """See that every risk has a frequency and hits places that are there.

    Raises:
        RecipeError: naming the risk.
    """
    for name, risk in risks.items():
        try:
            risk.frequency(name)
            _places(risk, providers)
        except RecipeError as error:
            raise RecipeError(error.what, where=f"economics.risks.{name}", mend=error.mend) from error


def _places(risk: Risk, providers: Sequence[str]) -> list[str]:
    places: list[str] = []
    for name in risk.hits:
        if name not in (*GROUPS, *providers):
            raise catalogue.unknown("place that a risk hits", name, [*GROUPS, *providers])
        places += providers if name == PROVIDERS else [name]
    return list(dict.fromkeys(places))


@dataclass(frozen=True, kw_only=True)
class Strikes:
    """What events do at one place, month by month; shape (worlds, months) each."""

    money: Floats
    """Losses and staff."""
    outage_hours: Floats
    price_level: Floats
    """List price over what it would be without events."""

    def since(self, month: int) -> Strikes:
        """The same from a month on."""
        return Strikes(
            money=self.money[:, month:],
            outage_hours=self.outage_hours[:, month:],
            price_level=self.price_level[:, month:],
        )


def strikes_of(
    hazards: Hazards, rows: slice, *, staff_rate: Floats, shape: tuple[int, ...]
) -> dict[str, Strikes]:
    """Place → what happens there in some of the worlds.

    Args:
        hazards: in all worlds.
        rows: the worlds wanted.
        staff_rate: shape (worlds,), money an hour.
        shape: (worlds, months).
    """
    found = {}
    for place, risks in hazards.items():
        money, hours, level = _by_month(shape), _by_month(shape), _by_month(shape) + 1
        for events in (each.within(rows) for each in risks):
            if "loss" in events.sizes:
                money += events.total("loss", shape)
            if "staff_hours" in events.sizes:
                money += events.total("staff_hours", shape) * staff_rate[:, None]
            if "outage_hours" in events.sizes:
                hours += events.total("outage_hours", shape)
            if "price_factor" in events.sizes:
                level *= events.level("price_factor", shape)
        found[place] = Strikes(money=money, outage_hours=hours, price_level=level)
    return found


def demand_level(hazards: Hazards, rows: slice, shape: tuple[int, ...]) -> Floats | None:
    """Demand over what it would be without events, shape (worlds, months); None: as it would be."""
    changes = [e for e in hazards.get(EVERYBODY, ()) if "demand_factor" in e.sizes]
    if not changes:
        return None
    levels = [events.within(rows).level("demand_factor", shape) for events in changes]
    return np.asarray(np.prod(levels, axis=0))
