"""Cash flows of one option in every world at once: what one unit costs, times a path that all share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Floats
from sazon.economics.capacity import Replica, best_replica, constants_for
from sazon.economics.config import EconomicsConfig
from sazon.economics.fleets import Fleet
from sazon.economics.market import HOURS_PER_MONTH, Market, Path
from sazon.economics.options import EVERYBODY, OWN, RENTED, Option, TokenPrice
from sazon.economics.ranges import Range
from sazon.economics.worlds import Block

TOKENS_IN = Range(p10=150, p90=600)
TOKENS_OUT = Range(p10=4, p90=20)


@dataclass(frozen=True, kw_only=True)
class Term:
    """Money in proportion to a path that all options share: so much for each unit of it."""

    each: Floats | float
    """Shape (worlds,): what one unit costs."""
    path: Path
    party: str = ""
    """The provider or vendor to whom it goes."""
    event: bool = False
    """Whether an event is its cause."""


@dataclass(kw_only=True)
class Flows:
    """Money and energy of one option, filled by its parts."""

    residual: Floats
    """Shape (worlds,): what the hardware sells for at the horizon, in today's money."""
    idle_residual: Floats
    """… if nobody asked."""
    energy_kwh: Floats
    """Shape (worlds,)."""
    terms: list[Term] = field(default_factory=list)

    def pay(self, each: Floats | float, path: Path, *, party: str = "", event: bool = False) -> None:
        """Spend money month by month."""
        self.terms.append(Term(each=each, path=path, party=party, event=event))

    @property
    def total(self) -> Floats:
        """Shape (worlds,): everything but errors, in today's money."""
        return self._sum("today") - self.residual

    @property
    def fixed(self) -> Floats:
        """… if nobody asked: what is due all the same."""
        return self._sum("idle") - self.idle_residual

    @property
    def investment(self) -> Floats:
        """… what is due before the first request."""
        return self._sum("first")

    @property
    def events(self) -> Floats:
        """… what events cost."""
        return self._sum("today", [term for term in self.terms if term.event])

    def _sum(self, worth: Literal["today", "idle", "first"], terms: Sequence[Term] | None = None) -> Floats:
        summed = np.zeros_like(self.residual)
        for term in self.terms if terms is None else terms:
            summed += term.each * getattr(term.path, worth)
        return summed

    def monthly(self) -> Floats:
        """Cost of each month in today's money, residual value not in; shape (worlds, months)."""
        first, *others = self.terms
        summed = np.multiply(np.atleast_1d(first.each)[:, None], first.path.monthly())
        for term in others:
            summed += np.atleast_1d(term.each)[:, None] * term.path.monthly()
        return np.asarray(summed)

    def so_far(self, market: Market, wrong: Floats) -> Floats:
        """Cost up to the end of each month, errors included, nothing sold yet; shape (worlds, months).

        Args:
            market: the one these flows were found for.
            wrong: shape (worlds,), share of wrong answers.
        """
        errors = (wrong * market.error_cost)[:, None] * market.asked.monthly()
        return np.asarray(np.cumsum(self.monthly() + errors, axis=1))

    def paid_outside(self) -> dict[str, Floats]:
        """Party → what goes there in today's money, shape (worlds,)."""
        found: dict[str, Floats] = {}
        for term in self.terms:
            if term.party:
                found[term.party] = found.get(term.party, 0.0) + term.each * term.path.today
        return found


@dataclass(kw_only=True)
class Load:
    """What answering one request takes, cascades and panels resolved into their members."""

    seconds: Floats
    """Shape (worlds,): busy seconds of a small server per request."""
    uses_server: bool = False
    training_seconds: float = 0.0
    members: list[Option] = field(default_factory=list)
    remote: list[tuple[Option, Floats]] = field(default_factory=list)
    """Provider or GPU options with the share of requests each gets, shape (worlds,)."""

    @property
    def places(self) -> dict[str, Floats]:
        """Where it can be struck, with the share of requests answered there, shape (worlds,)."""
        everything = np.ones_like(self.seconds)
        found = {EVERYBODY: everything} | ({OWN: everything} if self.uses_server else {})
        for option, share in self.remote:
            found[option.stands_on] = np.minimum(found.get(option.stands_on, 0.0) + share, 1.0)
        return found


def load_of(option: Option, options: Mapping[str, Option], worlds: Block) -> Load:
    """What one request takes, cascades and panels followed down to their members.

    Raises:
        RecipeError: a part of the option that its cost needs is missing.
    """
    load = Load(seconds=np.zeros(worlds.count))
    _add(load, option, np.ones(worlds.count), options, worlds, ())
    return load


def _add(
    load: Load,
    option: Option,
    share: Floats,
    options: Mapping[str, Option],
    worlds: Block,
    above: tuple[str, ...],
) -> None:
    if option.name in above:
        raise RecipeError(f"{option.name!r} contains itself", mend="Name other members.")
    load.members.append(option)
    load.training_seconds += option.training_seconds
    if option.place == "cascade":
        local, cloud = _members(option, options)
        _add(load, local, share, options, worlds, (*above, option.name))
        passed = share * _cloud_share(option, worlds)
        _add(load, cloud, passed, options, worlds, (*above, option.name))
    elif option.place == "panel":
        for member in _found(option, options):
            _add(load, member, share, options, worlds, (*above, option.name))
    elif option.place == "local":
        if option.seconds_per_request is None or option.seconds_per_request.value is None:
            raise RecipeError(
                f"{option.name!r} has no measured seconds per request", mend="Evaluate it first."
            )
        name = f"seconds_per_request.{option.name}"
        amount = Range.from_estimate(option.seconds_per_request)
        load.seconds = load.seconds + share * worlds.draw(name, amount, unit="s")
        load.uses_server = True
    else:
        load.remote.append((option, share))


def _members(option: Option, options: Mapping[str, Option]) -> tuple[Option, Option]:
    found = _found(option, options)
    if len(found) != 2:
        raise RecipeError(f"cascade {option.name!r} needs a local and a cloud option", mend="Name both.")
    return found[0], found[1]


def _found(option: Option, options: Mapping[str, Option]) -> list[Option]:
    missing = [p for p in option.parents if p not in options]
    if missing or not option.parents:
        raise RecipeError(
            f"{option.place} {option.name!r} needs its members among the options",
            mend=f"Not among the options: {', '.join(missing)}." if missing else "Name them.",
        )
    return [options[p] for p in option.parents]


def _cloud_share(option: Option, worlds: Block) -> Floats:
    name = f"cloud_share.{option.name}"
    share = option.cloud_share
    if share is None or share.value is None:
        everything = Range(value=1.0, source="nothing certified: every request is passed on")
        return worlds.draw(name, everything, unit="share")
    return np.minimum(worlds.draw(name, Range.from_estimate(share), unit="share"), 1.0)


def flows_of(load: Load, config: EconomicsConfig, market: Market, worlds: Block) -> Flows:
    """All cash flows of one option."""
    nothing = np.zeros(worlds.count)
    flows = Flows(residual=nothing.copy(), idle_residual=nothing.copy(), energy_kwh=nothing.copy())
    _pay_staff(flows, load, config, market, worlds)
    if load.uses_server:
        _run_servers(flows, load, config, market, worlds)
    for option, share in load.remote:
        if option.place == "api":
            _pay_tokens(flows, option, share, config, market, worlds)
        else:
            _run_gpus(flows, option, share, config, market, worlds)
    _suffer(flows, load, market)
    return flows


def _pay_tokens(
    flows: Flows, option: Option, share: Floats, config: EconomicsConfig, market: Market, worlds: Block
) -> None:
    """What a provider charges, and what an event at the provider adds to it."""
    tokens_in, tokens_out = _draw_tokens(option, config, worlds)
    each = share * _price_per_request(_price(option), tokens_in, tokens_out, config, worlds)
    flows.pay(each, market.billed, party=option.stands_on)
    struck = market.struck.get(option.stands_on)
    if struck is not None:
        flows.pay(each, struck.dearer, party=option.stands_on, event=True)


def _suffer(flows: Flows, load: Load, market: Market) -> None:
    """Losses, repairs, and the requests that nobody answers while a place is down."""
    for place, share in load.places.items():
        struck = market.struck.get(place)
        if struck is not None:
            flows.pay(1.0, struck.money, event=True)
            flows.pay(share * market.error_cost, struck.unanswered, event=True)


def tokens_of(option: Option, config: EconomicsConfig) -> tuple[tuple[str, Range], tuple[str, Range]]:
    """Input and output tokens per request, each by name; an option's own are named after it."""

    def one(own: Range | None, given: Range | None, default: Range, name: str) -> tuple[str, Range]:
        return (f"{name}.{option.name}", own) if own is not None else (name, given or default)

    return (
        one(option.tokens_in, config.tokens_in, TOKENS_IN, "tokens_in"),
        one(option.tokens_out, config.tokens_out, TOKENS_OUT, "tokens_out"),
    )


def _draw_tokens(option: Option, config: EconomicsConfig, worlds: Block) -> tuple[Floats, Floats]:
    inwards, outwards = (worlds.draw(n, r, unit="tokens") for n, r in tokens_of(option, config))
    return np.maximum(inwards, 1.0), np.maximum(outwards, 1.0)


def _price(option: Option) -> TokenPrice:
    if option.price is None:
        raise RecipeError(
            f"{option.name!r} has no price",
            mend="Give genai:provider/model or input_per_mtok and output_per_mtok.",
        )
    return option.price


def _price_per_request(
    price: TokenPrice, tokens_in: Floats, tokens_out: Floats, config: EconomicsConfig, worlds: Block
) -> Floats:
    paid = (tokens_in * price.input_per_mtok + tokens_out * price.output_per_mtok) / 1e6
    for name, value in (("input", price.input_per_mtok), ("output", price.output_per_mtok)):
        worlds.note(
            {
                "name": f"price.{name}: {price.source}",
                "value": value,
                "low": None,
                "high": None,
                "unit": f"{price.currency}/Mtok",
                "distribution": "known",
                "kind": "published",
                "source": price.source,
                "date": price.as_of,
            }
        )
    if price.currency == config.currency:
        return paid
    rate = worlds.draw("usd_per_eur", config.usd_per_eur, unit="USD/EUR")
    return paid / rate if config.currency == "EUR" else paid * rate


def _pay_staff(flows: Flows, load: Load, config: EconomicsConfig, market: Market, worlds: Block) -> None:
    """Set-up and monthly hours of every member, and retraining of the adapted ones."""
    often = worlds.draw("retrainings_per_year", config.retrainings_per_year, unit="1/year")
    long = worlds.draw("retraining_hours", config.retraining_hours, unit="hours")
    for member in load.members:
        technique = member.technique or member.kind
        hours = worlds.worlds.once(("hours", technique), partial(config.hours, technique))
        setup = _hours(member, "setup", member.setup_hours, hours.setup, technique, worlds)
        monthly = _hours(member, "monthly", member.monthly_hours, hours.monthly, technique, worlds)
        if hours.retrained:
            monthly = monthly + often * long / 12
        flows.pay(setup * market.staff_rate, market.setup)
        flows.pay(monthly * market.staff_rate, market.standing)
    power = worlds.draw("hardware.server_power_kw", config.hardware.server_power_kw, unit="kW")
    trainings = 1 + often * config.months / 12
    kwh = load.training_seconds / 3600 * power
    flows.energy_kwh += kwh * trainings
    flows.pay(kwh * trainings / config.months * market.power_price, market.standing)


def _hours(
    member: Option, which: str, own: Range | None, given: Range, technique: str, worlds: Block
) -> Floats:
    if own is not None:
        return worlds.draw(f"{which}_hours.{member.name}", own, unit="hours")
    return worlds.draw(f"staff_hours.{technique}.{which}", given, unit="hours")


def _run_servers(flows: Flows, load: Load, config: EconomicsConfig, market: Market, worlds: Block) -> None:
    """Small servers for the peak plus spares, bought anew at the end of their life."""
    hardware = config.hardware
    busy = load.seconds / hardware.target_utilisation
    fleet = Fleet(market, busy, spares=hardware.spares, life_years=hardware.server_life_years)
    price = worlds.draw("hardware.server_price", hardware.server_price, unit=config.currency)
    power = worlds.draw("hardware.server_power_kw", hardware.server_power_kw, unit="kW")
    flows.pay(price, fleet.bought)
    _power(flows, fleet, power, market)


def _power(flows: Flows, fleet: Fleet, kw: Floats, market: Market) -> None:
    """Electricity of machines of one's own."""
    flows.energy_kwh += fleet.machine_months * kw * HOURS_PER_MONTH
    flows.pay(kw * HOURS_PER_MONTH * market.power_price, fleet.needed)


def _run_gpus(
    flows: Flows,
    option: Option,
    share: Floats,
    config: EconomicsConfig,
    market: Market,
    worlds: Block,
) -> None:
    """GPU replicas for the peak plus spares, rented by reservation or bought."""
    hardware = config.hardware
    replica, each = replica_of(option, config, worlds)
    fleet = Fleet(
        market,
        share / each,
        spares=hardware.spares,
        group=replica.gpus,
        life_years=hardware.gpu_life_years,
    )
    factor = worlds.draw("hardware.gpu_power_factor", hardware.gpu_power_factor, unit="ratio")
    kw = replica.gpu.power_w / 1e3 * factor
    if option.tenure == "rent":
        name = f"hardware.gpu_rent_per_hour.{option.gpu}"
        rent = worlds.draw(name, config.gpu_rent(option.gpu), unit=f"{config.currency}/GPU-hour")
        flows.energy_kwh += fleet.machine_months * kw * HOURS_PER_MONTH  # paid with the rent
        flows.pay(rent * HOURS_PER_MONTH, fleet.needed, party=RENTED)
        return
    _power(flows, fleet, kw, market)
    price = worlds.draw(
        f"hardware.gpu_price.{option.gpu}", config.gpu_purchase(option.gpu), unit=f"{config.currency}/GPU"
    )
    flows.pay(price, fleet.bought)
    sold = worlds.draw("hardware.gpu_residual_share", hardware.gpu_residual_share, unit="share")
    residual, idle = fleet.resale(np.minimum(sold, 1.0))
    flows.residual += residual * price
    flows.idle_residual += idle * price


def replica_of(option: Option, config: EconomicsConfig, worlds: Block) -> tuple[Replica, Floats]:
    """GPUs that answer together, and the requests per second they take in each world, shape (worlds,).

    Raises:
        RecipeError: in some worlds its requests are too long for them.
    """
    tokens = (name for name, _ in tokens_of(option, config))
    return worlds.once((option.model, option.gpu, *tokens), lambda: _replica(option, config, worlds))


def _replica(option: Option, config: EconomicsConfig, worlds: Block) -> tuple[Replica, Floats]:
    itl_s, ttft_s = config.hardware.itl_ms / 1e3, config.hardware.ttft_ms / 1e3
    tokens = _draw_tokens(option, config, worlds)
    inwards, outwards = (max(amount.at(0.5), 1.0) for _, amount in tokens_of(option, config))
    replica = worlds.worlds.once(
        (option.model, option.gpu, inwards, outwards),
        lambda: best_replica(
            option.model,
            option.gpu,
            tokens_in=inwards,
            tokens_out=outwards,
            itl_s=itl_s,
            ttft_s=ttft_s,
            requests_per_s=config.planned_peak(),
            spares=config.hardware.spares,
            stack=config.hardware.stack,
        ),
    )
    rate = replica.requests_per_s(*tokens, itl_s=itl_s, ttft_s=ttft_s)
    each = rate * throughput_error(replica, config, worlds)
    if each.min() <= 0:
        raise RecipeError(
            f"{option.name!r}: in some worlds the requests are too long for {replica.gpus} × {option.gpu}",
            mend="Narrow tokens_in and tokens_out, relax itl_ms or ttft_ms, or choose a larger GPU.",
        )
    return replica, each


def throughput_error(replica: Replica, config: EconomicsConfig, worlds: Block) -> Floats:
    """Real over predicted throughput: one draw for all hosted models, as they share the stack.

    Where the recipe does not state it, the draw is stretched to the wider error of mixtures of
    experts and of GPUs unlike those that the capacity model was fitted to.
    """
    drawn = worlds.draw("capacity_error", config.throughput_error(), unit="ratio")
    if config.capacity_error is not None:
        return drawn
    usual = constants_for(config.hardware.stack, mixture=False).log_error
    return np.asarray(drawn ** (replica.constants.log_error / usual))
