"""Queues in front of servers: how likely a wait is, and how long the slowest few wait."""

from __future__ import annotations

import numpy as np

from sazon.core.types import Floats

TAIL = 0.05
"""Share of requests that may wait longer than the limit."""
NEWTON_STEPS = 8
"""Six reach the root to the last digit, whatever the slack."""


def erlang_c(servers: int, offered: float) -> float:
    """Probability that a request must wait, M/M/m (Erlang 1917), by the Erlang B recursion.

    Args:
        servers: m, at least 1.
        offered: arrival rate × service time, in servers; 1 where it is m or more.
    """
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for j in range(1, servers + 1):
        blocked = offered * blocked / (j + offered * blocked)
    share = offered / servers
    return blocked / (1 - share * (1 - blocked))


def tail_wait(load: float, *, servers: int = 1, tail: float = TAIL) -> float:
    """The wait that a share `tail` of requests exceeds, in service times; fixed service times.

    ``P(W > t) ≈ C(m, mρ)·exp(−2m(1−ρ)t)``: the exponential tail of M/D/m, whose mean wait is
    half of that of M/M/m (for one server the usual M/D/1 approximation with C = ρ).

    Args:
        load: ρ in [0, 1); infinite from 1 on.
        servers: m.
        tail: inside (0, 1).
    """
    if load >= 1:
        return float("inf")
    waits = erlang_c(servers, load * servers)
    return float(np.log(waits / tail) / (2 * servers * (1 - load))) if waits > tail else 0.0


def largest_load(slack: Floats, *, tail: float = TAIL) -> Floats:
    """Largest ρ of one server with ``ρ·exp(−2(1−ρ)s) ≤ tail``, elementwise.

    Args:
        slack: s, the wait allowed in service times; below 0 counts as 0.
        tail: inside (0, 1).
    """
    allowed = 2 * np.maximum(slack, 0.0)
    goal = np.log(tail) + allowed
    # ln ρ + 2sρ rises and is convex in y = ln ρ: Newton's steps from ρ = 1 come down to the root, and
    # never below it.
    y = np.zeros_like(allowed)
    for _ in range(NEWTON_STEPS):
        grown = allowed * np.exp(y)
        y -= (y + grown - goal) / (1 + grown)
    return np.asarray(np.exp(y) * (1 - 1e-12))  # on the safe side of rounding
