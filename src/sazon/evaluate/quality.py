"""Joint draws of every candidate's quality, measured, published and assumed side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sazon.core.errors import DataError
from sazon.core.types import Candidate, Dataset, Floats, QualityDraws
from sazon.evaluate.config import EvaluateConfig
from sazon.evaluate.grading import Flags, Grader
from sazon.evaluate.sheets import AnswerSheet
from sazon.stats import assumed
from sazon.stats import draws as bootstrap
from sazon.stats.clusters import Clustering

Codes = npt.NDArray[np.int64]


def draw(
    config: EvaluateConfig,
    candidates: Sequence[Candidate],
    sheets: Mapping[str, AnswerSheet],
    test: Dataset,
    *,
    draws: int,
    rng: np.random.Generator,
    error_weights: Mapping[str, float] | None = None,
) -> QualityDraws:
    """Draw every candidate's quality in `draws` possible worlds, paired over the candidates.

    Measured candidates share one Bayesian bootstrap of the test rows (by cluster). In the draws a
    missing answer counts as not right: whoever asked got nothing. Assumed and published candidates
    are drawn from what is claimed of them, independently but for one model on two machines; their
    macro-F1 is taken to equal their accuracy, and their errors to fall on all classes alike.

    Args:
        config: what counts as right.
        candidates: in the order of the draws.
        sheets: by name; measured candidates need one.
        test: the rows answered.
        draws: how many worlds.
        rng: the stream.
        error_weights: label → cost of an error on a row of that class; adds `weighted_error`.

    Raises:
        DataError: no test rows, or a candidate that says nothing of its quality.
    """
    if not len(test):
        raise DataError("the test set is empty", mend="Give at least a few hundred labelled rows.")
    metrics = bootstrap.METRICS + (("weighted_error",) if error_weights is not None else ())
    weights = None if error_weights is None else np.array([error_weights.get(c, 1.0) for c in test.labels])
    measured = [i for i, c in enumerate(candidates) if c.kind == "measured"]
    ours = [sheets[candidates[i].name] for i in measured]
    grader = Grader(config)
    target, answers = codes(test, ours, [grader.right(s.aligned(test).labels, test) for s in ours])
    values = np.full((draws, len(candidates), len(metrics)), np.nan)
    if measured:
        values[:, measured, :] = bootstrap.quality_draws(
            target, answers, Clustering.of(test.groups), draws=draws, rng=rng, error_weights=weights
        )
    mean_weight = 1.0 if weights is None else float(weights[target].mean())
    known: dict[object, Floats] = {}
    for i, candidate in enumerate(candidates):
        if i not in measured:
            accuracy = _once(known, candidate, draws=draws, rng=rng)
            columns = [accuracy, accuracy, (1 - accuracy) * mean_weight]
            values[:, i, :] = np.stack(columns[: len(metrics)], axis=1)
    return QualityDraws(
        values=values,
        candidates=tuple(c.name for c in candidates),
        metrics=metrics,
        kinds={c.name: c.kind for c in candidates},
    )


def codes(test: Dataset, sheets: Sequence[AnswerSheet], right: Sequence[Flags]) -> tuple[Codes, Codes]:
    """Targets (n,) and answers (n, sheets) as class numbers; −1: no answer, len(labels): another label.

    A right answer has the number of its row's target whatever its letters, another one never has.

    Args:
        test: the rows.
        sheets: of the measured candidates.
        right: of each sheet, shape (n,): which of its answers are right.

    Raises:
        IntegrityError: a sheet belongs to other rows.
        DataError: a measured candidate has no answers.
    """
    index = {label: i for i, label in enumerate(test.labels)}
    target = np.array([index[t] for t in test.targets], dtype=np.int64)
    columns = []
    for sheet, hits in zip(sheets, right, strict=True):
        if not sheet.aligned(test).examples:
            raise DataError(f"the candidate {sheet.candidate!r} has not answered the test set")
        given = np.array([-1 if a is None else index.get(a, len(index)) for a in sheet.labels])
        columns.append(np.where(hits, target, np.where(given == target, len(index), given)))
    return target, np.array(columns, dtype=np.int64).reshape(len(sheets), len(test)).T


def draw_claimed(
    candidates: Sequence[Candidate], *, draws: int, rngs: Mapping[str, np.random.Generator]
) -> QualityDraws:
    """Draw the accuracy of candidates of which only something is claimed.

    Each independently of the others, but a hosted model of which the same is claimed on two machines is as
    accurate on one as on the other.

    Args:
        candidates: assumed or published.
        draws: how many worlds.
        rngs: candidate → its own stream, so that one more candidate shifts nobody's draws.

    Raises:
        DataError: a candidate says nothing of its quality.
    """
    known: dict[object, Floats] = {}
    columns = [_once(known, c, draws=draws, rng=rngs[c.name]) for c in candidates]
    return QualityDraws(
        values=np.stack(columns, axis=1)[:, :, None],
        candidates=tuple(c.name for c in candidates),
        metrics=("accuracy",),
        kinds={c.name: c.kind for c in candidates},
    )


def claimed_draws(candidate: Candidate, *, draws: int, rng: np.random.Generator) -> Floats:
    """Accuracy draws of an assumed (P10–P90) or published (k of n) candidate.

    Raises:
        DataError: the candidate says nothing of its quality.
    """
    facts = candidate.facts
    if "accuracy_p10" in facts and "accuracy_p90" in facts:
        return assumed.from_range(
            _number(facts["accuracy_p10"]), _number(facts["accuracy_p90"]), draws=draws, rng=rng
        )
    if "k" in facts and "n" in facts:
        return assumed.from_counts(int(_number(facts["k"])), int(_number(facts["n"])), draws=draws, rng=rng)
    raise DataError(
        f"nothing is said of the quality of {candidate.name!r}",
        mend="Give `recorded`, `published: {k, n, source}` or `assumed: {accuracy: {p10, p90}}`.",
    )


def _once(
    known: dict[object, Floats], candidate: Candidate, *, draws: int, rng: np.random.Generator
) -> Floats:
    """The draws of a candidate, those of the same model elsewhere where they are known already."""
    claim = tuple(candidate.facts.get(name) for name in ("accuracy_p10", "accuracy_p90", "k", "n"))
    hosted = candidate.technique == "host" and candidate.base is not None
    key = (candidate.base, claim) if hosted else candidate.name
    if key not in known:
        known[key] = claimed_draws(candidate, draws=draws, rng=rng)
    return known[key]


def _number(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise DataError(f"a quality must be a number, got {value!r}")
