"""Claims that the recipe declares before the data is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from sazon.core.errors import RecipeError
from sazon.core.types import Claim
from sazon.evaluate.claims import Contest, correct, pair
from sazon.evaluate.config import ClaimConfig


def declared_claims(contest: Contest, wanted: Sequence[ClaimConfig]) -> tuple[Claim, ...]:
    """Each declared claim tested one-sided on the rows both answered, Holm over the declared family.

    H₀ of `better`: accuracy(a) ≤ accuracy(b); of `not_worse`: accuracy(a) ≤ accuracy(b) − margin.
    Tango's score test in both cases, scaled by the design effect where rows are clustered.

    Raises:
        RecipeError: a candidate that is not there, or was not measured.
    """
    return correct([_test(contest, claim, f"evaluate.claims[{i}]") for i, claim in enumerate(wanted)])


def _test(contest: Contest, wanted: ClaimConfig, where: str) -> Claim:
    for name in (wanted.candidate, wanted.than):
        if name not in contest.graded:
            known = name in contest.candidates
            raise RecipeError(
                f"{name!r} was not measured, so nothing can be tested" if known else f"no candidate {name!r}",
                where=where,
                mend=f"Measured here: {', '.join(contest.graded)}.",
            )
    both = pair(contest.graded[wanted.candidate], contest.graded[wanted.than])
    margin = wanted.margin or 0.0
    bound = f" − {margin:g}" if margin else ""
    return Claim(
        hypothesis=f"accuracy({wanted.candidate}) ≤ accuracy({wanted.than}){bound}",
        margin=wanted.margin,
        test="Tango score, one-sided",
        n=both.rows,
        clusters=both.clustering.count,
        p_raw=both.p_inferior(margin),
        p_corrected=None,
        estimate=both.difference(level=contest.level),
        declared=True,
    )
