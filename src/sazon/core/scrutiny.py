"""What evaluation finds beside the estimates: parts of the test set, common errors, leaks, gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sazon.core.estimate import Claim, Estimate


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One candidate's quality on part of the test set."""

    column: str
    """`language`, `site`, …"""
    value: str
    candidate: str
    metric: str
    estimate: Estimate
    difference: Claim | None = None
    """Against the reference on the same part, its p corrected over all parts shown; None for the
    reference itself and where nothing was tested."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How far the errors of two candidates coincide: what a second opinion is worth."""

    first: str
    second: str
    both_wrong: Estimate
    """Share of all rows that both get wrong (double fault)."""
    same_wrong: Estimate
    """Share of the rows both get wrong on which they give the same answer."""
    homogenisation: Estimate
    """P(both wrong) / (P(first wrong) · P(second wrong)); 1: independent errors."""
    yule_q: Estimate
    """(ad − bc) / (ad + bc), a both right, d both wrong; inside [−1, 1]."""


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What a change that leaves the meaning alone does to a candidate."""

    candidate: str
    perturbation: str
    """`typos`, `no_accents`, `upper_case`, `swapped_language`, …"""
    drop: Estimate
    """Accuracy before less accuracy after, on the same rows."""
    changed: Estimate
    """Share of rows whose answer changes."""
    language: str = ""
    """Of the rows before the change, where it is shown for one language alone; empty: of all rows."""


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Test rows whose text also stands in the rows the candidates learnt from."""

    likeness: Literal["exact", "normalised", "near"]
    rows: Estimate
    """Share of the test rows; each row counts at its closest likeness only."""
    examples: tuple[str, ...] = ()
    """Ids of some such test rows."""
    without: Mapping[str, Estimate] = field(default_factory=dict)
    """Candidate → accuracy on the rows that are not this alike, or closer."""


@dataclass(frozen=True, kw_only=True)
class FairnessGap:
    """How far a candidate's quality differs between groups of people or rows."""

    column: str
    candidate: str
    best: str
    worst: str
    gap: Estimate
    """Accuracy on the best less that on the worst, its interval allowing for the choice of both."""
    p_corrected: float | None = None
    """Of no difference between any of the groups, corrected over candidates and columns."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Rows on which a candidate was about equally sure."""

    candidate: str
    low: float
    high: float
    confidence: float
    """Mean confidence in the bin."""
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class ErrorRow:
    """One test example that a candidate got wrong, by id; never the input."""

    example: str
    target: str
    answers: Mapping[str, str]
    """Candidate → its answer."""
    right: tuple[str, ...]
    """Candidates whose answer counts as right."""
    confidence: Mapping[str, float]
    """Candidate → how sure it was."""
