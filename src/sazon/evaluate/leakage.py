"""Test rows that the candidates may have seen: equal, nearly equal, and what is left without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from sazon.core.types import Dataset, Leak
from sazon.data.duplicates import near_rows
from sazon.data.plain import plain
from sazon.evaluate.graded import Graded
from sazon.stats import clusters
from sazon.stats.clusters import Clustering

NEAR = 0.8
"""Jaccard similarity of character 5-grams from which two texts are nearly the same."""
NAMED = 20
"""Ids listed at most."""


def leakage(
    graded: Mapping[str, Graded], test: Dataset, seen: Sequence[str], *, level: float
) -> tuple[Leak, ...]:
    """Share of the test rows that stand in what was learnt from, and accuracy without them.

    Args:
        graded: the measured candidates.
        test: the rows answered.
        seen: texts that candidates learnt from or chose on; none: nothing is said.
        level: nominal coverage.
    """
    if not seen:
        return ()
    texts, known = test.inputs, set(seen)
    known_plain = {plain(text) for text in seen}
    exact = np.array([text in known for text in texts], dtype=bool)
    normalised = np.array([plain(text) in known_plain for text in texts], dtype=bool)
    near = near_rows(texts, list(seen), NEAR)
    clustering = Clustering.of(test.groups)
    found, before = [], np.zeros(len(texts), dtype=bool)
    for likeness, marked in (("exact", exact), ("normalised", normalised), ("near", near)):
        new, before = marked & ~before, before | marked
        found.append(_leak(likeness, new, before, graded, test, clustering, level))  # type: ignore[arg-type]  # literals above
    return tuple(found)


def _leak(
    likeness: Literal["exact", "normalised", "near"],
    new: np.ndarray,
    so_far: np.ndarray,
    graded: Mapping[str, Graded],
    test: Dataset,
    clustering: Clustering,
    level: float,
) -> Leak:
    without = {}
    if new.any():
        without = {name: one.accuracy(level=level, where=~so_far) for name, one in graded.items()}
    return Leak(
        likeness=likeness,
        rows=clusters.share(new, clustering, level=level),
        examples=tuple(test.examples[i].id for i in np.flatnonzero(new)[:NAMED]),
        without=without,
    )
