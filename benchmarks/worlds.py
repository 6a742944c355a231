"""A million worlds: seconds, memory, and how far from one pass over as many numbers.

    python benchmarks/worlds.py [--worlds 1000000] [--months 60] [--plain 200] [--out FILE.json]

Six candidates (a tuned small model, a static student, a provider's model, an 8B model on rented and on
bought GPUs, and a cascade of the first and the third) are simulated by one call of `economics.simulate`:
draws, cash flows, everything the report reads. Twice: with the default demand (500 to 5,000 requests a
day, for which the smallest fleet nearly always suffices), and with a thousand times as much, for which
fleets grow month by month in every world.

**One pass** is `total += factor * x` by NumPy over worlds × months × candidates numbers (float64), on one
thread, in blocks of as many worlds as the simulation takes at once; reading and adding them up, and the
same from memory that no cache holds, stand beside it. **Plain Python** is `plain_worlds.py` on a few of
the same worlds, scaled; it is given what was drawn and the throughput of the GPUs, which the simulation
has to find. Its totals are compared with the simulated ones.

Everything runs on one thread, and seconds are the processor's, as others may share the machine; what they
do to its caches still shows.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from keep import keep
from plain_worlds import Future, Known, plain_world

from sazon.core.types import Costs, Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, TokenPrice, simulate, simulation
from sazon.economics.capacity import Replica, best_replica, constants_for
from sazon.economics.cashflow import TOKENS_IN, TOKENS_OUT

MEMORY_GIB, PASSES, FASTER = 4.0, 10.0, 300.0
ACCURACY = {"tuned": 0.90, "student": 0.86, "api": 0.93, "rented": 0.89, "bought": 0.89, "cascade": 0.925}
LIMITS = {"itl_s": 0.05, "ttft_s": 2.0}
PRICE = TokenPrice(
    input_per_mtok=0.5, output_per_mtok=2.0, currency="EUR", as_of="2026-11-01", source="benchmark"
)


def measured(value: float, low: float, high: float) -> Estimate:
    """A measured quantity with its interval."""
    return Estimate(value=value, low=low, high=high, method="timed")


OPTIONS = [
    Option(
        name="tuned",
        kind="finetune",
        seconds_per_request=measured(0.02, 0.018, 0.022),
        training_seconds=1800.0,
    ),
    Option(name="student", kind="distill", seconds_per_request=measured(2e-4, 1.8e-4, 2.2e-4)),
    Option(name="api", kind="api", price=PRICE, provider="provider"),
    Option(name="rented", kind="host", model="llama-3.1-8b", tenure="rent"),
    Option(name="bought", kind="host", model="llama-3.1-8b", tenure="buy"),
    Option(name="cascade", kind="cascade", parents=("tuned", "api"), cloud_share=measured(0.2, 0.15, 0.26)),
]


def configured(months: int, times: float) -> EconomicsConfig:
    """The defaults, with so many times their demand."""
    demand = {"requests_per_day": {"p10": 500 * times, "p90": 5000 * times}}
    return EconomicsConfig.model_validate({"months": months, "demand": demand})


def quality_of(worlds: int) -> QualityDraws:
    """Accuracies as a test set of 1,000 rows would leave them."""
    rng = np.random.default_rng(1)
    columns = [rng.beta(1000 * a, 1000 * (1 - a), worlds) for a in ACCURACY.values()]
    return QualityDraws(
        values=np.stack(columns, axis=1)[:, :, None],
        candidates=tuple(ACCURACY),
        metrics=("accuracy",),
        kinds=dict.fromkeys(ACCURACY, "measured"),
    )


def simulated(config: EconomicsConfig, quality: QualityDraws) -> tuple[Costs, float]:
    """The costs, and the seconds they took."""
    began = time.process_time()
    costs = simulate(config, OPTIONS, quality, rng=np.random.default_rng(0))
    return costs, time.process_time() - began


# --------------------------------------------------------------------------- passes


def seconds_of(work: Callable[[int], None], blocks: int) -> float:
    """Median of five runs over all blocks."""
    times = []
    for _ in range(5):
        began = time.process_time()
        for block in range(blocks):
            work(block)
        times.append(time.process_time() - began)
    return statistics.median(times)


def passes(worlds: int, months: int, candidates: int) -> dict[str, float]:
    """Seconds of one pass over worlds × months × candidates numbers, in three manners."""
    rows = simulation.BLOCK
    blocks = -(-worlds * candidates // rows)
    rng = np.random.default_rng(0)
    x, total, scratch = rng.random((months, rows)), np.zeros((months, rows)), np.empty((months, rows))

    def add(source: np.ndarray) -> None:
        np.multiply(source, 1.0001, out=scratch)
        np.add(total, scratch, out=total)

    many = rng.random((max(2**27 // x.size, 1), *x.shape))  # a gigabyte, read in turn
    return {
        "total += factor * x": seconds_of(lambda _: add(x), blocks),
        "sum of x": seconds_of(lambda _: float(x.sum()), blocks),
        "total += factor * x, from memory": seconds_of(lambda block: add(many[block % len(many)]), blocks),
    }


# ----------------------------------------------------------------------- plain Python


def replica(config: EconomicsConfig) -> Replica:
    """The hosted candidates' GPUs."""
    return best_replica(
        "llama-3.1-8b",
        "h100",
        tokens_in=TOKENS_IN.at(0.5),
        tokens_out=TOKENS_OUT.at(0.5),
        requests_per_s=config.planned_peak(),
        spares=config.hardware.spares,
        **LIMITS,
    )


def plain(config: EconomicsConfig, quality: QualityDraws, costs: Costs, count: int) -> tuple[float, float]:
    """Seconds a world of the loop, and the largest relative difference of its totals."""
    held, drawn = replica(config), costs.drawn
    tokens = (np.maximum(drawn[name][:count], 1) for name in ("tokens_in", "tokens_out"))
    usual = constants_for(config.hardware.stack, mixture=False).log_error
    error = drawn["capacity_error"][:count] ** (held.constants.log_error / usual)
    rates = held.requests_per_s(*tokens, **LIMITS) * error
    known = Known(
        config=config,
        options={o.name: o for o in OPTIONS},
        retrained={o.kind: config.hours(o.kind).retrained for o in OPTIONS},
        power_w={"h100": held.gpu.power_w},
        replica_gpus=dict.fromkeys(("rented", "bought"), held.gpus),
    )
    certain = {str(row["name"]): row["value"] for row in costs.inputs}
    wrong = 1 - quality.of("accuracy")[:count]
    futures = [
        Future(
            drawn=certain | {name: float(column[i]) for name, column in drawn.items()},
            rates=dict.fromkeys(("rented", "bought"), float(rates[i])),
        )
        for i in range(count)
    ]
    shares = [dict(zip(ACCURACY, map(float, row), strict=True)) for row in wrong]
    began = time.process_time()
    found = [plain_world(known, future, share) for future, share in zip(futures, shares, strict=True)]
    seconds = (time.process_time() - began) / count
    totals = np.array([[bill.total + errors for bill, errors in world.values()] for world in found])
    return seconds, float(np.abs(totals / costs.values[:count] - 1).max())


# ------------------------------------------------------------------------------- main


def main() -> None:
    """Simulate with little and with much demand, then the passes and the loop; print, and say what is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--plain", type=int, default=200, help="worlds of the loop in plain Python")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    quality = quality_of(given.worlds)
    small = quality_of(10_000)
    regimes = {"default demand": 1.0, "a thousand times as much": 1000.0}
    configs = {name: configured(given.months, times) for name, times in regimes.items()}
    simulated(configs["default demand"], quality_of(200))  # imports
    found: dict[str, tuple[float, float, float, float, float]] = {}
    for name, config in configs.items():
        costs, seconds = simulated(config, quality)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        loop, apart = plain(config, quality, costs, given.plain)
        del costs
        usual = statistics.median(simulated(config, small)[1] for _ in range(3))
        found[name] = seconds, memory, loop * given.worlds, apart, usual
    passed = passes(given.worlds, given.months, len(ACCURACY))
    figures = reported(found, passed, given.worlds, given.months)
    keep(given.out, figures, passes=passed)


def reported(
    found: dict[str, tuple[float, float, float, float, float]],
    passed: dict[str, float],
    worlds: int,
    months: int,
) -> list[dict[str, object]]:
    """Print the table; the figures with their goals."""
    figures: list[dict[str, object]] = []

    def tell(name: str, value: float, unit: str, goal: float | None = None, *, least: bool = False) -> None:
        met = None if goal is None else bool(value >= goal if least else value <= goal)
        figures.append({"name": name, "value": value, "unit": unit, "goal": goal, "met": met})
        asked = "" if goal is None else f"{'≥' if least else '≤'} {goal:g}   {'met' if met else 'NOT met'}"
        print(f"{name:<60}{value:12,.2f} {unit:<6}{asked}")

    print(f"{worlds:,} worlds × {months} months × {len(ACCURACY)} candidates, blocks of {simulation.BLOCK:,}")
    for name, seconds in passed.items():
        tell(f"one pass, {name}", seconds, "s")
    one = passed["total += factor * x"]
    for regime, (seconds, memory, loop, apart, usual) in found.items():
        print(f"\n{regime}")
        tell(f"simulate, {regime}", seconds, "s")
        tell(f"peak memory so far, {regime}", memory, "GiB", MEMORY_GIB)
        tell(f"passes, {regime}", seconds / one, "×", PASSES)
        tell(f"plain Python, scaled, {regime}", loop, "s")
        tell(f"faster than plain Python, {regime}", loop / seconds, "×", FASTER, least=True)
        tell(f"10,000 worlds, {regime}", usual, "s")
        print(f"totals of the loop at most {apart:.1e} apart")
    return figures


if __name__ == "__main__":
    main()
