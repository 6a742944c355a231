"""Joint draws of every uncertain input: one column an input, one row a possible future.

World i is the same for all candidates, and belongs to draw i of quality.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from sazon.core.rng import stream
from sazon.core.types import Floats
from sazon.economics import catalogue
from sazon.economics.ranges import Range
from sazon.economics.together import Correlation, matrix_of

Found = TypeVar("Found")
InputRow = Mapping[str, str | float | None]


class Once:
    """What several options need, found for the first of them."""

    def __init__(self) -> None:
        """Nothing is found yet."""
        self._found: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """What was found under the key."""
        if key not in self._found:
            self._found[key] = find()
        found: Found = self._found[key]
        return found


class Worlds:
    """Draws inputs by name, each once, and remembers what was drawn.

    Latin hypercube points (one draw in each of n equal slices of probability; McKay,
    Beckman and Conover 1979). Each input has a random stream of its own, keyed by its
    name: adding a candidate or an input never shifts the draws of another.
    """

    def __init__(self, count: int, *, seed: int, correlations: Sequence[Correlation] = ()) -> None:
        """Prepare `count` worlds."""
        self.count = count
        self._correlations = correlations
        self._seed = seed
        self._columns: dict[str, Floats] = {}
        self._rows: list[InputRow] = []
        self.once = Once()

    def block(self, start: int, stop: int) -> Block:
        """Some of the worlds, so that a million need not be in memory month by month."""
        return Block(self, slice(start, min(stop, self.count)))

    def stream(self, name: str) -> np.random.Generator:
        """A random stream of its own, for what is not one number a world."""
        return stream(self._seed, f"economics.{name}")

    def draw(self, name: str, amount: Range, *, unit: str) -> Floats:
        """Values of one input, shape (worlds,); the same array when asked again by name."""
        if name not in self._columns:
            self._columns[name] = (
                np.full(self.count, amount.at(0.5)) if amount.certain else amount.quantile(self._points(name))
            )
            self._rows.append(row_of(name, amount, unit))
        return self._columns[name]

    def _points(self, name: str) -> Floats:
        """Where in its distribution an input lies in each world, inside (0, 1)."""
        return self._together[name] if name in self._together else self._alone(name)

    def _alone(self, name: str) -> Floats:
        random = self.stream(name)
        slices = np.arange(self.count, dtype=np.int32)  # of half the size, a third of the time
        random.shuffle(slices)
        points = random.random(self.count)
        points += slices
        points /= self.count
        return np.clip(points, 1e-12, 1 - 1e-12, out=points)

    @cached_property
    def _together(self) -> Mapping[str, Floats]:
        """Points of the inputs that move together."""
        names, matrix = matrix_of(self._correlations)
        if not names:
            return {}
        from sazon.stats.correlation import correlated

        points = np.stack([self._alone(name) for name in names], axis=1)
        return dict(zip(names, correlated(points, matrix).T, strict=True))

    def check_names(self) -> None:
        """See that every correlated input was drawn.

        Raises:
            RecipeError: one was not; the nearest name is offered.
        """
        for name in self._together:
            if name not in self._columns:
                raise catalogue.unknown(
                    "uncertain input in economics.correlations", name, sorted(self._columns)
                )

    def note(self, row: InputRow) -> None:
        """Add to the list of inputs a figure that is not drawn."""
        if row not in self._rows:
            self._rows.append(row)

    @property
    def columns(self) -> Mapping[str, Floats]:
        """Every uncertain input drawn so far, by name."""
        return {n: c for n, c in self._columns.items() if c.min() < c.max()}

    @property
    def rows(self) -> tuple[InputRow, ...]:
        """Every input used, for the report."""
        return tuple(self._rows)


class Block:
    """A run of worlds out of all, drawn from like the whole."""

    def __init__(self, worlds: Worlds, rows: slice) -> None:
        """Look at `rows` of `worlds`."""
        self.worlds = worlds
        self.rows = rows
        self.count = rows.stop - rows.start
        self.once = Once()

    def draw(self, name: str, amount: Range, *, unit: str) -> Floats:
        """Values of one input in these worlds."""
        return self.worlds.draw(name, amount, unit=unit)[self.rows]

    def note(self, row: InputRow) -> None:
        """Add to the list of inputs a figure that is not drawn."""
        self.worlds.note(row)


def stale_inputs(inputs: Sequence[InputRow], *, on: datetime.date, days: int = 180) -> list[str]:
    """Names of dated inputs older than `days`; a month or a year counts from its last day."""
    oldest = (on - datetime.timedelta(days=days)).isoformat()
    return [str(r["name"]) for r in inputs if r["date"] and str(r["date"]) < oldest[: len(str(r["date"]))]]


def row_of(name: str, amount: Range, unit: str) -> InputRow:
    """An uncertain input as the report lists it."""
    return {
        "name": name,
        "value": amount.at(0.5),
        "low": amount.at(0.1),
        "high": amount.at(0.9),
        "unit": unit,
        "distribution": amount.distribution,
        "kind": amount.kind,
        "source": amount.source,
        "date": amount.date,
    }
