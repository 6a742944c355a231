"""The `economics` section of a recipe; whatever is not given comes dated from the catalogue."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sazon.core.config import Config, refuse
from sazon.economics import catalogue
from sazon.economics.capacity.constants import constants_for
from sazon.economics.options import Currency
from sazon.economics.ranges import Z90, Range, Rate
from sazon.economics.risk import Risk
from sazon.economics.together import Correlation, check

VendorClass = Literal["community", "specialist", "hyperscaler"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _range(p10: float, p90: float) -> Range:
    return Range(p10=p10, p90=p90)


def _not_below_one(amount: Range, why: str) -> Range:
    if amount.stated[0] < 1:
        raise refuse(f"must not be below 1: {why}", "Give 1 or more.")
    return amount


class Demand(Config):
    """How much is asked."""

    requests_per_day: Range = _range(500, 5000)
    """Requests a day in the first month."""
    growth_per_year: Rate = Rate(p10=0.0, p90=0.3)
    """Yearly growth; 0.1 is 10 %."""
    peak_to_mean: Range = _range(3, 8)
    """Busiest minute over the mean."""

    @field_validator("requests_per_day")
    @classmethod
    def _some(cls, value: Range) -> Range:
        if value.at(1e-12) <= 0:
            raise refuse("without any requests there is nothing to price", "Give a demand above 0.")
        return value

    @field_validator("peak_to_mean")
    @classmethod
    def _at_least_mean(cls, value: Range) -> Range:
        return _not_below_one(value, "a peak is never below its mean")


class StaffHours(Config):
    """People's time one technique takes."""

    setup: Range
    """Hours before the first request."""
    monthly: Range
    """Hours a month to keep it right."""
    retrained: bool = True
    """Whether it is retrained `retrainings_per_year` times."""


class Hardware(Config):
    """What is bought or rented to run models oneself."""

    server_price: Range = _range(1200, 4000)
    """One small CPU server, in the recipe's currency."""
    server_power_kw: Range = _range(0.06, 0.25)
    """Mean draw of one small server."""
    server_life_years: Positive = 5.0
    """After this it is bought anew."""
    stack: str = "other"
    """Serving stack of hosted models, by its name in the catalogue: `tensorrt-llm`,
    `tensorrt-llm-2024`, `vllm-0.4-rocm`, or `other`."""
    target_utilisation: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Share of a small server's capacity planned for at the peak."""
    spares: Annotated[int, Field(ge=0, le=8)] = 1
    """Servers or GPU replicas beyond need (N+1)."""
    vendor_class: VendorClass = "specialist"
    """Whose rental prices apply to GPUs."""
    gpu_rent_per_hour: Range | None = None
    """Rent of one GPU-hour in the recipe's currency; default: catalogue, by vendor class."""
    gpu_price: Range | None = None
    """Purchase of one GPU with its share of the server; default: catalogue."""
    gpu_life_years: Positive = 5.0
    """After this it is bought anew."""
    gpu_residual_share: Range = Range(low=0.05, mode=0.3, high=0.45)
    """What a GPU still sells for after 36 months, as a share of its price."""
    gpu_power_factor: Range = _range(1.1, 1.8)
    """Power at the plug of a GPU server over the GPUs' rated power."""
    itl_ms: Positive = 50.0
    """Longest time between two output tokens that sizing accepts."""
    ttft_ms: Positive = 2000.0
    """Longest time to the first token that sizing accepts (95 % of requests)."""

    @field_validator("gpu_residual_share")
    @classmethod
    def _a_share(cls, value: Range) -> Range:
        if value.stated[-1] > 1:
            raise refuse("a share is at most 1", "Give it as a share: 0.3 for 30 %.")
        return value


class EconomicsConfig(Config):
    """Horizon, demand and prices of the simulation."""

    currency: Currency = "EUR"
    """Currency of all results, and of all figures given here."""
    months: Annotated[int, Field(ge=1, le=240)] = 36
    """Horizon."""
    worlds: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Simulated futures."""
    country: str = "ES"
    """Whose electricity, carbon and staff rates apply by default."""
    demand: Demand = Demand()
    """How much is asked."""
    tokens_in: Range | None = None
    """Input tokens per request, prompt included; default: from the data, else 150 to 600."""
    tokens_out: Range | None = None
    """Output tokens per request; default: from the data, else 4 to 20."""
    value_of_error: Range = _range(0.2, 2.0)
    """What one wrong answer costs."""
    error_costs: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Per class, how many times `value_of_error` one of its errors costs."""
    staff_rate_per_hour: Range | None = None
    """What an hour of staff costs; default: catalogue, by country."""
    staff_hours: dict[str, StaffHours] = Field(default_factory=dict)
    """Hours per technique; default: catalogue."""
    retrainings_per_year: Range = _range(1, 4)
    """How often an adapted model is made anew."""
    retraining_hours: Range = _range(2, 10)
    """Staff hours each time."""
    electricity_price_per_kwh: Range | None = None
    """Default: catalogue, by country."""
    carbon_kg_per_kwh: Range | None = None
    """Greenhouse gas of a kWh, in kg CO2e; default: catalogue, by country."""
    pue: Range = _range(1.15, 1.6)
    """Power usage effectiveness: power of the building over power of the machines."""
    discount_rate_per_year: Range = _range(0.04, 0.1)
    """What money costs."""
    price_change_per_year: Rate = Rate(p10=-0.15, p90=0.03)
    """Drift of one model's list price at a provider (lists are sticky; savings need migration)."""
    usd_per_eur: Range = _range(1.05, 1.26)
    """US dollars for one euro; `{value, date, source}` holds it fixed."""
    capacity_error: Range | None = None
    """Real over estimated throughput of a hosted model; default: the capacity model's own error
    with this serving stack, wider for mixtures of experts and for GPUs it was not fitted to."""
    hardware: Hardware = Hardware()
    """What is bought or rented."""
    correlations: list[Correlation] = Field(default_factory=list)
    """Uncertain inputs that move together; all others are independent."""
    risks: dict[str, Risk] = Field(default_factory=dict)
    """Events that may strike, by name (`breach`, `outage`, `deprecation`, …); none unless given."""
    tail_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Value at risk and the mean beyond it look past this share of futures."""

    @field_validator("pue")
    @classmethod
    def _at_least_machines(cls, value: Range) -> Range:
        return _not_below_one(value, "a building never draws less than its machines")

    @field_validator("usd_per_eur")
    @classmethod
    def _a_rate(cls, value: Range) -> Range:
        if value.at(1e-12) <= 0:
            raise refuse("a rate of exchange is above 0", "Give US dollars for one euro, e.g. 1.15.")
        return value

    @field_validator("discount_rate_per_year")
    @classmethod
    def _not_in_percent(cls, value: Range) -> Range:
        if value.stated[-1] > 1:
            raise refuse("money does not cost more than itself a year", "Give it as a share: 0.07 for 7 %.")
        return value

    @field_validator("correlations")
    @classmethod
    def _possible(cls, value: list[Correlation]) -> list[Correlation]:
        check(value)
        return value

    def in_own_currency(self, amount: Range, currency: Currency) -> Range:
        """A catalogue figure converted at the middle exchange rate."""
        if currency == self.currency:
            return amount
        rate = self.usd_per_eur.at(0.5)
        return amount.scaled(1 / rate if self.currency == "EUR" else rate)

    def planned_peak(self) -> float:
        """Requests per second in the busiest minute, halfway to the horizon and at the middle of all ranges.

        What machines are laid out for; how many of them each world then needs is another matter.
        """
        demand = self.demand
        grown: float = (1 + demand.growth_per_year.at(0.5)) ** (self.months / 24)
        return demand.requests_per_day.at(0.5) * demand.peak_to_mean.at(0.5) * grown / 86_400

    def staff_rate(self) -> Range:
        """Given, or the catalogue's for the country."""
        if self.staff_rate_per_hour is not None:
            return self.staff_rate_per_hour
        row = catalogue.row("staff", "country", self.country, what="country for staff rates")
        return self.in_own_currency(_catalogued(row, "p10_hour", "p90_hour"), _currency(row))

    def electricity_price(self) -> Range:
        """Given, or the catalogue's for the country."""
        if self.electricity_price_per_kwh is not None:
            return self.electricity_price_per_kwh
        row = catalogue.row("electricity", "country", self.country, what="country for electricity")
        numbers = {n: float(row[f"{n}_kwh"]) for n in ("low", "mode", "high")}
        amount = Range(**numbers, kind=_kind(row), source=row["source"], date=row["date"])
        return self.in_own_currency(amount, _currency(row))

    def carbon_intensity(self) -> Range:
        """Given, or the catalogue's for the country: the last year's average, taken as it is."""
        if self.carbon_kg_per_kwh is not None:
            return self.carbon_kg_per_kwh
        row = catalogue.row("carbon", "country", self.country, what="country for carbon")
        kilograms = float(row["g_co2e_kwh"]) / 1000
        return Range(value=kilograms, kind=_kind(row), source=row["source"], date=row["date"])

    def hours(self, technique: str) -> StaffHours:
        """Given, or the catalogue's for the technique (`local` where it is not listed)."""
        if technique in self.staff_hours:
            return self.staff_hours[technique]
        held = {r["technique"]: r for r in catalogue.rows("staff_hours")}
        row = held.get(technique, held["local"])
        return StaffHours(
            setup=_range(float(row["setup_p10"]), float(row["setup_p90"])),
            monthly=_range(float(row["monthly_p10"]), float(row["monthly_p90"])),
            retrained=row["retrained"] == "yes",
        )

    def throughput_error(self) -> Range:
        """Given, or the capacity model's error for dense models (log-normal)."""
        if self.capacity_error is not None:
            return self.capacity_error
        stack = self.hardware.stack
        factor = math.exp(Z90 * constants_for(stack, mixture=False).log_error)
        return Range(p10=1 / factor, p90=factor, source=f"error of the capacity model, serving stack {stack}")

    def gpu_rent(self, gpu: str) -> Range:
        """Rent of one GPU-hour: given, or the catalogue's quotes of the vendor class."""
        if self.hardware.gpu_rent_per_hour is not None:
            return self.hardware.gpu_rent_per_hour
        catalogue.row("gpus", "gpu", gpu, what="GPU")
        group = self.hardware.vendor_class
        quotes = [r for r in catalogue.rows("gpu_rental") if r["gpu"] == gpu and r["vendor_class"] == group]
        if not quotes:
            raise catalogue.unknown("rental price for", f"{gpu} at a {group} vendor", _rented())
        prices = sorted(float(r["usd_per_gpu_hour"]) for r in quotes)
        amount = Range(
            p10=prices[0] * 0.9,
            p90=prices[-1] * 1.1,
            kind="published",
            source=f"{len(quotes)} quotes, widened by 10 %: "
            + "; ".join(f"{r['provider']} {r['usd_per_gpu_hour']} USD" for r in quotes),
            date=max(r["date"] for r in quotes),
        )
        return self.in_own_currency(amount, "USD")

    def gpu_purchase(self, gpu: str) -> Range:
        """Purchase of one GPU with its share of a server: given, or the catalogue's."""
        if self.hardware.gpu_price is not None:
            return self.hardware.gpu_price
        row = catalogue.row("gpu_purchase", "gpu", gpu, what="GPU with a purchase price")
        return self.in_own_currency(_catalogued(row, "low_usd", "high_usd", "published"), "USD")


def _catalogued(
    row: catalogue.Row, low: str, high: str, kind: Literal["published", "assumed"] = "assumed"
) -> Range:
    numbers = {"p10": float(row[low]), "p90": float(row[high])}
    return Range(**numbers, kind=kind, source=row["source"], date=row["date"])


def _kind(row: catalogue.Row) -> Literal["published", "assumed"]:
    return "published" if row["kind"] == "published" else "assumed"


def _currency(row: catalogue.Row) -> Currency:
    return "USD" if row["currency"] == "USD" else "EUR"


def _rented() -> list[str]:
    held = {f"{r['gpu']} at a {r['vendor_class']} vendor" for r in catalogue.rows("gpu_rental")}
    return sorted(held)
