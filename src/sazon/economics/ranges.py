"""Uncertain quantities: what a person can say about a number, turned into a distribution.

Three ways of saying it: `{p10, p90}` (one in ten below, one in ten above), `{value}`
(known), `{low, mode, high}` (PERT). Each knows its kind, source and date.
"""

from __future__ import annotations

import datetime
import math
from statistics import NormalDist
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sazon.core.config import Config, refuse
from sazon.core.types import Estimate, Floats, Kind

Z90 = NormalDist().inv_cdf(0.9)
PERT_WEIGHT = 4.0
PERT_KNOTS = 2000


def _iso(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime.date) else value


Dated = Annotated[str, BeforeValidator(_iso)]
"""A date as text, YYYY-MM-DD or coarser; YAML's own dates are taken too."""


class Range(Config):
    """A non-negative uncertain quantity: `{p10, p90}`, `{value}`, `{low, mode, high}` or a number."""

    p10: float | None = Field(default=None, allow_inf_nan=False)
    """One in ten futures lies below; with `p90` a log-normal distribution."""
    p90: float | None = Field(default=None, allow_inf_nan=False)
    """One in ten futures lies above."""
    value: float | None = Field(default=None, allow_inf_nan=False)
    """Known for sure."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    """The least it can be (PERT)."""
    mode: float | None = Field(default=None, allow_inf_nan=False)
    """The most likely (PERT)."""
    high: float | None = Field(default=None, allow_inf_nan=False)
    """The most it can be (PERT)."""
    kind: Kind = "assumed"
    """measured, published or assumed."""
    source: str = "assumed"
    """Where the figure comes from."""
    date: Dated = ""
    """When it held."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A plain number is also taken."""
        return {"anyOf": [{"type": "number"}, handler(core_schema)]}

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, data: Any) -> Any:
        plain = isinstance(data, int | float) and not isinstance(data, bool)
        return {"value": data} if plain else data

    @model_validator(mode="after")
    def _one_way_and_ordered(self) -> Self:
        ways = [
            [v for v in way if v is not None]
            for way in ((self.p10, self.p90), (self.value,), (self.low, self.mode, self.high))
        ]
        if [len(w) for w in ways] not in ([2, 0, 0], [0, 1, 0], [0, 0, 3]):
            raise refuse("say it in exactly one way", "Give {p10, p90}, or {value}, or {low, mode, high}.")
        numbers = [v for way in ways for v in way]
        if numbers != sorted(numbers):
            names = "p10 must not be above p90" if ways[0] else "low ≤ mode ≤ high must hold"
            raise refuse(names, "Exchange the numbers.")
        self._check_support(numbers[0])
        return self

    def _check_support(self, least: float) -> None:
        if least < 0:
            raise refuse("must not be negative", "Give 0 or more.")
        if self.p10 == 0 and self.p90 != 0:
            raise refuse(
                "p10 is 0, which a log-normal distribution never reaches",
                "Give p10 above 0, or {low: 0, mode: …, high: …}.",
            )

    @property
    def stated(self) -> tuple[float, ...]:
        """The numbers given, in ascending order."""
        numbers = (self.p10, self.p90, self.value, self.low, self.mode, self.high)
        return tuple(sorted(v for v in numbers if v is not None))

    @property
    def certain(self) -> bool:
        """True where there is nothing to draw."""
        pairs = ((self.p10, self.p90), (self.low, self.high))
        return self.value is not None or any(a is not None and a == b for a, b in pairs)

    @property
    def distribution(self) -> str:
        """The distribution's name, for the report."""
        if self.certain:
            return "known"
        return "PERT" if self.low is not None else self._two_sided

    _two_sided = "log-normal"

    def quantile(self, u: Floats) -> Floats:
        """The value below which a share `u` of futures lies; elementwise, u in (0, 1)."""
        if self.certain:
            known = next(v for v in (self.value, self.p10, self.low) if v is not None)
            return np.full(np.shape(u), known, dtype=float)
        if self.low is not None and self.mode is not None and self.high is not None:
            return _pert(u, self.low, self.mode, self.high)
        return _lognormal(u, *self._tenths())

    def _tenths(self) -> tuple[float, float]:
        """P10 and P90 where they were given."""
        if self.p10 is None or self.p90 is None:
            raise ValueError("no p10 and p90")
        return self.p10, self.p90

    def at(self, u: float) -> float:
        """One quantile as a number."""
        return float(self.quantile(np.array([u]))[0])

    def scaled(self, factor: float) -> Self:
        """The same quantity in another unit."""
        names = ("p10", "p90", "value", "low", "mode", "high")
        held = {n: getattr(self, n) for n in names}
        return self.model_copy(update={n: v * factor for n, v in held.items() if v is not None})

    @classmethod
    def from_estimate(cls, estimate: Estimate) -> Range:
        """A measured positive quantity with its interval, as a log-normal range.

        The interval at `estimate.level` is stretched or shrunk to P10–P90 on the log scale;
        where it reaches down to 0, the upper half speaks for both.
        """
        origin = {"kind": estimate.kind, "source": estimate.method or estimate.kind}
        value = estimate.value
        if value is None:
            raise ValueError(f"undefined: {estimate.undefined}")
        low, high = estimate.low, estimate.high
        if low is None or high is None or value <= 0 or high <= value:
            return cls.model_validate({"value": max(value, 0.0), **origin})
        z = NormalDist().inv_cdf(0.5 + estimate.level / 2)
        half = math.log(high / low) / 2 if low > 0 else math.log(high / value)
        reach = math.exp(half / z * Z90)
        return cls.model_validate({"p10": value / reach, "p90": value * reach, **origin})


class Rate(Range):
    """A yearly relative change above −1: `{p10: -0.1, p90: 0.3}`; 1 + rate is log-normal."""

    _two_sided = "log-normal of 1 + rate"

    def _check_support(self, least: float) -> None:
        if least <= -1:
            raise refuse("must be above -1 (nothing can fall by more than all)", "Try -0.5.")

    def quantile(self, u: Floats) -> Floats:
        """The rate below which a share `u` of futures lies; elementwise."""
        if self.p10 is None or self.certain:
            return super().quantile(u)
        low, high = self._tenths()
        return _lognormal(u, 1 + low, 1 + high) - 1


def _lognormal(u: Floats, p10: float, p90: float) -> Floats:
    from scipy.special import ndtri  # here: scipy takes long to import, and configs need it not

    middle = (math.log(p10) + math.log(p90)) / 2
    sigma = (math.log(p90) - math.log(p10)) / (2 * Z90)
    return np.asarray(np.exp(middle + sigma * ndtri(u)), dtype=float)


def _pert(u: Floats, low: float, mode: float, high: float) -> Floats:
    """Beta on [low, high] with mean (low + 4 mode + high) / 6."""
    from scipy.special import betaincinv, ndtr, ndtri

    a = 1 + PERT_WEIGHT * (mode - low) / (high - low)
    b = 1 + PERT_WEIGHT * (high - mode) / (high - low)
    if np.size(u) <= 10 * PERT_KNOTS:
        inside = betaincinv(a, b, u)
    else:
        # Each quantile takes 3 µs. Against the normal score they are smooth: a spline of fifth degree
        # through some of them is within 1e-11 of the others.
        from scipy.interpolate import make_interp_spline

        score = ndtri(u)
        knots = np.linspace(score.min() - 1e-9, score.max() + 1e-9, PERT_KNOTS)
        inside = np.clip(make_interp_spline(knots, betaincinv(a, b, ndtr(knots)), k=5)(score), 0, 1)
    return np.asarray(low + (high - low) * inside, dtype=float)
