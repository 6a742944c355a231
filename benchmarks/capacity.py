"""The capacity model against published throughput: fit on eight rows, compare with all others.

    python benchmarks/capacity.py --data DIR [--out FILE.json]

DIR holds `trtllm_throughput.csv`, `nim_70b_h100_concurrency.csv` and `mlperf_v4.1_throughput.csv`.
The eight calibration rows are named in `CALIBRATION`: four fit the three constants of dense models, two
the two of mixtures of experts, and one each the pace of two other serving stacks. Every row whose GPU is
in the catalogue is printed, predicted and published. Beside the errors on rows that were not fitted stand
two by refitting on all other rows: leave one model out, and leave one pair of lengths out.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sazon.economics.capacity import Constants, architecture_named, constants_for, gpu_named, replica_of
from sazon.economics.capacity.architecture import Architecture
from sazon.economics.capacity.calibration import DENSE, MIXTURE, Measured, fitted
from sazon.economics.capacity.replica import TENSOR_PARALLEL, Replica

MODELS = {
    "Llama-3.1-8B": "llama-3.1-8b",
    "Llama-3.3-70B": "llama-3.3-70b",
    "Qwen3-235B-A22B": "qwen3-235b-a22b",
    "Llama-4-Scout": "llama-4-scout",
    "llama2-70b-99": "llama-2-70b",
    "mixtral-8x7b": "mixtral-8x7b",
}
CALIBRATION = {
    # Each rules one regime: many sequences, prompts, the middle, and one request alone.
    "trtllm llama-3.1-8b h100 128/128",
    "trtllm llama-3.3-70b h100 2048/128",
    "trtllm llama-3.3-70b h100 1000/1000",
    "nim llama-3.3-70b h100 5000/500 at 1",
    # One mixture bound by its steps, one by its prompts.
    "trtllm qwen3-235b-a22b h100 128/2048",
    "trtllm llama-4-scout h100 5000/500",
    # The pace of two other stacks.
    "mlperf DGX-H100_H100-SXM-80GBx8_TRT mixtral-8x7b h100 Offline",
    "mlperf XE9680_MI300X_192GBx8 llama-2-70b mi300x Offline",
}
MLPERF_LENGTHS = {"llama-2-70b": (294.0, 294.0), "mixtral-8x7b": (300.0, 145.0), "gpt-j-6b": (870.0, 69.0)}
"""Mean tokens in and out. Out: of the results themselves, GPT-J's recalled. In: OpenOrca's mean for
Llama 2 and as assumed for Mixtral; CNN/DailyMail's for GPT-J, recalled."""
MLPERF_TTFT_S, MLPERF_ITL_S = 2.0, 0.2
"""Limits of the server scenario of Llama 2 and Mixtral."""
BEAMS = 4
GPT_J = Architecture(
    name="gpt-j-6b", parameters=6.05e9, layers=28, heads=16, head_size=256, kv_heads=16, hidden=4096,
    vocabulary=50400,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One published figure."""

    name: str
    group: str
    """dense, mixture, stack (other serving stacks), beams or capped (power)."""
    model: str
    shape: str
    published: float
    predict: Callable[[Constants], float]
    """Output tokens per second with some constants."""
    point: Measured | None = None
    stack: str = "tensorrt-llm"

    @property
    def fits(self) -> bool:
        """Whether the constants are fitted to this row."""
        return self.name in CALIBRATION

    def error(self, constants: Constants) -> float:
        """Relative error of the prediction."""
        return self.predict(constants) / self.published - 1


@cache
def architecture(name: str) -> Architecture:
    """A model of the catalogue, or GPT-J."""
    return GPT_J if name == GPT_J.name else architecture_named(name)


def measured(
    model: str, gpu: str, gpus: int, tokens: tuple[float, float], rate: float, at: float | None
) -> Measured:
    """A published figure of one replica."""
    replica = replica_of(architecture(model), gpu_named(gpu), gpus)
    return Measured(
        replica=replica, tokens_in=tokens[0], tokens_out=tokens[1], tokens_per_s=rate, concurrency=at
    )


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tensorrt_rows(path: Path) -> Iterable[Row]:
    """TensorRT-LLM's own performance overview."""
    for r in read(path):
        model, gpu, shape = MODELS[r["model"]], r["gpu"].lower(), f"{r['isl']}/{r['osl']}"
        later = " later release" if "later release" in r["source"] else ""
        tokens = float(r["isl"]), float(r["osl"])
        point = measured(model, gpu, int(r["tp"]), tokens, float(r["total_output_tok_s"]), None)
        yield Row(
            name=f"trtllm {model} {gpu} {shape}{later}",
            group="mixture" if architecture(model).experts else "dense",
            model=model,
            shape=shape,
            published=point.tokens_per_s,
            predict=point.predicted,
            point=point,
        )


def sweep_rows(path: Path) -> Iterable[Row]:
    """One deployment at several numbers of requests in flight."""
    for r in read(path):
        model, gpu, shape = MODELS[r["model"]], r["gpu"].lower(), f"{r['isl']}/{r['osl']}"
        tokens = float(r["isl"]), float(r["osl"])
        point = measured(model, gpu, int(r["tp"]), tokens, float(r["output_tok_s"]), float(r["concurrency"]))
        yield Row(
            name=f"nim {model} {gpu} {shape} at {r['concurrency']}",
            group="dense",
            model=model,
            shape=f"{shape} at {r['concurrency']}",
            published=point.tokens_per_s,
            predict=point.predicted,
            point=point,
        )


def accelerator(name: str) -> str | None:
    """The catalogue's GPU, where it is one of the specifications."""
    known = {"H100-SXM": "h100", "H200-SXM": "h200", "B200-SXM": "b200", "MI300X": "mi300x"}
    return next((gpu for part, gpu in known.items() if part in name), None)


def mlperf_rows(path: Path) -> Iterable[Row]:
    """MLPerf Inference v4.1, whole nodes; the number of GPUs a replica is not told there."""
    for r in read(path):
        gpu = accelerator(r["accelerator"])
        if gpu is None:
            continue
        model, node = MODELS.get(r["model"], GPT_J.name), int(r["accel_per_node"])
        capped = "MaxQ" in r["platform"]
        experts = architecture(model).experts is not None
        stack = (
            "vllm-0.4-rocm" if "vLLM" in r["software"] else "tensorrt-llm-2024" if experts else "tensorrt-llm"
        )
        server = r["scenario"] == "Server"
        yield Row(
            name=f"mlperf {r['platform']} {model} {gpu} {r['scenario']}",
            group="capped" if capped else "beams" if model == GPT_J.name else "stack",
            model=model,
            shape=r["scenario"],
            published=float(r["result"]),
            predict=lambda c, m=model, g=gpu, n=node, s=server, k=stack: node_rate(m, g, n, s, k, c)[0],
            stack=stack,
        )


def node_rate(
    model: str, gpu: str, node: int, server: bool, stack: str, constants: Constants
) -> tuple[float, int]:
    """Tokens per second of a whole node at its best cut, and the cut.

    On B200 the submissions ran in FP4. Beam search is counted as that many sequences one after another,
    of which one is kept.
    """
    tokens_in, tokens_out = MLPERF_LENGTHS[model]
    beams = BEAMS if model == GPT_J.name else 1
    lengths = np.array([tokens_in]), np.array([tokens_out * beams])
    if stack != "tensorrt-llm":
        constants = replace(constants, pace=PACE[stack])
    found = []
    for gpus in (n for n in TENSOR_PARALLEL if n <= node):
        one = replica_of(
            architecture(model), gpu_named(gpu), gpus,
            precision="fp4" if gpu == "b200" else None, constants=constants,
        )  # fmt: skip
        if one.batch_limit(*lengths)[0] < 1:
            continue
        found.append((node / gpus * _rate(one, lengths, server=server and beams == 1), gpus))
    best, gpus = max(found)
    return best * tokens_out, gpus


def _rate(replica: Replica, lengths: tuple[Any, Any], *, server: bool) -> float:
    if server:
        paced = replica.requests_per_s(*lengths, itl_s=MLPERF_ITL_S, ttft_s=MLPERF_TTFT_S)
        return float(paced[0])
    return float(replica.full_rate(*lengths)[0])


PACE: dict[str, float] = {}


def fit(rows: Sequence[Row], names: Sequence[str], group: str, start: Constants) -> Constants:
    """The constants of a group fitted to its rows among `rows`."""
    return fitted([r.point for r in rows if r.point and r.group == group], names, start)


def calibrate(rows: Sequence[Row]) -> Constants:
    """All constants from the eight named rows; also the pace of the other stack."""
    named = [r for r in rows if r.fits]
    if {r.name for r in named} != CALIBRATION:
        raise SystemExit(f"calibration rows are missing: {CALIBRATION - {r.name for r in named}}")
    constants = fit(named, DENSE, "dense", Constants())
    constants = fit(named, MIXTURE, "mixture", constants)
    for other in (r for r in named if r.group == "stack"):
        PACE[other.stack] = 1.0
        PACE[other.stack] = other.published / other.predict(constants)
    return constants


def left_out(rows: Sequence[Row], group: str, constants: Constants, key: str) -> list[float]:
    """Errors of rows predicted by constants fitted to all rows of the group with another model or shape."""
    names = DENSE if group == "dense" else MIXTURE
    held = [r for r in rows if r.group == group and r.point]
    errors = []
    for value in sorted({getattr(r, key) for r in held}):
        others = [r for r in held if getattr(r, key) != value]
        refitted = fit(others, names, group, constants)
        errors += [r.error(refitted) for r in held if getattr(r, key) == value]
    return errors


def summary(errors: Sequence[float]) -> dict[str, float]:
    """Mean and largest absolute percentage error, and the median error with its sign."""
    sizes = np.abs(errors)
    return {
        "rows": len(errors),
        "mean": float(100 * sizes.mean()),
        "max": float(100 * sizes.max()),
        "median_signed": float(100 * np.median(errors)),
        "log_sigma": float(np.sqrt(np.mean(np.log1p(errors) ** 2))),
    }


def latencies(path: Path, constants: Constants) -> list[dict[str, float]]:
    """The sweep's time between tokens and to the first, predicted and published."""
    found = []
    for r in read(path):
        model, gpus, at = MODELS[r["model"]], int(r["tp"]), float(r["concurrency"])
        replica = replica_of(architecture(model), gpu_named(r["gpu"].lower()), gpus, constants=constants)
        lengths = np.array([float(r["isl"])]), np.array([float(r["osl"])])
        limit = float(replica.batch_limit(*lengths)[0])
        inside = np.array([min(at, limit)])
        alone = float(replica.first_token_s(inside, *lengths)[0])
        itl, prefill = float(replica.itl_s(inside, *lengths)[0]), float(replica.prefill_s(lengths[0])[0])
        rate = float(replica.tokens_per_s(inside, *lengths)[0] / lengths[1][0])
        busy = min(rate * prefill, 0.999) if at > 1 else 0.0
        # Mean wait of M/D/1 for the prefills of others; who finds no room in the cache waits outside.
        first = alone + prefill * busy / (2 * (1 - busy)) + max(at - limit, 0) / rate
        found.append({"concurrency": at, "running": float(inside[0]), "itl_ms": itl * 1e3,
                      "published_itl_ms": float(r["itl_ms"]), "ttft_ms": first * 1e3,
                      "published_ttft_ms": float(r["ttft_ms"])})  # fmt: skip
    return found


def main() -> None:
    """Fit, print every row, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published figures")
    parser.add_argument("--out", type=Path, help="write all figures as JSON")
    given = parser.parse_args()
    sweep = given.data / "nim_70b_h100_concurrency.csv"
    rows = [
        *tensorrt_rows(given.data / "trtllm_throughput.csv"),
        *sweep_rows(sweep),
        *mlperf_rows(given.data / "mlperf_v4.1_throughput.csv"),
    ]
    constants = calibrate(rows)
    print_constants(constants)
    print(f"\n{'row':78} {'predicted':>10} {'published':>10} {'error':>7}")
    for r in rows:
        mark = "  fitted" if r.fits else ""
        line = f"{r.name:78} {r.predict(constants):10,.0f} {r.published:10,.0f}"
        print(f"{line} {100 * r.error(constants):+6.1f}%{mark}")
    result = figures(rows, constants, latencies(sweep, constants))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def print_constants(constants: Constants) -> None:
    """The fit beside what the package ships."""
    shipped = constants_for("tensorrt-llm", mixture=False)
    print("constant                       fitted      shipped")
    for name in (*DENSE, *MIXTURE):
        print(f"{name:26} {getattr(constants, name):10.4g}   {getattr(shipped, name):10.4g}")
    for stack, pace in PACE.items():
        print(f"pace of {stack:18} {pace:10.4g}   {constants_for(stack, mixture=False).pace:10.4g}")


def figures(rows: Sequence[Row], constants: Constants, latency: list[dict[str, float]]) -> dict[str, Any]:
    """Print and return the errors of every group."""
    by_group: dict[str, list[float]] = defaultdict(list)
    for r in rows:
        if not r.fits:
            by_group[r.group].append(r.error(constants))
    for group in ("dense", "mixture"):
        by_group[f"{group}, leave one model out"] = left_out(rows, group, constants, "model")
        by_group[f"{group}, leave one shape out"] = left_out(rows, group, constants, "shape")
    by_group["stack and beams"] = by_group["stack"] + by_group["beams"]
    print(
        f"\n{'rows not fitted':32} {'n':>4} {'mean |error|':>13} {'largest':>9} {'median':>8} {'log σ':>10}"
    )
    found = {group: summary(errors) for group, errors in sorted(by_group.items())}
    for group, s in found.items():
        print(f"{group:32} {s['rows']:4} {s['mean']:12.1f}% {s['max']:8.1f}% {s['median_signed']:+7.1f}% "
              f"{s['log_sigma']:10.3f}")  # fmt: skip
    print("\nin flight  running   ITL ms (published)        TTFT ms (published)")
    for at in latency:
        itl = 100 * (at["itl_ms"] / at["published_itl_ms"] - 1)
        left = f"{at['concurrency']:9.0f} {at['running']:8.0f} {at['itl_ms']:8.1f}"
        right = f"{at['ttft_ms']:12.0f} ({at['published_ttft_ms']:.0f})"
        print(f"{left} ({at['published_itl_ms']:.1f}) {itl:+5.1f}% {right}")
    values = {n: getattr(constants, n) for n in (*DENSE, *MIXTURE)}
    return {"constants": values, "pace": PACE, "errors": found, "latency": latency}


if __name__ == "__main__":
    main()
