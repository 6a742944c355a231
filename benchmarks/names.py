"""The tagger of names on MEDDOCAN dev and, for false alarms, on questions to a bank; and its speed.

    python -m benchmarks.names --data DIR [--out FILE.json]

DIR holds `meddocan/dev.jsonl` and `banking77/train.csv`; neither is learned from. Spans count when start,
end and kind are exact. Intervals: percentile bootstrap over documents, 2,000 resamples. Alarms: every
span of the questions that is not in `banking77_named.txt`, which lists what does stand there.
One thread; median of five rounds of process time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import csv
import json
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tools.train_names.examples import meddocan

from sazon.policy.detect.names import find

NAMES = ("PERSON", "PLACE", "POSTCODE", "ADDRESS")
GROUPS = {"names": ("PERSON",), "places": NAMES[1:], "names and places": NAMES}
ALARMS = (*NAMES, "ORGANISATION")
GOAL_F1, GOAL_ALARMS_PER_KB, GOAL_MS_PER_KB = 0.95, 0.02, 0.8
NAMED = frozenset(Path(__file__).with_name("banking77_named.txt").read_text("utf-8").splitlines())
"""What does stand in the questions, lower case."""


def counts(path: Path) -> dict[str, np.ndarray]:
    """By kind, a row a document: spans right, found, wanted."""
    rows: dict[str, list[tuple[int, int, int]]] = {}
    documents = meddocan(path)
    for number, document in enumerate(documents):
        at, wanted = 0, set()
        for characters, kind in document:
            if kind:
                wanted.add((at, at + len(characters), kind))
            at += len(characters)
        spans = {(s.start, s.end, s.kind) for s in find("".join(c for c, _ in document))}
        for kind in {k for _, _, k in wanted | spans}:
            table = rows.setdefault(kind, [(0, 0, 0)] * len(documents))
            sets = (spans & wanted, spans, wanted)
            table[number] = tuple(sum(k == kind for _, _, k in some) for some in sets)  # type: ignore[call-overload]
    return {kind: np.array(table) for kind, table in rows.items()}


def measures(table: np.ndarray) -> np.ndarray:
    """Precision, recall, F1 of counts (…, 3)."""
    right, spans, wanted = (table[..., i].astype(float) for i in range(3))
    return np.stack([right / spans, right / wanted, 2 * right / (spans + wanted)], axis=-1)


def interval(table: np.ndarray) -> np.ndarray:
    """2.5 and 97.5 % bounds of the three measures, by documents drawn again."""
    chosen = np.random.default_rng(0).integers(len(table), size=(2000, len(table)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nanpercentile(measures(table[chosen].sum(1)), [2.5, 97.5], axis=0)


def milliseconds(work: Callable[[], object]) -> float:
    """Median process time of five rounds."""
    times = []
    for _ in range(5):
        began = time.process_time()
        work()
        times.append(1000 * (time.process_time() - began))
    return statistics.median(times)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    figures: list[dict[str, object]] = []

    def add(name: str, value: float, unit: str, goal: float | None, met: bool | None) -> None:
        figures.append(
            {
                "name": name,
                "value": round(value, 4),
                "unit": unit,
                "goal": goal,
                "met": None if met is None else bool(met),
            }
        )

    tables = counts(given.data / "meddocan" / "dev.jsonl")
    grouped = {name: sum(tables[kind] for kind in kinds) for name, kinds in GROUPS.items()}
    print(f"{'':18}{'precision':>9}  {'recall':>20}  {'F1':>20}  spans")
    for name, table in [*sorted(tables.items()), *grouped.items(), ("all", sum(tables.values()))]:
        (p, r, f), (low, high) = measures(table.sum(0)), interval(table)
        told = f"{r:8.3f} ({low[1]:.3f}–{high[1]:.3f})  {f:8.3f} ({low[2]:.3f}–{high[2]:.3f})"
        print(f"{name:18}{p:9.3f}  {told}  {table[:, 2].sum()}")
        goal = GOAL_F1 if name in GROUPS else None
        add(f"{name}: F1", f, "share", goal, f >= goal if goal else None)
    with (given.data / "banking77" / "train.csv").open(encoding="utf-8") as file:
        questions = [row["text"] for row in csv.DictReader(file)]
    size = sum(map(len, questions)) / 1000
    alarms: Counter[str] = Counter()
    for text in questions:
        spans = (text[s.start : s.end].lower() for s in find(text) if s.kind in ALARMS)
        alarms.update(span for span in spans if span not in NAMED)
    total, common = sum(alarms.values()), alarms.most_common(12)
    rate = total / size
    print(f"{total} alarms in {size:.0f} kB of questions, {rate:.3f} per kB: {common}")
    add("false alarms", rate, "per kB", GOAL_ALARMS_PER_KB, rate <= GOAL_ALARMS_PER_KB)
    lines = (given.data / "meddocan" / "dev.jsonl").read_text("utf-8").splitlines()[:100]
    long = [json.loads(line)["text"] for line in lines]
    for name, texts in (("documents", long), ("questions of 60 characters", questions[:1000])):
        speed = milliseconds(lambda texts=texts: [find(text) for text in texts]) / (
            sum(map(len, texts)) / 1000
        )
        print(f"{name}: {speed:.2f} ms per kB")
        add(f"speed, {name}", speed, "ms per kB", GOAL_MS_PER_KB, speed <= GOAL_MS_PER_KB)
    if given.out:
        environment = {
            "machine": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
        given.out.write_text(json.dumps({"figures": figures, "environment": environment}, indent=1) + "\n")


if __name__ == "__main__":
    main()
