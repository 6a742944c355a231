"""Gaps in quality between groups, and whether any can be told from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb

import numpy as np
from scipy import stats as distributions

from sazon.core.types import Estimate, FairnessGap
from sazon.evaluate.graded import Graded
from sazon.stats import multiplicity
from sazon.stats.clusters import design_effect
from sazon.stats.paired import independent_difference

LEAST = 20
"""Rows a group needs to be compared."""


def gaps(
    graded: Mapping[str, Graded], columns: Mapping[str, Sequence[str]], *, level: float
) -> tuple[FairnessGap, ...]:
    """Best less worst served group, per column and candidate, p corrected over all of them (Holm).

    Args:
        graded: the measured candidates.
        columns: name → value of each test row; "" where it is not known, which is no group.
        level: nominal coverage.
    """
    found = [
        _gap(one, column, values, level=level)
        for column, values in columns.items()
        for one in graded.values()
    ]
    tested = [p for _, p in found if p is not None]
    corrected = iter(multiplicity.holm(tested))
    return tuple(g if p is None else replace(g, p_corrected=float(next(corrected))) for g, p in found)


def _gap(
    one: Graded, column: str, values: Sequence[str], *, level: float
) -> tuple[FairnessGap, float | None]:
    """The widest gap and the p of no difference between any groups.

    The interval is Newcombe's at the level 1 − α/(number of pairs), which allows for having picked
    the widest (Bonferroni). p is that of Pearson's χ² on counts divided by the design effect.

    Source: Newcombe 1998, method 10; Rao & Scott 1992 (effective counts).
    """
    where = {v: np.array([x == v for x in values], dtype=bool) & one.answered for v in sorted(set(values))}
    groups = {v: rows for v, rows in where.items() if v and int(rows.sum()) >= LEAST}
    nothing = FairnessGap(
        column=column,
        candidate=one.name,
        best="",
        worst="",
        gap=Estimate.none(
            f"needs at least two groups of {LEAST} rows", unit="share", n=int(one.answered.sum())
        ),
    )
    if len(groups) < 2:
        return nothing, None
    pairs = comb(len(groups), 2)
    shares = {v: one.accuracy(level=1 - (1 - level) / pairs, where=rows) for v, rows in groups.items()}
    known = {v: e.value for v, e in shares.items() if e.value is not None}
    if len(known) < 2:
        return nothing, None
    best, worst = (choose(known, key=lambda v: known[v]) for choose in (max, min))
    if best == worst:
        best, worst = list(known)[:2]
    value, low, high = independent_difference(shares[best], shares[worst])
    gap = Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        unit="share",
        method=f"Newcombe hybrid score, Bonferroni over {pairs} pairs of groups",
        n=sum(int(rows.sum()) for rows in groups.values()),
    )
    found = FairnessGap(column=column, candidate=one.name, best=best, worst=worst, gap=gap)
    return found, _p_no_difference(one, [groups[v] for v in known])


def _p_no_difference(one: Graded, groups: Sequence[np.ndarray]) -> float:
    counts = []
    for rows in groups:
        effect = design_effect(one.right[rows].astype(np.float64), one.clustering.keep(rows))
        right = float(one.right[rows].sum())
        counts.append([right / effect, (float(rows.sum()) - right) / effect])
    table = np.array(counts)
    if (table.sum(axis=0) == 0).any():  # all right, or all wrong: nothing differs
        return 1.0
    return float(distributions.chi2_contingency(table, correction=False).pvalue)
