"""How firm a choice is: probability of being best, labels that would settle it, what flips it.

The cost of a candidate in a world is `fixed + use + errors`; `use` and `errors` grow in
proportion to demand, `errors` in proportion to the value of an error and to the error rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sazon.core.types import Costs, Estimate, Floats, QualityDraws

TIE = 1e-9
"""Totals closer than this, relatively, are equal and share their world."""
MOST_LABELS = 100_000
FACTORS = np.geomspace(1e-3, 1e3, 121)


@dataclass(frozen=True, kw_only=True)
class Futures:
    """The costs of the candidates that are compared; arrays of shape (worlds, candidates)."""

    names: tuple[str, ...]
    fixed: Floats
    use: Floats
    wrong: Floats
    """Error rate."""
    all_wrong: Floats
    """Cost of errors if every answer were wrong."""
    measured: tuple[bool, ...]
    """Whose quality more labels would narrow down."""

    @property
    def total(self) -> Floats:
        """Cost over the horizon, errors included."""
        return self.at()

    def at(self, *, demand: float = 1.0, error_value: float = 1.0, spread: float = 1.0) -> Floats:
        """Total with demand or the value of an error multiplied, or measured quality narrowed."""
        wrong = self.wrong
        if spread != 1.0:
            middle = wrong.mean(axis=0)
            narrowed = middle + spread * (wrong - middle)
            wrong = np.where(np.array(self.measured), narrowed, wrong)
        return self.fixed + demand * (self.use + error_value * wrong * self.all_wrong)


def futures_of(costs: Costs, quality: QualityDraws, names: Sequence[str]) -> Futures:
    """The simulated futures of some candidates."""
    columns = [costs.candidates.index(name) for name in names]
    errors, all_wrong = costs.parts["errors"][:, columns], costs.parts["all_wrong"][:, columns]
    wrong = np.divide(errors, all_wrong, out=np.zeros_like(errors), where=all_wrong > 0)
    return Futures(
        names=tuple(names),
        fixed=costs.parts["fixed"][:, columns],
        use=costs.parts["use"][:, columns],
        wrong=wrong,
        all_wrong=all_wrong,
        measured=tuple(quality.kinds.get(name) == "measured" for name in names),
    )


def best_shares(total: Floats) -> Floats:
    """Share of worlds in which each candidate is cheapest, shape (candidates,); ties shared."""
    least = total.min(axis=1, keepdims=True)
    first = total <= least + TIE * np.maximum(np.abs(least), 1.0)
    return np.asarray((first / first.sum(axis=1, keepdims=True)).mean(axis=0))


def labels_needed(futures: Futures, *, n: int, confidence: float) -> Estimate:
    """Further test labels expected to make one candidate best in enough futures.

    With m more labels the spread of each measured error rate shrinks to √(n / (n + m)) of
    what it is, around its present mean; what is assumed keeps its spread. The least m with
    max P(best) ≥ confidence is found by bisection. It is an expectation, not a promise: the
    mean will move too.

    Args:
        futures: of the candidates that pass the gates.
        n: test labels so far (clusters where grouped).
        confidence: share of futures that settles it.

    Returns:
        Labels; 0 where it is settled; undefined where labels cannot settle it.
    """
    unit = "labels"

    def settled(more: float) -> bool:
        spread = math.sqrt(n / (n + more)) if math.isfinite(more) else 0.0
        return float(best_shares(futures.at(spread=spread)).max()) >= confidence

    method = "posterior spread shrunk by √(n/(n+m)) around today's means; bisection"
    if settled(0):
        return Estimate(value=0.0, unit=unit, method=method, n=n, kind="assumed")
    if n < 1 or not any(futures.measured):
        return Estimate.none("no quality was measured here", unit=unit, n=n)
    if not settled(math.inf):
        return Estimate.none(
            "the uncertainty is in prices, demand or assumed quality, not in labels", unit=unit, n=n
        )
    if not settled(MOST_LABELS):
        return Estimate.none(f"more than {MOST_LABELS:,} further labels", unit=unit, n=n)
    more = _least(settled, 0, MOST_LABELS)
    return Estimate(value=float(more), unit=unit, method=method, n=n, kind="assumed")


def _least(holds: Callable[[float], bool], low: int, high: int) -> int:
    """The least whole number above `low` for which a monotone condition holds; it holds at high."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The nearest factor on an input at which another candidate becomes the front-runner."""

    factor: float
    other: str

    @property
    def side(self) -> str:
        """`above` or `below` today's value."""
        return "above" if self.factor > 1 else "below"


def turns(futures: Futures, choice: str, total_at: Callable[[float], Floats]) -> list[Turn]:
    """Where the front-runner changes as one input is multiplied: at most one below and one above.

    Args:
        futures: of the candidates that pass the gates.
        choice: today's front-runner.
        total_at: totals with the input multiplied by a factor in [1/1000, 1000].
    """
    mine = futures.names.index(choice)

    def leader(factor: float) -> int:
        shares = best_shares(total_at(factor))
        return mine if shares[mine] >= shares.max() - TIE else int(np.argmax(shares))

    found = []
    for side in (FACTORS[FACTORS < 1][::-1], FACTORS[FACTORS > 1]):
        near = 1.0
        for far in (float(f) for f in side):
            if leader(far) != mine:
                factor = _refine(lambda f: leader(f) != mine, near, far)
                found.append(Turn(factor=factor, other=futures.names[leader(factor)]))
                break
            near = far
    return found


def _refine(changed: Callable[[float], bool], near: float, far: float) -> float:
    for _ in range(8):
        middle = math.sqrt(near * far)
        near, far = (near, middle) if changed(middle) else (middle, far)
    return far


def strongest_driver(gap: Floats, inputs: Mapping[str, Floats]) -> str | None:
    """The input whose rank correlation with the gap between two candidates is largest.

    Args:
        gap: shape (worlds,), total of one minus total of the other.
        inputs: uncertain input → shape (worlds,).

    Returns:
        Its name, or None where nothing moves the gap.
    """
    moving = {name: column for name, column in inputs.items() if np.ptp(column) > 0}
    if not moving or np.ptp(gap) <= TIE * max(float(np.abs(gap).max()), 1.0):
        return None
    from scipy.stats import rankdata

    ranks = rankdata(gap)
    sizes = {n: abs(float(np.corrcoef(ranks, rankdata(c))[0, 1])) for n, c in moving.items()}
    return max(sizes, key=lambda name: sizes[name])


def accuracy_to_match(futures: Futures, name: str, other: str) -> Estimate:
    """The accuracy at which a candidate costs as much as another in the median future.

    In world w: 1 − (total_other − fixed − use) / all_wrong. P50 with P10 and P90 over worlds;
    above 1 it cannot match in that future however good, below 0 it does however bad.
    """
    i, j = futures.names.index(name), futures.names.index(other)
    worth = futures.all_wrong[:, i]
    unit = "share"
    if (worth <= 0).any():
        return Estimate.none("errors cost nothing", unit=unit)
    room = futures.total[:, j] - futures.fixed[:, i] - futures.use[:, i]
    low, middle, high = (float(q) for q in np.quantile(1 - room / worth, [0.1, 0.5, 0.9]))
    return Estimate(
        value=middle,
        low=low,
        high=high,
        level=0.8,
        unit=unit,
        method=f"accuracy at which it costs what {other} costs, P10/P50/P90 over worlds",
        n=worth.shape[0],
        kind="assumed",
    )
