"""Compare all candidates: estimates, differences, claims, slices, the worst errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sazon.core.errors import DataError, RecipeError
from sazon.core.types import (
    Candidate,
    Dataset,
    ErrorRow,
    Estimate,
    Evaluation,
    Phrase,
    Robustness,
    Scores,
)
from sazon.evaluate import fairness, scrutiny
from sazon.evaluate.claims import Contest, ledger
from sazon.evaluate.config import EvaluateConfig, RightConfig
from sazon.evaluate.declared import declared_claims
from sazon.evaluate.expense import expense
from sazon.evaluate.further import further_scores
from sazon.evaluate.graded import Graded
from sazon.evaluate.grading import Grader
from sazon.evaluate.judge import Verdicts, judged, unmeasured
from sazon.evaluate.leakage import leakage
from sazon.evaluate.panel import beside_members
from sazon.evaluate.quality import codes
from sazon.evaluate.sheets import AnswerSheet
from sazon.evaluate.slices import columns, slices
from sazon.evaluate.students import beside_teacher
from sazon.evaluate.tell import told
from sazon.stats import assumed
from sazon.stats import draws as bootstrap
from sazon.stats.clusters import FEW, Clustering


def compare(
    config: EvaluateConfig,
    candidates: Sequence[Candidate],
    sheets: Mapping[str, AnswerSheet],
    scores: Scores,
    test: Dataset,
    *,
    rng: np.random.Generator,
    seen: Sequence[str] = (),
    shaken: Sequence[Robustness] = (),
    currencies: Mapping[str, str] | None = None,
    verdicts: Verdicts | None = None,
) -> Evaluation:
    """Everything evaluation has to say of the candidates.

    Accuracy is the share right of the answered rows; what was not answered is reported beside it
    (`answered`), and counts as an error in the draws the decision uses.

    Args:
        config: reference, margin, level.
        candidates: in the order of the result.
        sheets: by name, of the measured ones.
        scores: of all sheets.
        test: the rows answered.
        rng: the stream of the bootstraps.
        seen: texts that candidates learnt from or chose on, to look for them in the test set.
        shaken: what `try_changes` found.
        currencies: candidate → currency of the money its answers cost.
        verdicts: what a judge said of the answers.

    Raises:
        DataError: no test rows.
        RecipeError: the reference is not among the candidates.
    """
    if not len(test):
        raise DataError("the test set is empty", mend="Give at least a few hundred labelled rows.")
    clustering = Clustering.of(test.groups)
    by_name = {c.name: c for c in candidates}
    graded = {
        c.name: Graded.of(c, sheets[c.name], scores, test, clustering)
        for c in candidates
        if c.kind == "measured"
    }
    reference = choose_reference(config, by_name)
    estimates = {name: claimed(c, level=config.level) for name, c in by_name.items() if name not in graded}
    estimates |= _measured(config, candidates, graded, test, clustering, rng)
    grader = Grader(config)
    for name, one in graded.items():
        currency = (currencies or {}).get(name, "")
        estimates[name] |= expense(by_name[name], one, currency=currency, level=config.level)
        estimates[name] |= further_scores(config.scorers, one, test, grader=grader, level=config.level)
        estimates[name] |= judged(verdicts, one, test, level=config.level) if verdicts else {}
        estimates[name] |= beside_members(by_name[name], graded, level=config.level)
    estimates = {name: estimates[name] for name in by_name}
    declared = config.reference is not None
    contest = Contest(
        reference=reference,
        candidates=by_name,
        graded=graded,
        accuracies={name: found["accuracy"] for name, found in estimates.items()},
        level=config.level,
        draws=config.draws,
        declared=declared,
        rng=rng,
    )
    gaps, claims = ledger(contest, margin=config.margin)
    return Evaluation(
        reference=reference,
        margin=config.margin,
        n=len(test),
        clusters=clustering.count,
        estimates=estimates,
        differences=gaps,
        claims=(*declared_claims(contest, config.claims), *claims),
        slices=slices(config, graded, test, reference=reference, declared=declared),
        worst=_worst(graded, test, most=config.worst),
        recall=_recall(config, graded, test),
        overlap=scrutiny.overlap(graded, reference=reference, level=config.level),
        robustness=tuple(shaken),
        leakage=leakage(graded, test, seen, level=config.level),
        fairness=fairness.gaps(graded, columns(config.fairness, test), level=config.level),
        reliability=scrutiny.reliability(graded, level=config.level),
        winner=scrutiny.winner(graded, level=config.level, rng=rng),
        notes=_notes(config, graded, clustering, reference=None if declared else reference)
        + (unmeasured(verdicts, graded.values(), test) if verdicts else ()),
    )


def choose_reference(config: EvaluateConfig, candidates: Mapping[str, Candidate]) -> str:
    """The configured reference, else the first measured `api` or `host`, `linear`, or measured one.

    Raises:
        RecipeError: it is not a candidate, or there is none at all.
    """
    if config.reference is not None:
        if config.reference not in candidates:
            raise RecipeError(
                f"unknown candidate {config.reference!r}",
                where="evaluate.reference",
                mend=f"Candidates: {', '.join(candidates)}.",
            )
        return config.reference
    measured = {name: c for name, c in candidates.items() if c.kind == "measured"}
    for techniques in (("api", "host"), ("linear",)):
        for name, candidate in measured.items():
            if candidate.technique in techniques:
                return name
    for name in (*measured, *candidates):
        return name
    raise RecipeError("there is no candidate to compare", where="candidates", mend="Name at least one.")


def claimed(candidate: Candidate, *, level: float) -> dict[str, Estimate]:
    """What an assumed or published candidate says of itself."""
    facts = {k: float(v) for k, v in candidate.facts.items() if isinstance(v, (int, float))}
    if "accuracy_p10" in facts and "accuracy_p90" in facts:
        return {"accuracy": assumed.range_estimate(facts["accuracy_p10"], facts["accuracy_p90"])}
    if "k" in facts and "n" in facts:
        return {"accuracy": assumed.published_estimate(int(facts["k"]), int(facts["n"]), level=level)}
    return {"accuracy": Estimate.none("nothing is said of its quality", unit="share")}


def _measured(
    config: EvaluateConfig,
    candidates: Sequence[Candidate],
    graded: Mapping[str, Graded],
    test: Dataset,
    clustering: Clustering,
    rng: np.random.Generator,
) -> dict[str, dict[str, Estimate]]:
    if not graded:
        return {}
    target, answers = codes(test, [g.sheet for g in graded.values()], [g.right for g in graded.values()])
    quality = bootstrap.quality(target, answers)
    plain = quality[:, 1]
    joint = bootstrap.quality_draws(target, answers, clustering, draws=config.draws, rng=rng)
    students = beside_teacher(candidates, graded, quality[:, 0], joint[:, :, 0], level=config.level)
    tail = (1 - config.level) / 2
    low, high = np.quantile(joint[:, :, 1], [tail, 1 - tail], axis=0)
    found = {}
    for i, (name, one) in enumerate(graded.items()):
        macro_f1 = Estimate(
            value=float(plain[i]),
            low=float(min(low[i], plain[i])),
            high=float(max(high[i], plain[i])),
            level=config.level,
            unit="share",
            n=len(test),
            clusters=clustering.count,
            method="Bayesian bootstrap of clusters; a missing answer is not right",
        )
        found[name] = {
            "accuracy": one.accuracy(level=config.level),
            "macro_f1": macro_f1,
            "answered": one.answered_share(level=config.level),
            **one.accuracy_answered(level=config.level),
            **one.local_share(level=config.level),
            "calibration_error": one.calibration_error(level=config.level, rng=rng),
            **one.times(level=config.level),
            **students.get(name, {}),
        }
    return found


def _recall(
    config: EvaluateConfig, graded: Mapping[str, Graded], test: Dataset
) -> dict[str, dict[str, Estimate]]:
    """Candidate → class → share right of the rows of that class."""
    if not _may_be_told(graded, test):
        return {}
    targets = test.targets
    where = {label: np.array([t == label for t in targets], dtype=bool) for label in test.labels}
    return {
        name: {label: g.accuracy(level=config.level, where=rows) for label, rows in where.items()}
        for name, g in graded.items()
    }


def _may_be_told(graded: Mapping[str, Graded], test: Dataset) -> bool:
    """Whether targets and answers may stand in clear: labels may, and free text that is public."""
    return test.public or any(one.sheet.classes for one in graded.values())


def _worst(graded: Mapping[str, Graded], test: Dataset, *, most: int) -> tuple[ErrorRow, ...]:
    """The rows that most candidates got most confidently wrong; without confidence it counts half.

    Free text about people is not repeated here: of such rows it stands who was right, not what was said.
    """
    clear = _may_be_told(graded, test)
    blame = np.zeros(len(test))
    for one in graded.values():
        sure = np.where(np.isfinite(one.sheet.confidence), one.sheet.confidence, 0.5)
        blame += np.where(one.answered & ~one.right, sure, 0.0)
    order = [int(i) for i in np.argsort(-blame, kind="stable")[:most] if blame[i] > 0]
    return tuple(
        ErrorRow(
            example=test.examples[i].id,
            target=test.examples[i].target if clear else "",
            answers={
                n: label if clear else ""
                for n, g in graded.items()
                if (label := g.sheet.labels[i]) is not None
            },
            right=tuple(n for n, g in graded.items() if g.right[i]),
            confidence={
                n: float(g.sheet.confidence[i])
                for n, g in graded.items()
                if np.isfinite(g.sheet.confidence[i])
            },
        )
        for i in order
    )


def _notes(
    config: EvaluateConfig, graded: Mapping[str, Graded], clustering: Clustering, *, reference: str | None
) -> tuple[Phrase, ...]:
    """Warnings a reader must see; `reference` where it was not the recipe that named it."""
    notes = []
    if config.right != RightConfig():
        notes.append(told("notes.right", scorer=config.right.scorer, least_level=config.right.at_least))
    if reference is not None:
        notes.append(told("notes.guessed_reference", reference=reference))
    if clustering.repeats and clustering.count < FEW:
        notes.append(told("notes.few_groups", groups=clustering.count))
    for name, one in graded.items():
        missing, rows = int((~one.answered).sum()), len(one.answered)
        if missing:
            notes.append(told("notes.missing", candidate=name, missing=missing, rows=rows))
    return tuple(notes)
