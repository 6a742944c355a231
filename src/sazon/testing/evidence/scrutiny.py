"""What an invented evaluation found when it looked closer: confidence, common errors, robustness."""

from __future__ import annotations

from itertools import combinations

from sazon.core.types import (
    Candidate,
    Estimate,
    FairnessGap,
    Leak,
    Overlap,
    ReliabilityBin,
    Robustness,
)
from sazon.testing.evidence.options import N, share


def overlap(measured: list[Candidate]) -> tuple[Overlap, ...]:
    """The first three options, pair by pair."""
    return tuple(
        Overlap(
            first=one.name,
            second=other.name,
            both_wrong=share(0.08, N),
            same_wrong=share(0.61, 35),
            homogenisation=Estimate(value=3.1, low=2.4, high=3.9, unit="times", n=N),
            yule_q=Estimate.none("one of the two makes no error", n=N)
            if one is measured[0]
            else Estimate(value=0.82, low=0.7, high=0.9, n=N),
        )
        for one, other in combinations(measured[:3], 2)
    )


def robustness(measured: list[Candidate]) -> tuple[Robustness, ...]:
    """Three changes, one of them by language; the first option was asked about one alone."""
    return tuple(
        Robustness(
            candidate=c.name,
            perturbation=change,
            drop=Estimate(value=drop, low=drop - 0.02, high=drop + 0.02, unit="share", n=300),
            changed=share(0.1, 300),
            language=language,
        )
        for i, c in enumerate(measured)
        for change, language, drop in (
            ("typos", "", 0.04),
            ("no_accents", "", 0.004),
            ("swapped_language", "", 0.01),
            ("swapped_language", "en", -0.09),
            ("swapped_language", "es", 0.11),
        )
        if i or change == "typos"
    )


def leakage(measured: list[Candidate]) -> tuple[Leak, ...]:
    """A few near copies."""
    without = {c.name: share(0.8, N - 4) for c in measured[:3]}
    return (
        Leak(likeness="exact", rows=share(0.0, N), without=without),
        Leak(likeness="near", rows=share(4 / N, N), examples=("7f3c",), without=without),
    )


def fairness(measured: list[Candidate], hostile: str) -> tuple[FairnessGap, ...]:
    """A gap between sites, and one that cannot be told."""
    gap = Estimate(value=0.06, low=0.01, high=0.12, unit="share", n=N)
    none = Estimate.none("needs at least two groups of 20 rows", unit="share", n=N)
    return tuple(
        FairnessGap(
            column="site",
            candidate=c.name,
            best=f"marina{hostile}",
            worst="valle",
            gap=none if i else gap,
            p_corrected=None if i else 0.03,
        )
        for i, c in enumerate(measured[:2])
    )


def reliability(measured: list[Candidate]) -> tuple[ReliabilityBin, ...]:
    """Five bins of every option but the first, which states no confidence."""
    return tuple(
        ReliabilityBin(
            candidate=c.name,
            low=low,
            high=low + 0.2,
            confidence=low + 0.1,
            accuracy=share(min(0.98, low + 0.13 - 0.02 * i), 20 + round(200 * low)),
        )
        for i, c in enumerate(measured[1:])
        for low in (0.0, 0.2, 0.4, 0.6, 0.8)
    )
