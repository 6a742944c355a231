"""A number that says how sure it is, and a claim tested on the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["measured", "published", "assumed"]
KINDS: tuple[Kind, ...] = ("measured", "published", "assumed")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that says how sure it is; undefined is not zero."""

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    unit: str = ""
    """`share`, `s`, `EUR`, `EUR/1000 requests`, `labels`, …"""
    method: str = ""
    """How value and interval were found, e.g. `Wilson score`."""
    n: int | None = None
    clusters: int | None = None
    kind: Kind = "measured"
    undefined: str = ""
    """The reason where there is no value."""

    def __post_init__(self) -> None:
        """Hold the invariants: a value or a reason, and ordered bounds."""
        if (self.value is None) == (not self.undefined):
            raise ValueError("an estimate has either a value or a reason for having none")
        numbers = [x for x in (self.value, self.low, self.high) if x is not None]
        if any(math.isnan(x) for x in numbers):
            raise ValueError("an estimate is never NaN: use Estimate.none(reason)")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} above high {self.high}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must be inside (0, 1), got {self.level}")

    @classmethod
    def none(cls, reason: str, *, unit: str = "", n: int | None = None) -> Estimate:
        """An undefined estimate with the reason."""
        return cls(value=None, undefined=reason, unit=unit, n=n)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A hypothesis tested on the data: what, by which test, with what result."""

    hypothesis: str
    margin: float | None
    test: str
    n: int
    clusters: int | None
    p_raw: float | None
    p_corrected: float | None
    estimate: Estimate
    declared: bool
    """True where the recipe asked for it before the data was looked at."""
    labels_needed: int | None = None
    """Further labels that would show the difference with 80 % power, were it as large as it looks now;
    None where it is shown already, or where no number of labels can show it."""
