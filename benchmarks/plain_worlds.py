"""The cash-flow model once more, in plain Python: one world, one option and one month after the other.

Written from what the inputs mean, not from the vectorised code, with which it shares no line. It is the
yardstick of speed of `benchmarks/worlds.py`, and the oracle of `tests/economics/test_plain_worlds.py`. It
is told what was drawn and how many requests per second a replica takes; what it adds up is the money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sazon.economics import EconomicsConfig, Option

DAYS = 365.25 / 12
"""Of a month."""
HOURS = 24 * DAYS


@dataclass
class Known:
    """What is the same in all worlds."""

    config: EconomicsConfig
    options: Mapping[str, Option]
    retrained: Mapping[str, bool]
    """By technique."""
    power_w: Mapping[str, float]
    """By GPU."""
    replica_gpus: Mapping[str, int]
    """`host` option → GPUs of one replica."""


@dataclass
class Event:
    """Something that strikes a place in a month."""

    place: str
    month: int
    sizes: Mapping[str, float]


@dataclass
class Future:
    """One world: what was drawn, and what happens."""

    drawn: Mapping[str, float]
    """Every input by its name, those known for sure as well."""
    rates: Mapping[str, float]
    """`host` option → requests per second of one replica, the error of the estimate in it."""
    events: Sequence[Event] = ()


@dataclass
class Month:
    """What is the same for all options."""

    requests: float
    peak_per_s: float
    start: float
    """Worth today of money paid when the month begins."""
    end: float
    list_price: float
    """Over today's, events apart."""


@dataclass
class Bill:
    """Discounted money of one option."""

    total: float = 0.0
    """Without errors."""
    investment: float = 0.0
    residual_value: float = 0.0
    energy_kwh: float = 0.0
    asked: dict[str, float] = field(default_factory=dict)
    """Provider or GPU option → share of the requests it gets."""
    seconds: float = 0.0
    """Of a small server, a request."""
    on_servers: bool = False


@dataclass
class Loop:
    """One world, its months laid out."""

    known: Known
    world: Future
    months: list[Month]
    electricity: float
    """One kWh at the machine."""

    def bill_of(self, option: Option) -> Bill:
        """Everything an option costs but its errors."""
        bill = Bill()
        self.pay_staff(bill, option, 1.0)
        if bill.on_servers:
            self.run_servers(bill)
        for name, share in bill.asked.items():
            asked = self.known.options[name]
            if asked.kind == "api":
                self.pay_tokens(bill, asked, share)
            else:
                self.run_gpus(bill, asked, share)
        self.suffer(bill)
        return bill

    def pay_staff(self, bill: Bill, option: Option, share: float) -> None:
        """People and training of an option and its members, and where the requests go."""
        drawn, technique = self.world.drawn, option.technique or option.kind
        rate, often = drawn["staff_rate_per_hour"], drawn["retrainings_per_year"]
        setup, hours = drawn[f"staff_hours.{technique}.setup"], drawn[f"staff_hours.{technique}.monthly"]
        if self.known.retrained[technique]:
            hours += often * drawn["retraining_hours"] / 12
        trainings = 1 + often * len(self.months) / 12
        kwh = option.training_seconds / 3600 * drawn["hardware.server_power_kw"] * trainings
        bill.energy_kwh += kwh
        bill.investment += setup * rate
        bill.total += setup * rate
        monthly = hours * rate + kwh / len(self.months) * self.electricity
        for month in self.months:
            bill.total += monthly * month.end
        if option.kind in ("cascade", "panel"):
            shares = [share] * len(option.parents)
            if option.kind == "cascade":
                shares[1] *= min(drawn[f"cloud_share.{option.name}"], 1.0)
            for name, part in zip(option.parents, shares, strict=True):
                self.pay_staff(bill, self.known.options[name], part)
        elif option.kind in ("api", "host"):
            bill.asked[option.name] = bill.asked.get(option.name, 0.0) + share
        else:
            bill.seconds += share * drawn[f"seconds_per_request.{option.name}"]
            bill.on_servers = True

    def run_servers(self, bill: Bill) -> None:
        """Small servers of one's own."""
        hardware, drawn = self.known.config.hardware, self.world.drawn
        price, kw = drawn["hardware.server_price"], drawn["hardware.server_power_kw"]
        bought: dict[int, float] = {}
        for number, month in enumerate(self.months):
            busy = month.peak_per_s * bill.seconds / hardware.target_utilisation
            need = max(math.ceil(busy), 1) + hardware.spares
            self.buy(bill, bought, number, need, price, hardware.server_life_years)
            bill.energy_kwh += need * kw * HOURS
            bill.total += need * kw * HOURS * self.electricity * month.end

    def run_gpus(self, bill: Bill, option: Option, share: float) -> None:
        """GPUs, rented or bought."""
        hardware, drawn = self.known.config.hardware, self.world.drawn
        rate, group = self.world.rates[option.name], self.known.replica_gpus[option.name]
        kw = self.known.power_w[option.gpu] / 1000 * drawn["hardware.gpu_power_factor"]
        rented = option.tenure == "rent"
        price = drawn[
            f"hardware.gpu_rent_per_hour.{option.gpu}" if rented else f"hardware.gpu_price.{option.gpu}"
        ]
        bought: dict[int, float] = {}
        for number, month in enumerate(self.months):
            need = (max(math.ceil(month.peak_per_s * share / rate), 1) + hardware.spares) * group
            bill.energy_kwh += need * kw * HOURS
            if rented:
                bill.total += need * HOURS * price * month.end
            else:
                self.buy(bill, bought, number, need, price, hardware.gpu_life_years)
                bill.total += need * kw * HOURS * self.electricity * month.end
        for born, count in bought.items():
            age_years = (len(self.months) - born) / 12
            if age_years < hardware.gpu_life_years:
                kept = min(drawn["hardware.gpu_residual_share"], 1.0) ** (age_years / 3)
                sold = count * price * kept * self.months[-1].end
                bill.residual_value += sold
                bill.total -= sold

    def buy(
        self, bill: Bill, bought: dict[int, float], number: int, need: float, price: float, years: float
    ) -> None:
        """What is missing in a month; units die at the end of their life."""
        life = max(round(years * 12), 1)
        alive = sum(count for born, count in bought.items() if number - born < life)
        if need > alive:
            bought[number] = need - alive
            paid = (need - alive) * price * self.months[number].start
            bill.total += paid
            if number == 0:
                bill.investment += paid

    def pay_tokens(self, bill: Bill, option: Option, share: float) -> None:
        """What a provider charges."""
        price, drawn, currency = option.price, self.world.drawn, self.known.config.currency
        inwards, outwards = max(drawn["tokens_in"], 1.0), max(drawn["tokens_out"], 1.0)
        each = share * (inwards * price.input_per_mtok + outwards * price.output_per_mtok) / 1e6
        if price.currency != currency:
            rate = drawn["usd_per_eur"]
            each = each / rate if currency == "EUR" else each * rate
        struck = [e for e in self.world.events if e.place == option.provider and "price_factor" in e.sizes]
        level = 1.0
        for number, month in enumerate(self.months):
            for event in struck:
                if event.month == number:
                    level *= event.sizes["price_factor"]
            bill.total += month.requests * each * month.list_price * level * month.end

    def suffer(self, bill: Bill) -> None:
        """Losses, repairs, and requests that stay without an answer."""
        shares = {"everybody": 1.0} | ({"own": 1.0} if bill.on_servers else {})
        for name, share in bill.asked.items():
            option = self.known.options[name]
            place = "rented" if option.tenure == "rent" else "own"
            place = option.provider if option.kind == "api" else place
            shares[place] = min(shares.get(place, 0.0) + share, 1.0)
        drawn, down = self.world.drawn, {}
        for event in self.world.events:
            if event.place in shares:
                hours = event.sizes.get("staff_hours", 0.0)
                money = event.sizes.get("loss", 0.0) + hours * drawn["staff_rate_per_hour"]
                bill.total += money * self.months[event.month].end
                at = event.place, event.month
                down[at] = down.get(at, 0.0) + event.sizes.get("outage_hours", 0.0)
        for (place, number), hours in down.items():
            unanswered = self.months[number].requests * min(hours / HOURS, 1.0)
            bill.total += unanswered * shares[place] * drawn["value_of_error"] * self.months[number].end


def months_of(config: EconomicsConfig, world: Future) -> list[Month]:
    """Demand, prices and discounts."""
    drawn = world.drawn
    level, peak = drawn["demand.requests_per_day"] * DAYS, drawn["demand.peak_to_mean"]
    growth, drift = 1 + drawn["demand.growth_per_year"], 1 + drawn["price_change_per_year"]
    discount = 1 + drawn["discount_rate_per_year"]
    changes = [e for e in world.events if "demand_factor" in e.sizes]
    changed, found = 1.0, []
    for month in range(config.months):
        for event in changes:
            if event.month == month:
                changed *= event.sizes["demand_factor"]
        middle = (month + 0.5) / 12
        requests = level * growth**middle * changed
        found.append(
            Month(
                requests=requests,
                peak_per_s=requests / (DAYS * 86_400) * peak,
                start=discount ** (-month / 12),
                end=discount ** (-(month + 1) / 12),
                list_price=drift**middle,
            )
        )
    return found


def plain_world(known: Known, world: Future, wrong: Mapping[str, float]) -> dict[str, tuple[Bill, float]]:
    """The bill of every option with a share of wrong answers, and what its errors cost."""
    months = months_of(known.config, world)
    electricity = world.drawn["electricity_price_per_kwh"] * world.drawn["pue"]
    loop = Loop(known=known, world=world, months=months, electricity=electricity)
    error = sum(month.requests * month.end for month in months) * world.drawn["value_of_error"]
    return {name: (loop.bill_of(known.options[name]), share * error) for name, share in wrong.items()}
