"""Simulated coverage of the intervals, levels of the tests, and violations of the certificates.

    python benchmarks/coverage.py [--quick] [--out FILE.json]

Intervals of a share are enumerated, so their coverage is exact. The others are simulated: paired worlds
(Tango, McNemar), clustered worlds (shares and differences with CR1), and cascades of the world in which
the local model is right on 85 %, the other on 93 % of the rows.

Asked: exact methods keep their level everywhere; the others, averaged over p, are within 1.5 points of
nominal, their worst cells shown; cluster-robust ones from 40 clusters on; certificates are violated no
more often than δ (one-sided 99 % lower bound).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from sazon.core.types import Estimate
from sazon.stats.betting import certify_net
from sazon.stats.certify import certify_harm
from sazon.stats.clusters import Clustering, share
from sazon.stats.paired import Pair, mcnemar
from sazon.stats.proportions import Method, bounds

SIZES = (20, 50, 100, 200, 500, 1000, 2000)
SHARES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
CLOSE = 0.015
"""How far from nominal the average over p may be."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the result."""

    method: str
    world: str
    value: float
    asked: str
    met: bool | None


def inside(estimate: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth; one without bounds does not."""
    if estimate.low is None or estimate.high is None:
        return False
    return estimate.low <= truth <= estimate.high


def lower(k: int, n: int) -> float:
    """One-sided exact 99 % lower bound of a share: what is above it is no accident of the simulation."""
    return float(stats.beta.ppf(0.01, k, n - k + 1)) if k else 0.0


# --------------------------------------------------------------------------- shares


def exact_coverage(method: Method, n: int, p: float, *, level: float = 0.95) -> float:
    """P(low ≤ p ≤ high) over Binomial(n, p), by adding up every outcome."""
    chances = stats.binom.pmf(np.arange(n + 1), n, p)
    covered = [
        low <= p <= high for low, high in (bounds(k, n, level=level, method=method) for k in range(n + 1))
    ]
    return float(chances[np.array(covered)].sum())


def shares(sizes: Sequence[int]) -> list[Cell]:
    """Wilson, Clopper–Pearson and Jeffreys."""
    cells = []
    methods: tuple[Method, ...] = ("clopper-pearson", "wilson", "jeffreys")
    for method in methods:
        for n in sizes:
            found = {p: exact_coverage(method, n, p) for p in SHARES}
            worst = min(found, key=lambda p: found[p])
            least, average = found[worst], float(np.mean(list(found.values())))
            if method == "clopper-pearson":
                cells.append(_cell(method, f"n={n}, worst p={worst}", least, "≥ .95", least >= 0.95 - 1e-9))
            else:
                world = f"n={n}, worst {least:.3f} at p={worst}"
                cells.append(_cell(method, world, average, "within .015", abs(average - 0.95) <= CLOSE))
    return cells


# ---------------------------------------------------------------------------- pairs


def pairs(sizes: Sequence[int], trials: int, rng: np.random.Generator) -> list[Cell]:
    """Coverage of Tango's interval; level of McNemar's tests and of the test of not being worse."""
    cells = []
    for n in sizes:
        alone = Clustering(codes=np.arange(n), count=n)
        covered, exact, mid, inferior = [], 0, 0, 0
        for b, c in ((0.06, 0.03), (0.1, 0.1), (0.02, 0.01), (0.2, 0.05)):
            hits = 0
            for counts in rng.multinomial(n, [b, c, 1 - b - c], size=trials):
                hits += inside(_pair(counts, n, alone).difference(), b - c)
            covered.append(hits / trials)
        for counts in rng.multinomial(n, [0.06, 0.06, 0.88], size=trials):
            exact += mcnemar(int(counts[0]), int(counts[1]), mid=False) <= 0.05
            mid += mcnemar(int(counts[0]), int(counts[1])) <= 0.05
        for counts in rng.multinomial(n, [0.04, 0.09, 0.87], size=trials):
            inferior += (_pair(counts, n, alone).p_inferior(0.05) or 0.0) <= 0.05
        average = float(np.mean(covered))
        world = f"n={n}, worst {min(covered):.3f}"
        cells.append(_cell("Tango difference", world, average, "within .015", abs(average - 0.95) <= CLOSE))
        for name, rejected, most in (
            ("McNemar exact", exact, 0.05),
            ("McNemar mid-P", mid, 0.05 + CLOSE),
            ("Tango not worse", inferior, 0.05 + CLOSE),
        ):
            low = lower(rejected, trials)
            told = f"n={n}, lower bound {low:.3f}"
            cells.append(_cell(name, told, rejected / trials, f"bound ≤ {most:.3f}", low <= most))
    return cells


def _pair(counts: np.ndarray, n: int, clustering: Clustering) -> Pair:
    return Pair(
        b=float(counts[0]),
        c=float(counts[1]),
        n=float(n),
        rows=n,
        discordant=int(counts[0] + counts[1]),
        clustering=clustering,
        effect=1.0,
    )


# ------------------------------------------------------------------------- clusters


def clustered(trials: int, rng: np.random.Generator) -> list[Cell]:
    """Shares and differences of rows that come ten to a cluster, correlation .3 inside."""
    cells = []
    for groups in (10, 20, 40, 80):
        clustering = Clustering(codes=np.repeat(np.arange(groups), 10), count=groups)
        covered: dict[str, list[float]] = {"share": [], "difference": []}
        for p in (0.6, 0.8, 0.9):
            hits = {"share": 0, "difference": 0}
            for _ in range(trials):
                first, second = (_alike(p, groups, 0.3, rng) for _ in range(2))
                hits["share"] += inside(share(first, clustering), p)
                hits["difference"] += inside(Pair.of(first, second, clustering).difference(), 0.0)
            for name, count in hits.items():
                covered[name].append(count / trials)
        for name, found in covered.items():
            average = float(np.mean(found))
            met = abs(average - 0.95) <= CLOSE if groups >= 40 else None
            asked = "within .015" if groups >= 40 else "not claimed"
            world = f"{groups} clusters of 10, worst {min(found):.3f}"
            cells.append(_cell(f"cluster-robust {name}", world, average, asked, met))
    return cells


def _alike(p: float, groups: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Ten rows a cluster, right with a chance drawn once for the cluster (Beta)."""
    weight = 1 / correlation - 1
    chance = rng.beta(p * weight, (1 - p) * weight, size=groups)
    return np.asarray(rng.random(groups * 10) < np.repeat(chance, 10))


# --------------------------------------------------------------------- certificates


COMPARED = {
    "exact harm": {200: 0.33, 500: 0.37, 1000: 0.40, 2000: 0.42},
    "net loss": {200: 0.31, 500: 0.45, 1000: 0.51, 2000: 0.55},
}
"""Local shares of the same two methods in an earlier simulation (400 splits) of a cascade of the same
accuracies, in which knowing everything would keep 48 % (harm) and 65 % (net) local."""


def world(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trust, whether local is right, whether the other is: .85 and .93.

    How much of either the ease of a row tells, and how much of the ease trust sees, is set so that
    knowing everything keeps as much local as in the simulation compared with.
    """
    ease, first, second, blur = rng.normal(size=(4, n))
    local = 0.8 * ease + 0.6 * first > stats.norm.ppf(0.15)
    other = 0.6 * ease + 0.8 * second > stats.norm.ppf(0.07)
    return stats.norm.cdf(ease + blur), local, other


def certificates(trials: int, rng: np.random.Generator) -> list[Cell]:
    """How often the true harm lies above ε at the threshold certified, and how much stays local."""
    trust, local, other = world(400_000, rng)
    order = np.argsort(-trust)
    ranked = -trust[order]
    harm_up_to = np.concatenate([[0], np.cumsum((~local & other)[order])]) / len(trust)
    loss_up_to = np.concatenate([[0], np.cumsum(other[order].astype(int) - local[order])]) / len(trust)
    grid = np.quantile(trust, np.linspace(0, 1, 101))
    most = [int(np.flatnonzero(curve <= 0.02).max()) / len(trust) for curve in (harm_up_to, loss_up_to)]
    cells = [
        _cell("knowing everything", f"{name}, local share", share, "", None)
        for name, share in zip(COMPARED, most, strict=True)
    ]
    for n in (200, 500, 1000, 2000):
        for name in ("exact harm", "net loss"):
            violated, kept = 0, []
            for _ in range(trials):
                t, near, far = world(n, rng)
                if name == "exact harm":
                    found = certify_harm(t, ~near & far, epsilon=0.02, delta=0.1)
                else:
                    loss = far.astype(float) - near
                    found = certify_net(t, loss, grid, epsilon=0.02, delta=0.1, rng=rng)
                if found.threshold is None:
                    kept.append(0.0)
                    continue
                taken = int(np.searchsorted(ranked, -found.threshold, side="right"))
                kept.append(taken / len(trust))
                truth = harm_up_to if name == "exact harm" else loss_up_to
                violated += truth[taken] > 0.02
            low = lower(violated, trials)
            told = f"n={n}, local share {np.mean(kept):.2f}, lower bound {low:.3f}"
            cells.append(_cell(f"certificate, {name}", told, violated / trials, "bound ≤ .10", low <= 0.1))
            ratio, asked = float(np.mean(kept)) / COMPARED[name][n], f"n={n}, over {COMPARED[name][n]:.2f}"
            cells.append(_cell(f"local share, {name}", asked, ratio, "≥ .90", ratio >= 0.9))
    return cells


# ----------------------------------------------------------------------------- main


def _cell(method: str, where: str, value: float, asked: str, met: bool | None) -> Cell:
    return Cell(
        method=method, world=where, value=float(value), asked=asked, met=None if met is None else bool(met)
    )


def main() -> None:
    """Run every world and print one line a cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer trials: half a minute")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    sizes = (20, 100, 500) if given.quick else SIZES
    cells = shares(sizes)
    cells += pairs(sizes, 300 if given.quick else 2000, rng)
    cells += clustered(200 if given.quick else 1500, rng)
    cells += certificates(100 if given.quick else 1000, rng)
    for cell in cells:
        said = {True: "met", False: "NOT met", None: ""}[cell.met]
        print(f"{cell.method:<28}{cell.world:<52}{cell.value:7.4f}   {cell.asked:<12} {said}")
    if given.out:
        given.out.write_text(json.dumps([asdict(c) for c in cells], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
