"""What a distilled student keeps of its teacher on the test set, and how much faster it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sazon.core.types import Candidate, Estimate, Floats
from sazon.evaluate.graded import Graded

STUDENT = "distill"


def beside_teacher(
    candidates: Sequence[Candidate],
    graded: Mapping[str, Graded],
    accuracy: Floats,
    draws: Floats,
    *,
    level: float,
) -> dict[str, dict[str, Estimate]]:
    """Of every student with a measured teacher: `kept_of_teacher` and `speed_up`.

    Of a panel, the most accurate member is the teacher that counts. Both figures come from the same
    rows; the interval of the first is that of the ratio in draws that share one resampling.

    Args:
        candidates: all of them.
        graded: the measured ones, in the order of the columns.
        accuracy: share right of all rows, shape (candidates,).
        draws: the same in each draw, shape (draws, candidates).
        level: of the interval.
    """
    column = {name: i for i, name in enumerate(graded)}
    found = {}
    for candidate in candidates:
        teachers = [name for name in candidate.parents if name in column]
        if candidate.technique != STUDENT or candidate.name not in column or not teachers:
            continue
        teacher = max(teachers, key=lambda name: accuracy[column[name]])
        pair = column[candidate.name], column[teacher]
        found[candidate.name] = {
            "kept_of_teacher": _kept(
                teacher, accuracy[list(pair)], draws[:, pair], graded[candidate.name], level=level
            ),
            "speed_up": _speed_up(graded[candidate.name], graded[teacher], level=level),
        }
    return found


def _kept(teacher: str, accuracy: Floats, draws: Floats, student: Graded, *, level: float) -> Estimate:
    n, clusters = len(student.answered), student.clustering.count
    if accuracy[1] == 0:
        return Estimate.none("the teacher was never right", unit="share", n=n)
    value = float(accuracy[0] / accuracy[1])
    tail = (1 - level) / 2
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [tail, 1 - tail])
    return Estimate(
        value=value,
        low=float(min(low, value)),
        high=float(max(high, value)),
        level=level,
        unit="share",
        n=n,
        clusters=clusters,
        method=f"accuracy over that of {teacher}; paired Bayesian bootstrap of clusters",
    )


def _speed_up(student: Graded, teacher: Graded, *, level: float) -> Estimate:
    """Answers per second of both, each timed once: no interval."""
    rates = student.sheet.timings.throughput_per_s, teacher.sheet.timings.throughput_per_s
    if rates[0] is None or rates[1] is None:
        return Estimate.none("not both ran here in batches", unit="times")
    return Estimate(
        value=rates[0] / rates[1],
        level=level,
        unit="times",
        n=student.sheet.timings.batch_rows,
        method=f"answers per second in batches over those of {teacher.name}, on this machine, timed once",
    )
