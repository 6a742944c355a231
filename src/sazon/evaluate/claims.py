"""Differences to the reference, and the ledger of every test made with its corrected p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sazon.core.types import Candidate, Claim, Estimate, Floats
from sazon.evaluate.graded import Graded
from sazon.evaluate.quality import claimed_draws
from sazon.stats import multiplicity
from sazon.stats.paired import Pair, independent_difference


@dataclass(frozen=True, kw_only=True)
class Contest:
    """All candidates against one reference."""

    reference: str
    candidates: Mapping[str, Candidate]
    graded: Mapping[str, Graded]
    """The measured ones."""
    accuracies: Mapping[str, Estimate]
    level: float
    draws: int
    """Draws behind a difference to something assumed."""
    declared: bool
    """Whether the recipe named the reference, before the data was looked at."""
    rng: np.random.Generator

    @property
    def others(self) -> list[str]:
        """Every candidate but the reference."""
        return [name for name in self.candidates if name != self.reference]

    def paired(self, name: str) -> bool:
        """Whether a candidate and the reference answered the same rows."""
        return name in self.graded and self.reference in self.graded


def ledger(contest: Contest, *, margin: float) -> tuple[dict[str, Claim], tuple[Claim, ...]]:
    """Every claim, Holm-corrected over all tests made.

    Two measured candidates are compared row by row; a published one as an independent sample; where
    either is assumed only draws can be compared, and there is no test.

    Args:
        contest: the candidates and their reference.
        margin: a measured candidate is also tested for not being worse by this much.

    Returns:
        Candidate → its difference to the reference; and all claims, the differences first.
    """
    gaps = [difference(contest, name) for name in contest.others]
    margins = [not_worse(contest, name, margin) for name in contest.others if contest.paired(name)]
    claims = correct([*gaps, *margins])
    return dict(zip(contest.others, claims, strict=False)), claims


def difference(contest: Contest, name: str) -> Claim:
    """A candidate's difference in accuracy to the reference, p not yet corrected."""
    nothing_differs = f"accuracy({name}) = accuracy({contest.reference})"
    if contest.paired(name):
        both = pair(contest.graded[name], contest.graded[contest.reference])
        gap = both.difference(level=contest.level)
        told_apart = gap.low is not None and gap.high is not None and (gap.low > 0 or gap.high < 0)
        return Claim(
            hypothesis=nothing_differs,
            margin=None,
            test="score test with design effect" if both.clustering.repeats else "McNemar mid-P",
            n=both.rows,
            clusters=both.clustering.count,
            p_raw=both.p_differs(),
            p_corrected=None,
            estimate=gap,
            declared=contest.declared,
            labels_needed=None if told_apart else both.labels_needed(level=contest.level),
        )
    sizes = [contest.accuracies[c].n or 0 for c in (name, contest.reference)]
    return Claim(
        hypothesis=nothing_differs,
        margin=None,
        test="none: not the same rows",
        n=min(sizes),
        clusters=None,
        p_raw=None,
        p_corrected=None,
        estimate=_unpaired(contest, name),
        declared=contest.declared,
    )


def pair(first: Graded, second: Graded, *, where: npt.NDArray[np.bool_] | None = None) -> Pair:
    """The rows both answered (of those in `where`), compared."""
    rows = first.answered & second.answered
    if where is not None:
        rows = rows & where
    return Pair.of(first.right[rows], second.right[rows], first.clustering.keep(rows))


def _unpaired(contest: Contest, name: str) -> Estimate:
    """Difference of two accuracies of which at least one was not measured here."""
    mine, other = contest.accuracies[name], contest.accuracies[contest.reference]
    if mine.value is None or other.value is None:
        return Estimate.none("one of the two accuracies is undefined", unit="share")
    if "assumed" not in (mine.kind, other.kind):
        value, low, high = independent_difference(mine, other)
        method = "Newcombe hybrid score, independent samples"
        return Estimate(
            value=value,
            low=low,
            high=high,
            level=contest.level,
            unit="share",
            kind="published",
            method=method,
        )
    gap = _draws(contest, name) - _draws(contest, contest.reference)
    tail = (1 - contest.level) / 2
    low, high = (float(q) for q in np.quantile(gap, [tail, 1 - tail]))
    return Estimate(
        value=float(np.median(gap)),
        low=low,
        high=high,
        level=contest.level,
        unit="share",
        kind="assumed",
        method="draws from the assumed range",
    )


def _draws(contest: Contest, name: str) -> Floats:
    """Accuracy draws: of what is claimed, or of the Jeffreys posterior of what was measured."""
    if name not in contest.graded:
        return claimed_draws(contest.candidates[name], draws=contest.draws, rng=contest.rng)
    one = contest.graded[name]
    effect = one.clustering.kish_effect
    right, answered = float(one.right.sum()) / effect, float(one.answered.sum()) / effect
    return contest.rng.beta(right + 0.5, answered - right + 0.5, size=contest.draws)


def not_worse(contest: Contest, name: str, margin: float) -> Claim:
    """The claim that a candidate is not worse than the reference by the margin or more."""
    both = pair(contest.graded[name], contest.graded[contest.reference])
    return Claim(
        hypothesis=f"accuracy({name}) ≤ accuracy({contest.reference}) − {margin:g}",
        margin=margin,
        test="Tango score, one-sided",
        n=both.rows,
        clusters=both.clustering.count,
        p_raw=both.p_inferior(margin),
        p_corrected=None,
        estimate=both.difference(level=contest.level),
        declared=contest.declared,
    )


def correct(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """All claims with Holm's correction over every test that was made."""
    made = [c.p_raw for c in claims if c.p_raw is not None]
    corrected = iter(multiplicity.holm(made))
    return tuple(c if c.p_raw is None else replace(c, p_corrected=float(next(corrected))) for c in claims)
