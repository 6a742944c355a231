"""What the simulated futures say beyond each option's total: order, ignorance, waiting, dependence."""

from __future__ import annotations

from dataclasses import dataclass, field

from sazon.core.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Dominated:
    """One option that another beats whatever one's taste for risk."""

    name: str
    by: str
    order: int
    """1: cheaper for everybody; 2: for everybody who also dislikes risk."""


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """One uncertain input, and what it would be worth to know it before choosing."""

    name: str
    share: Estimate
    """First-order share of the variance of the gap between the two cheapest."""
    worth: Estimate
    """Expected value of perfect information on this input alone."""


@dataclass(frozen=True, kw_only=True)
class Influence:
    """One uncertain input, and its part in the variance of the gap between the two cheapest."""

    name: str
    first: Estimate
    """Sobol' index of first order: what would go if it alone were known."""
    total: Estimate
    """Total index: what would stay if all others were known."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Starting with one option and moving to another later, against choosing one for good today."""

    start: str
    then: str
    commit: str
    """The better of the two for good."""
    value: Estimate
    """Saved on average by the best rule found, in the half of the futures it was not fitted on."""
    moves: Estimate
    """Share of those futures in which it moves."""
    requests_per_day: float | None
    """Demand at which to move by the best simple rule; None: no such rule moves at all."""
    above: bool
    """Whether it moves above that demand, or below."""
    months: int
    """Months in a row that demand must be there."""
    simple_value: Estimate
    """Saved on average by the simple rule, in the same half."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where two options cost the same: a distribution over the futures in which they do anywhere."""

    at: Estimate
    """P50 with P10 and P90 over those futures."""
    nowhere: Estimate
    """Share of the other futures."""


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """Where one option costs as much as the cheapest other one."""

    name: str
    against: str
    demand: Crossing
    """Requests a day in the first month."""
    above: Estimate
    """Share of the futures with such a demand in which it is the cheaper above it, not below."""
    utilisation: Crossing
    """How full its machines must be on average, staff aside; nowhere: not even full ones would do."""
    month: Crossing
    """Month from whose end on it has cost no more; nowhere: not within the horizon."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """All of it; empty where there is nothing to compare."""

    tail_level: float = 0.95
    """Level of value at risk and of the mean beyond it."""
    dominated: tuple[Dominated, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    """Worth most first."""
    influences: tuple[Influence, ...] = ()
    """Largest total first."""
    fit: Estimate = field(default_factory=lambda: Estimate.none("there is no other candidate"))
    """How much of that variance the polynomial behind the indices explains."""
    everything: Estimate = field(default_factory=lambda: Estimate.none("there is no other candidate"))
    """Expected value of perfect information on everything at once."""
    waiting: tuple[Waiting, ...] = ()
    breaks: tuple[BreakEven, ...] = ()
    """One for each option, in their order."""
