"""Dated figures, each row with its own source: read from the CSV files beside this one."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from sazon.core.errors import RecipeError

Row = dict[str, str]


@cache
def rows(table: str) -> tuple[Row, ...]:
    """All rows of one table (`gpus`, `gpu_rental`, `electricity`, …)."""
    text = (files(__package__) / f"{table}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def row(table: str, key: str, name: str, *, what: str) -> Row:
    """The row whose `key` column is `name`.

    Raises:
        RecipeError: no such row; the nearest known name is offered.
    """
    held = {r[key]: r for r in rows(table)}
    found = held.get(name)
    if found is None:
        raise unknown(what, name, sorted(held))
    return found


def unknown(what: str, name: str, known: Sequence[str]) -> RecipeError:
    """The error for a name the catalogue does not hold."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    listed = f"Known: {', '.join(known)}." if len(known) <= 30 else ""
    return RecipeError(f"unknown {what} {name!r}", mend=f"{hint}{listed}".strip())
