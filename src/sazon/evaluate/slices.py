"""Quality on parts of the test set, each compared with the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Claim, Dataset, SliceRow
from sazon.data.config import PARTED_BY
from sazon.evaluate.claims import correct, pair
from sazon.evaluate.config import EvaluateConfig
from sazon.evaluate.graded import Graded


def columns(names: Sequence[str], test: Dataset) -> dict[str, list[str]]:
    """The value of every test row in each column, "" where it has none.

    `length` is made here: thirds of the rows by the number of characters.

    Raises:
        RecipeError: rows have no such column.
    """
    return {name: _lengths(test) if name == "length" else _values(name, test) for name in names}


def _values(name: str, test: Dataset) -> list[str]:
    if name in PARTED_BY:
        return [_said(getattr(example, name)) for example in test.examples]
    kept = sorted({column for example in test.examples for column in example.columns})
    if name not in kept:
        raise RecipeError(
            f"rows have no column {name!r} to be parted by",
            where="evaluate.slices and evaluate.fairness",
            mend=f"Known: {', '.join((*PARTED_BY, *kept))}; others are kept with data.keep: [{name}].",
        )
    return [example.columns.get(name, "") for example in test.examples]


def _said(value: object) -> str:
    return "" if value is None else str(value)


def _lengths(test: Dataset) -> list[str]:
    counts = np.array([len(text) for text in test.inputs])
    if not len(counts):
        return []
    low, high = (int(q) for q in np.quantile(counts, [1 / 3, 2 / 3]))
    names = (f"≤ {low}", f"{low + 1}–{high}", f"> {high}")
    return [names[0 if c <= low else 1 if c <= high else 2] for c in counts]


def _in_order(column: str, values: Sequence[str], test: Dataset) -> list[str]:
    """The distinct values: lengths from short to long, others by name."""
    if column != "length":
        return sorted(set(values))
    longest: dict[str, int] = {}
    for value, text in zip(values, test.inputs, strict=True):
        longest[value] = max(longest.get(value, 0), len(text))
    return sorted(longest, key=lambda value: longest[value])


def slices(
    config: EvaluateConfig,
    graded: Mapping[str, Graded],
    test: Dataset,
    *,
    reference: str,
    declared: bool,
) -> tuple[SliceRow, ...]:
    """Accuracy on each part, for columns with at least two values, beside the reference's.

    The p of every comparison is corrected over all parts and candidates shown (Holm).

    Args:
        config: which columns, the level.
        graded: the measured candidates.
        test: the rows answered.
        reference: what each is compared with; it need not be measured.
        declared: whether the recipe named the reference.
    """
    rows = []
    for column, values in columns(config.slices, test).items():
        parts = _in_order(column, values, test)
        for part in parts if len(parts) > 1 else ():
            where = np.array([v == part for v in values], dtype=bool)
            for name, one in graded.items():
                row = SliceRow(
                    column=column,
                    value=part or "unknown",
                    candidate=name,
                    metric="accuracy",
                    estimate=one.accuracy(level=config.level, where=where),
                )
                if reference in graded and name != reference:
                    row = replace(
                        row, difference=_beside(one, graded[reference], where, row, config, declared)
                    )
                rows.append(row)
    return _corrected(rows)


def _beside(
    one: Graded,
    reference: Graded,
    where: np.ndarray,
    row: SliceRow,
    config: EvaluateConfig,
    declared: bool,
) -> Claim:
    both = pair(one, reference, where=where)
    part = f"{row.column} = {row.value}"
    return Claim(
        hypothesis=f"accuracy({one.name}) = accuracy({reference.name}) where {part}",
        margin=None,
        test="score test with design effect" if both.clustering.repeats else "McNemar mid-P",
        n=both.rows,
        clusters=both.clustering.count,
        p_raw=both.p_differs(),
        p_corrected=None,
        estimate=both.difference(level=config.level),
        declared=declared,
    )


def _corrected(rows: Sequence[SliceRow]) -> tuple[SliceRow, ...]:
    claims = iter(correct([r.difference for r in rows if r.difference is not None]))
    return tuple(r if r.difference is None else replace(r, difference=next(claims)) for r in rows)
