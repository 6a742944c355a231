"""Scores: one row per example × candidate × metric, the table everything else can be counted from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from sazon.core.errors import IntegrityError
from sazon.core.seams import Scorer
from sazon.core.types import Dataset, Floats, Scores
from sazon.evaluate.scorers import exact
from sazon.evaluate.sheets import AnswerSheet

SCHEMA: dict[str, type[pl.DataType]] = {
    "example": pl.String,
    "group": pl.String,
    "candidate": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "confidence": pl.Float64,
    "tokens": pl.Float64,
    "seconds": pl.Float64,
    "money": pl.Float64,
    "error": pl.String,
}
FILE = "scores.parquet"


def score(
    sheets: Mapping[str, AnswerSheet],
    test: Dataset,
    *,
    scorer: Scorer = exact,
    metric: str = "accuracy",
) -> Scores:
    """Score every answer; a missing answer has no value and says why.

    Args:
        sheets: per candidate; empty ones (assumed, published) have no rows.
        test: the rows they answered.
        scorer: pure (output, target) → [0, 1].
        metric: name of what the scorer measures; `latency_s` rows are added where measured.

    Raises:
        IntegrityError: a sheet belongs to other rows.
    """
    parts = [pl.DataFrame(schema=SCHEMA)]
    for name, sheet in sheets.items():
        if not sheet.aligned(test).examples:
            continue
        values = [
            None if label is None else float(scorer(label, target))
            for label, target in zip(sheet.labels, test.targets, strict=True)
        ]
        whole = _rows(name, sheet, test, metric, values)
        times = _rows(name, sheet, test, "latency_s", _nullable(sheet.seconds))
        parts += [whole, times.filter(pl.col("value").is_not_null())]
    return Scores(table=pl.concat(parts))


def _rows(
    name: str, sheet: AnswerSheet, test: Dataset, metric: str, values: list[float | None]
) -> pl.DataFrame:
    n = len(test)
    columns = {
        "example": test.ids,
        "group": test.groups,
        "candidate": [name] * n,
        "metric": [metric] * n,
        "value": values,
        "confidence": _nullable(sheet.confidence),
        "tokens": _nullable(sheet.tokens),
        "seconds": _nullable(sheet.seconds),
        "money": _nullable(sheet.money),
        "error": list(sheet.errors),
    }
    return pl.DataFrame(columns, schema=SCHEMA)


def _nullable(values: Floats) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values]


def write_scores(scores: Scores, directory: Path) -> Path:
    """Write `scores.parquet`."""
    path = directory / FILE
    scores.table.write_parquet(path)
    return path


def read_scores(directory: Path) -> Scores:
    """Read `scores.parquet`.

    Raises:
        IntegrityError: missing, cut, or with other columns.
    """
    path = directory / FILE
    mend = "Remove the folder and run again."
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise IntegrityError("no readable scores here", where=str(path), mend=mend) from error
    if table.columns != list(SCHEMA):
        raise IntegrityError("these are not sazon's scores", where=str(path), mend=mend)
    return Scores(table=table)
