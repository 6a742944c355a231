"""Machines that stand ready for the busiest minute of each month, and some to spare.

Most fleets never grow: one machine and its spare suffice from the first month to the last. Such a fleet
costs a number of machines times what one costs; only in the worlds where it grows is it followed month by
month.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sazon.core.types import Floats
from sazon.economics.market import Market, Path

Whole = np.ndarray[tuple[int], np.dtype[np.intp]]


class Fleet:
    """Servers or GPUs of one option in every world."""

    def __init__(
        self, market: Market, load: Floats, *, spares: int, group: int = 1, life_years: float = 1.0
    ) -> None:
        """Size it for the peaks of a market.

        Args:
            market: demand and money.
            load: shape (worlds,), groups kept busy by one request per second.
            spares: groups beyond need.
            group: machines that only work together.
            life_years: a machine serves this long.
        """
        self._market, self._spares, self._group, self._life_years = market, spares, group, life_years
        self._busy = market.peak_per_request * load
        self._least = float(group * (1 + spares))
        low, high = (self._need(requests, self._busy) for requests in market.extremes)
        self._size = high
        self._growing: Whole = np.flatnonzero(high > low)

    def _need(self, requests: Floats, busy: Floats) -> Floats:
        """Machines for requests in a month: never none, as somebody may ask."""
        need = requests * busy
        np.ceil(need, out=need)
        np.maximum(need, 1, out=need)
        need += self._spares
        need *= self._group
        return need

    def _need_of(self, worlds: Whole | slice) -> Floats:
        return self._need(_rows(self._market.requests, worlds), self._busy[worlds, None])

    @cached_property
    def _grown(self) -> Floats:
        """Machines month by month in the worlds where their number changes."""
        return self._need_of(self._growing)

    @cached_property
    def _bought(self) -> Floats:
        return purchases(self._grown, self._life_years)

    def _with_grown(self, constant: Floats, grown: Floats) -> Floats:
        """What a fleet costs, by whether it grows."""
        constant[self._growing] = grown
        return constant

    @cached_property
    def machine_months(self) -> Floats:
        """Shape (worlds,): machines, added up over the months."""
        return self._with_grown(self._size * self._market.months, self._grown.sum(axis=1))

    @cached_property
    def needed(self) -> Path:
        """A machine for a month, paid at its end."""
        end, one = self._market.end, self._market.standing.today
        return Path(
            today=self._with_grown(self._size * one, (self._grown * _rows(end, self._growing)).sum(axis=1)),
            idle=self._least * one,
            monthly=lambda: self._need_of(slice(None)) * end,
        )

    @cached_property
    def bought(self) -> Path:
        """A machine, paid at the start of the month; anew at the end of its life."""
        start = self._market.start
        one = start[:, :: life_months(self._life_years)].sum(axis=1)
        return Path(
            today=self._with_grown(
                self._size * one, (self._bought * _rows(start, self._growing)).sum(axis=1)
            ),
            idle=self._least * one,
            first=self._with_grown(self._size.copy(), self._bought[:, 0]) * start[:, 0],
            monthly=lambda: purchases(self._need_of(slice(None)), self._life_years) * start,
        )

    def resale(self, kept: Floats) -> tuple[Floats, Floats]:
        """What the machines alive at the horizon sell for, and what they would if nobody asked.

        Args:
            kept: shape (worlds,), what a machine still sells for after 36 months, as a share.

        Returns:
            Shape (worlds,) each, in prices of a new machine, in today's money.
        """
        months, end = self._market.months, self._market.end[:, -1]
        ages = [months - born for born in range(0, months, life_months(self._life_years))]
        one = sum((kept ** (age / 36) for age in ages if self._sells(age)), np.zeros_like(kept))
        a_month, grown = kept[self._growing] ** (1 / 36), np.zeros(len(self._growing))
        for month in range(months):
            if self._sells(months - month):
                grown += self._bought[:, month]
            grown *= a_month
        return self._with_grown(self._size * one, grown) * end, self._least * one * end

    def _sells(self, age_months: int) -> bool:
        return age_months / 12 < self._life_years


def _rows(path: Floats, worlds: Whole | slice) -> Floats:
    """Some worlds of a path that lies month by month in memory; the same where they are all."""
    if isinstance(worlds, slice) or len(worlds) == len(path):
        return path
    return np.take(path.T, worlds, axis=1).T


def life_months(life_years: float) -> int:
    """Whole months that a machine serves."""
    return max(round(life_years * 12), 1)


def purchases(need: Floats, life_years: float) -> Floats:
    """Units to buy at the start of each month so that enough are always alive.

    Args:
        need: shape (worlds, months), units needed in each month.
        life_years: a unit serves this long.

    Returns:
        Shape (worlds, months).
    """
    life = life_months(life_years)
    bought = np.empty_like(need)
    alive = np.zeros(need.shape[0])
    for month in range(need.shape[1]):
        if month >= life:
            alive -= bought[:, month - life]
        np.subtract(need[:, month], alive, out=bought[:, month])
        np.maximum(bought[:, month], 0, out=bought[:, month])
        alive += bought[:, month]
    return bought
