"""Scores beside accuracy: graded ones for free text, and those of other packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from sazon.core import registry
from sazon.core.errors import PluginError
from sazon.core.seams import Scorer
from sazon.core.types import Dataset, Estimate, Floats
from sazon.evaluate.graded import Graded
from sazon.stats import clusters


def further_scores(
    scorers: Sequence[str], one: Graded, test: Dataset, *, level: float
) -> dict[str, Estimate]:
    """Scorer → mean score of a candidate over the rows it answered.

    Scores that are all 0 or 1 are a share, with the share's interval; others a mean with the
    cluster-robust t interval, cut to [0, 1].

    Args:
        scorers: names from the group `sazon.scorer`.
        one: the candidate's answers.
        test: the rows answered.
        level: nominal coverage.

    Raises:
        PluginError: a scorer is unknown, fails, or gives what is no score.
    """
    found = {}
    for name in scorers:
        values = _values(name, one, test)
        clustering = one.clustering.keep(one.answered)
        if not len(values):
            found[name] = Estimate.none("no row was answered", unit="share", n=0)
        elif ((values == 0) | (values == 1)).all():
            found[name] = clusters.share(values == 1, clustering, level=level)
        else:
            mean = clusters.mean(values, clustering, level=level, unit="share")
            low, high = (None if x is None else min(1.0, max(0.0, x)) for x in (mean.low, mean.high))
            found[name] = replace(mean, low=low, high=high)
    return found


def _values(name: str, one: Graded, test: Dataset) -> Floats:
    """The score of every answered row."""
    scorer = cast(Scorer, registry.load("scorer", name))
    values = []
    for label, row, heard in zip(one.sheet.labels, test.examples, one.answered, strict=True):
        if not heard or label is None:
            continue
        try:
            value = float(scorer(label, row.target))
        except Exception as error:
            raise PluginError(
                f"the scorer {name!r} failed with {type(error).__name__} on the row {row.id!r}",
                where="evaluate.scorers",
                mend="Mend the scorer, or leave it out.",
            ) from error
        if not 0 <= value <= 1:
            raise PluginError(
                f"the scorer {name!r} gave {value} for the row {row.id!r}, not a score from 0 to 1",
                where="evaluate.scorers",
                mend="Mend the scorer, or leave it out.",
            )
        values.append(value)
    return np.array(values, dtype=np.float64)
