"""Differences to the reference, and the ledger of every test made with its corrected p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sazon.core.types import Candidate, Claim, Estimate, Kind
from sazon.evaluate.graded import Graded
from sazon.evaluate.quality import claimed_draws
from sazon.stats import multiplicity
from sazon.stats.paired import Pair, independent_difference

Accuracies = Mapping[str, Estimate]


def differences(
    reference: str,
    candidates: Mapping[str, Candidate],
    graded: Mapping[str, Graded],
    accuracies: Accuracies,
    *,
    level: float,
    draws: int,
    declared: bool,
    rng: np.random.Generator,
) -> dict[str, Claim]:
    """Candidate → its difference in accuracy to the reference, p not yet corrected.

    Two measured candidates are compared row by row (Tango); a published one as an independent
    sample (Newcombe); where either is assumed only draws can be compared, and there is no test.
    """
    found = {}
    for name in candidates:
        if name == reference:
            continue
        if name in graded and reference in graded:
            found[name] = _paired(graded[name], graded[reference], level=level, declared=declared)
        else:
            found[name] = _unpaired(
                name,
                reference,
                candidates,
                graded,
                accuracies,
                level=level,
                draws=draws,
                declared=declared,
                rng=rng,
            )
    return found


def pair(first: Graded, second: Graded) -> Pair:
    """The rows both answered, compared."""
    rows = first.answered & second.answered
    return Pair.of(first.right[rows], second.right[rows], first.clustering.keep(rows))


def _paired(first: Graded, second: Graded, *, level: float, declared: bool) -> Claim:
    both = pair(first, second)
    test = "score test with design effect" if both.clustering.repeats else "McNemar mid-P"
    return Claim(
        hypothesis=f"accuracy({first.name}) = accuracy({second.name})",
        margin=None,
        test=test,
        n=both.rows,
        clusters=both.clustering.count,
        p_raw=both.p_differs(),
        p_corrected=None,
        estimate=both.difference(level=level),
        declared=declared,
    )


def _unpaired(
    name: str,
    reference: str,
    candidates: Mapping[str, Candidate],
    graded: Mapping[str, Graded],
    accuracies: Accuracies,
    *,
    level: float,
    draws: int,
    declared: bool,
    rng: np.random.Generator,
) -> Claim:
    mine, other = accuracies[name], accuracies[reference]
    kinds: set[Kind] = {candidates[name].kind, candidates[reference].kind}
    if mine.value is None or other.value is None:
        estimate, test = Estimate.none("one of the two accuracies is undefined", unit="share"), "none"
    elif "assumed" in kinds:
        columns = [_draws(candidates[c], graded.get(c), draws=draws, rng=rng) for c in (name, reference)]
        gap = columns[0] - columns[1]
        low, high = np.quantile(gap, [(1 - level) / 2, 1 - (1 - level) / 2])
        estimate = Estimate(
            value=float(np.median(gap)),
            low=float(low),
            high=float(high),
            level=level,
            unit="share",
            method="draws from the assumed range",
            kind="assumed",
        )
        test = "none: assumed"
    else:
        value, low, high = independent_difference(mine, other)
        estimate = Estimate(
            value=value,
            low=low,
            high=high,
            level=level,
            unit="share",
            kind="published",
            method="Newcombe hybrid score, independent samples",
        )
        test = "none: another sample"
    return Claim(
        hypothesis=f"accuracy({name}) = accuracy({reference})",
        margin=None,
        test=test,
        n=min(mine.n or 0, other.n or 0),
        clusters=None,
        p_raw=None,
        p_corrected=None,
        estimate=estimate,
        declared=declared,
    )


def _draws(
    candidate: Candidate, graded: Graded | None, *, draws: int, rng: np.random.Generator
) -> np.ndarray:
    if graded is None:
        return claimed_draws(candidate, draws=draws, rng=rng)
    size = float(graded.answered.sum())
    rate = float(graded.right.sum()) / size
    size /= graded.clustering.kish_effect
    return rng.beta(rate * size + 0.5, (1 - rate) * size + 0.5, size=draws)


def not_worse(
    name: str, reference: str, graded: Mapping[str, Graded], *, margin: float, level: float, declared: bool
) -> Claim:
    """The claim that a candidate is not worse than the reference by more than the margin."""
    both = pair(graded[name], graded[reference])
    return Claim(
        hypothesis=f"accuracy({name}) ≤ accuracy({reference}) − {margin:g}",
        margin=margin,
        test="Tango score, one-sided",
        n=both.rows,
        clusters=both.clustering.count,
        p_raw=both.p_inferior(margin),
        p_corrected=None,
        estimate=both.difference(level=level),
        declared=declared,
    )


def correct(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """All claims with Holm's correction over every test that was made."""
    made = [c.p_raw for c in claims if c.p_raw is not None]
    corrected = iter(multiplicity.holm(made))
    return tuple(c if c.p_raw is None else replace(c, p_corrected=float(next(corrected))) for c in claims)
