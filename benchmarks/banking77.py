"""Banking77 through the shipped recipes: accuracy, seconds and throughput of each candidate.

    python benchmarks/banking77.py --data DIR [--out FILE.json] [--skip-full] [--work DIR]

DIR holds train.csv, test.csv (text,category) and few_shot_10.json (row indices into train.csv of the
published 10-shot split). The recipes are examples/banking77/recipe.yaml and few-shot.yaml. All choices
inside them are made on training and validation rows; the test set is answered once, at the end.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from keep import keep

from sazon import pipeline, recipe
from sazon.core.events import Event

RECIPES = Path(__file__).parents[1] / "examples" / "banking77"
GOALS = {"full/probe": 0.93, "few_shot_10/probe": 0.86, "full/tuned": 0.94}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the result."""

    name: str
    value: float
    unit: str
    goal: float | None
    met: bool | None


def few_shot(data: Path, folder: Path) -> Path:
    """The rows of the published 10-shot split as a file of their own."""
    with (data / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[i] for i in json.loads((data / "few_shot_10.json").read_text("utf-8"))]
    path = folder / "few_shot_10.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return path


def run(name: str, recipe_name: str, train: Path, test: Path, folder: Path) -> list[Figure]:
    """Carry one recipe through its evaluation and print a line a candidate."""
    overrides = [f'data.train.path="{train.resolve()}"', f'data.test.path="{test.resolve()}"']
    wanted = recipe.read(RECIPES / recipe_name, overrides=overrides)

    def told(event: Event) -> None:
        if event.kind == "done":
            print(f"  {name}: {event.stage} {event.done or 0:.0f} s", flush=True)

    outcome = pipeline.run(wanted, out=folder / name, offline=True, until="evaluate", emit=told)
    assert outcome.evaluation is not None
    print(f"\n{name:<12} {'accuracy (95 %)':<26} {'training':>10} {'texts/s':>9} {'one text':>10}")
    figures = []
    for candidate in outcome.candidates:
        found = outcome.evaluation.estimates[candidate.name]
        accuracy, rate, one = (found[k] for k in ("accuracy", "throughput_per_s", "latency_p50_s"))
        seconds = candidate.training.seconds if candidate.training else 0.0
        interval = f"{accuracy.value:.2%} ({accuracy.low:.2%}–{accuracy.high:.2%})"
        one_ms = float("nan") if one.value is None else one.value * 1e3
        timed = f"{seconds:8.0f} s {rate.value:9.0f} {one_ms:7.2f} ms"
        print(f"{candidate.name:<12} {interval:<26} {timed}")
        key = f"{name}/{candidate.name}"
        goal = GOALS.get(key)
        value = float(accuracy.value or 0)
        figures += [
            Figure(name=key, value=value, unit="share", goal=goal, met=value >= goal if goal else None),
            Figure(name=f"{key}/training", value=seconds, unit="s", goal=None, met=None),
        ]
    print()
    return figures


def main() -> None:
    """Run both splits and say which goals were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, help="keep the runs here, to resume them")
    parser.add_argument("--skip-full", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        test = given.data / "test.csv"
        figures = run("few_shot_10", "few-shot.yaml", few_shot(given.data, folder), test, folder)
        if not given.skip_full:
            figures += run("full", "recipe.yaml", given.data / "train.csv", test, folder)
    for figure in figures:
        if figure.goal is not None:
            said = "met" if figure.met else "NOT met"
            print(f"{figure.name:<20} {figure.value:.2%}  goal {figure.goal:.1%}  {said}")
    keep(given.out, figures)


if __name__ == "__main__":
    main()
