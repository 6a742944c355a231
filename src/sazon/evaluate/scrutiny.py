"""A closer look at the measurements: stated confidence, common errors, the luck of the best."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from sazon.core.types import Estimate, Overlap, ReliabilityBin
from sazon.evaluate.graded import Graded
from sazon.stats import clusters
from sazon.stats.calibration import BINS
from sazon.stats.overlap import ErrorPair
from sazon.stats.selection import best_of

MOST_COMPARED = 6
"""Candidates whose errors are compared pair by pair: the reference and the best."""


def reliability(graded: Mapping[str, Graded], *, level: float) -> tuple[ReliabilityBin, ...]:
    """Accuracy by stated confidence, in bins of equal width, the empty ones left out.

    Source: Niculescu-Mizil & Caruana 2005 (reliability diagrams).
    """
    found = []
    for name, one in graded.items():
        stated = one.sheet.confidence
        rows = one.answered & ~one.unknown & np.isfinite(stated)
        place = np.minimum((np.where(rows, stated, 0.0) * BINS).astype(np.int64), BINS - 1)
        for i in range(BINS):
            inside = rows & (place == i)
            if not inside.any():
                continue
            found.append(
                ReliabilityBin(
                    candidate=name,
                    low=i / BINS,
                    high=(i + 1) / BINS,
                    confidence=float(stated[inside].mean()),
                    accuracy=clusters.share(one.right[inside], one.clustering.keep(inside), level=level),
                )
            )
    return tuple(found)


def overlap(graded: Mapping[str, Graded], *, reference: str, level: float) -> tuple[Overlap, ...]:
    """Every pair of the reference and the best others, on the rows both answered."""
    best = sorted(graded, key=lambda name: -float(graded[name].right.mean()))
    kept = [name for name in best if name != reference][: MOST_COMPARED - (reference in graded)]
    order = [name for name in graded if name in kept or name == reference]
    return tuple(_pair(graded[a], graded[b], level) for a, b in combinations(order, 2))


def _pair(first: Graded, second: Graded, level: float) -> Overlap:
    rows = first.answered & second.answered
    same = [a == b for a, b in zip(first.sheet.labels, second.sheet.labels, strict=True)]
    errors = ErrorPair(
        first_wrong=~first.right[rows],
        second_wrong=~second.right[rows],
        same_answer=np.array(same, dtype=bool)[rows],
        clustering=first.clustering.keep(rows),
    )
    return Overlap(
        first=first.name,
        second=second.name,
        both_wrong=errors.both_wrong(level=level),
        same_wrong=errors.same_wrong(level=level),
        homogenisation=errors.homogenisation(level=level),
        yule_q=errors.yule_q(level=level),
    )


def winner(graded: Mapping[str, Graded], *, level: float, rng: np.random.Generator) -> Estimate | None:
    """Accuracy of the best measured candidate, corrected for the choice; None where there is none.

    A missing answer counts as not right, as in the decision.
    """
    if len(graded) < 2:
        return None
    scores = np.stack([one.right for one in graded.values()], axis=1).astype(np.float64)
    clustering = next(iter(graded.values())).clustering
    return best_of(scores, clustering, level=level, rng=rng)
