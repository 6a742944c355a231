"""Paired bootstrap of ten candidates on 3,000 rows, against `scipy.stats.bootstrap` in the same run.

    python benchmarks/bootstrap.py [--rounds 3] [--resamples 10000] [--out FILE.json]

All give the BCa interval of the difference in accuracy of nine candidates to the tenth. scipy is asked
in two ways: as its documentation has it (`paired=True`, one call for each difference), and with the
differences taken row by row first, so that one vectorised call does all. One thread each, turn by
turn, medians over the rounds. Beside the times: how far the bounds lie apart, and how far scipy's own
vary from seed to seed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from sazon.stats.clusters import Clustering
from sazon.stats.resampling import resample

ROWS, CANDIDATES = 3_000, 10
GOAL = 20.0


def ours(scores: np.ndarray, clustering: Clustering, *, seed: int, resamples: int) -> np.ndarray:
    """Bounds of every difference to the first candidate, shape (candidates − 1, 2)."""
    found = resample(scores, clustering, rng=np.random.default_rng(seed), resamples=resamples)
    estimates = [found.difference(j, 0) for j in range(1, scores.shape[1])]
    return np.array([(e.low, e.high) for e in estimates])


def documented(scores: np.ndarray, *, seed: int, resamples: int) -> np.ndarray:
    """The same by scipy, one paired call for each difference."""
    rng = np.random.default_rng(seed)

    def gap(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.mean(one, axis=axis) - np.mean(other, axis=axis))

    bounds = []
    for j in range(1, scores.shape[1]):
        pair = (scores[:, j], scores[:, 0])
        found = stats.bootstrap(
            pair, gap, paired=True, vectorized=True, n_resamples=resamples, batch=200, rng=rng
        )
        bounds.append((found.confidence_interval.low, found.confidence_interval.high))
    return np.array(bounds)


def differences_first(scores: np.ndarray, *, seed: int, resamples: int) -> np.ndarray:
    """The same by scipy, one call on the differences of the rows."""
    found = stats.bootstrap(
        ((scores[:, 1:] - scores[:, :1]).T,),
        np.mean,
        n_resamples=resamples,
        axis=-1,
        vectorized=True,
        batch=100,
        rng=np.random.default_rng(seed),
    )
    return np.stack([found.confidence_interval.low, found.confidence_interval.high], axis=1)


def main() -> None:
    """Time both, compare the bounds, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    hard = rng.random((ROWS, 1))
    scores = 0.6 * hard + 0.4 * rng.random((ROWS, CANDIDATES)) < np.linspace(0.7, 0.85, CANDIDATES)
    scores = scores.astype(np.float64)
    clustering = Clustering(codes=np.arange(ROWS), count=ROWS)
    ways: dict[str, Callable[[int], np.ndarray]] = {
        "sazon": lambda seed: ours(scores, clustering, seed=seed, resamples=given.resamples),
        "scipy, as documented": lambda seed: documented(scores, seed=seed, resamples=given.resamples),
        "scipy, differences first": lambda seed: differences_first(
            scores, seed=seed, resamples=given.resamples
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    bounds: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for seed in range(given.rounds):
        for name, work in ways.items():
            began = time.perf_counter()
            bounds[name].append(work(seed))
            times[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(t) for name, t in times.items()}
    print(f"{given.resamples:,} paired resamples of {CANDIDATES} candidates on {ROWS:,} rows, one thread")
    for name, seconds in middle.items():
        ratio = seconds / middle["sazon"]
        told = "" if name == "sazon" else f"   ratio {ratio:5.1f}×   to reach {GOAL:.0f}×"
        told += "" if name == "sazon" else f"   {'met' if ratio >= GOAL else 'NOT met'}"
        print(f"{name:<26}{seconds:7.2f} s   (min {min(times[name]):.2f}, max {max(times[name]):.2f}){told}")
    peer = bounds["scipy, as documented"]
    apart = float(np.abs(np.mean(bounds["sazon"], axis=0) - np.mean(peer, axis=0)).max())
    noise = float(np.std(peer, axis=0, ddof=1).max()) if given.rounds > 1 else float("nan")
    print(f"bounds at most {apart:.5f} apart; scipy's own vary by {noise:.5f} from seed to seed")
    if given.out:
        content = {"seconds": times, "apart": apart, "scipy_spread": noise}
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
