"""The decision: gates first, then the probability of costing least with errors counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sazon.core.types import (
    Candidate,
    Costs,
    Decision,
    Estimate,
    Evaluation,
    Floats,
    QualityDraws,
    Reason,
    Verdict,
)
from sazon.decide import gates
from sazon.decide.config import DecideConfig
from sazon.decide.robustness import (
    Futures,
    accuracy_to_match,
    best_shares,
    futures_of,
    labels_needed,
    strongest_driver,
    turns,
)

Values = dict[str, str | float | int | None]


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the reasons are made of."""

    config: DecideConfig
    evaluation: Evaluation
    quality: QualityDraws
    costs: Costs
    futures: Futures
    """Of the candidates that pass."""
    everyone: Futures
    """Of all candidates, whether they pass or not."""
    verdicts: tuple[Verdict, ...]
    choice: str
    runner_up: str | None
    confidence: Estimate
    decided: bool
    needed: Estimate


def choose(
    config: DecideConfig,
    candidates: Sequence[Candidate],
    evaluation: Evaluation,
    quality: QualityDraws,
    costs: Costs,
    *,
    consented_providers: frozenset[str] = frozenset(),
) -> Decision:
    """Choose the candidate most often cheapest, errors counted, among those that pass the gates.

    P(best) = share of joint worlds (quality draw i, cost world i) in which its total is the
    lowest; ties share their world equally. Decided where P(best) ≥ `config.confidence`.

    Args:
        config: confidence and gates.
        candidates: all of `costs.candidates`.
        evaluation: latencies and number of test labels.
        quality: draws that `costs` were simulated with.
        costs: with `parts`, for what would flip the choice.
        consented_providers: providers to which data may go.

    Returns:
        The decision; `choice` is None where no candidate passes.
    """
    ordered = [c for c in candidates if c.name in costs.candidates]
    verdicts = gates.check(
        config.require, ordered, evaluation, quality, consented_providers=consented_providers
    )
    passed = gates.passing(verdicts)
    if not passed:
        return _nobody(verdicts)
    futures = futures_of(costs, quality, passed)
    ranking = _rank(futures)
    everyone = futures_of(costs, quality, [c.name for c in ordered])
    evidence = _weigh(config, evaluation, quality, costs, futures, everyone, verdicts, ranking)
    return Decision(
        status="decided" if evidence.decided else "undecided",
        choice=evidence.choice,
        confidence=evidence.confidence,
        ranking=ranking,
        gates=verdicts,
        reasons=tuple(_reasons(evidence)),
        flips=tuple(_flips(evidence)),
        labels_needed=evidence.needed,
    )


def _weigh(
    config: DecideConfig,
    evaluation: Evaluation,
    quality: QualityDraws,
    costs: Costs,
    futures: Futures,
    everyone: Futures,
    verdicts: tuple[Verdict, ...],
    ranking: tuple[tuple[str, Estimate], ...],
) -> _Evidence:
    choice, confidence = ranking[0]
    labels = evaluation.clusters or evaluation.n
    return _Evidence(
        config=config,
        evaluation=evaluation,
        quality=quality,
        costs=costs,
        futures=futures,
        everyone=everyone,
        verdicts=verdicts,
        choice=choice,
        runner_up=_runner_up(ranking, futures),
        confidence=confidence,
        decided=confidence.value is not None and confidence.value >= config.confidence,
        needed=labels_needed(futures, n=labels, confidence=config.confidence),
    )


def _nobody(verdicts: tuple[Verdict, ...]) -> Decision:
    why = "no candidate passes the gates"
    return Decision(
        status="undecided",
        choice=None,
        confidence=Estimate.none(why, unit="share"),
        ranking=(),
        gates=verdicts,
        reasons=(Reason(key="verdict.nobody"), *_gate_reasons(verdicts)),
        flips=(),
        labels_needed=Estimate.none(why, unit="labels"),
    )


def _rank(futures: Futures) -> tuple[tuple[str, Estimate], ...]:
    """P(best) of each, best first; equals by median cost, then by order in the recipe."""
    total = futures.total
    shares, middle = best_shares(total), np.median(total, axis=0)
    order = sorted(range(len(futures.names)), key=lambda j: (-shares[j], middle[j], j))
    worlds = total.shape[0]
    return tuple((futures.names[j], _probability(float(shares[j]), worlds)) for j in order)


def _probability(share: float, worlds: int) -> Estimate:
    from sazon.stats.proportions import proportion

    # Rounding of summed fractions may leave [0, worlds] by a hair.
    k = min(max(share * worlds, 0.0), float(worlds))
    found = proportion(k, worlds, method="jeffreys", kind="assumed")
    words = "share of simulated worlds where it costs least; interval: simulation error (Jeffreys)"
    return replace(found, method=words)


def _runner_up(ranking: Sequence[tuple[str, Estimate]], futures: Futures) -> str | None:
    """Second by P(best); where nobody else ever wins, second by median cost."""
    rest = [name for name, _ in ranking[1:]]
    if not rest:
        return None
    if ranking[1][1].value:
        return rest[0]
    middle = np.median(futures.total, axis=0)
    return min(rest, key=lambda name: float(middle[futures.names.index(name)]))


# ------------------------------------------------------------------------ reasons


def _reasons(evidence: _Evidence) -> list[Reason]:
    reasons = [_headline(evidence)]
    if evidence.runner_up is not None:
        reasons += [*_gap(evidence, evidence.runner_up), _quality(evidence, evidence.runner_up)]
    reasons += _assumptions(evidence)
    if not evidence.decided:
        reasons.append(_what_would_settle(evidence))
    elif driver := _driver(evidence):
        reasons.append(Reason(key="reason.driver", values={"driver": driver}, evidence=("drivers",)))
    return reasons + _gate_reasons(evidence.verdicts) + _excluded(evidence)


def _headline(evidence: _Evidence) -> Reason:
    """The verdict in numbers."""
    costs, name = evidence.costs, evidence.choice
    total = costs.summary[name]["total"]
    values: Values = {
        "choice": name,
        "best_share": evidence.confidence.value,
        "confidence_share": evidence.config.confidence,
        "months": costs.months,
        "currency": costs.currency,
        "total_money": total.value,
        "low_money": total.low,
        "high_money": total.high,
        "runner_up": evidence.runner_up,
    }
    status = "decided" if evidence.decided else "undecided"
    alone = "_alone" if evidence.runner_up is None else ""
    found = (f"summary.{name}.total", f"summary.{name}.p_cheapest")
    return Reason(key=f"verdict.{status}{alone}", values=values, evidence=found)


def _gap(evidence: _Evidence, other: str) -> list[Reason]:
    total, names = evidence.futures.total, evidence.futures.names
    gap = total[:, names.index(other)] - total[:, names.index(evidence.choice)]
    low, middle, high = (float(q) for q in np.quantile(gap, [0.1, 0.5, 0.9]))
    if middle == 0:
        return []
    values: Values = {
        "choice": evidence.choice,
        "other": other,
        "currency": evidence.costs.currency,
        "gap_money": abs(middle),
        "low_money": low,
        "high_money": high,
    }
    found = (f"summary.{evidence.choice}.total", f"summary.{other}.total")
    key = "reason.gap" if middle > 0 else "reason.gap_tail"
    return [Reason(key=key, values=values, evidence=found)]


def _quality(evidence: _Evidence, other: str) -> Reason:
    mine, its = _accuracy(evidence, evidence.choice), _accuracy(evidence, other)
    low, high = (float(q) for q in np.quantile(mine - its, [0.025, 0.975]))
    outcome = "better" if low > 0 else "worse" if high < 0 else "same"
    values: Values = {
        "choice": evidence.choice,
        "other": other,
        "difference_points": 100 * float((mine - its).mean()),
        "low_points": 100 * low,
        "high_points": 100 * high,
    }
    found = (f"estimates.{evidence.choice}.accuracy", f"estimates.{other}.accuracy")
    return Reason(key=f"reason.quality_{outcome}", values=values, evidence=found)


def _accuracy(evidence: _Evidence, name: str) -> Floats:
    quality = evidence.quality
    return np.asarray(quality.of("accuracy")[:, quality.candidates.index(name)])


def _assumptions(evidence: _Evidence) -> list[Reason]:
    named = [n for n in (evidence.choice, evidence.runner_up) if n is not None]
    kinds = evidence.quality.kinds
    return [
        Reason(key=f"reason.{kinds[n]}", values={"name": n}, evidence=(f"estimates.{n}.accuracy",))
        for n in named
        if kinds.get(n) in ("assumed", "published")
    ]


def _what_would_settle(evidence: _Evidence) -> Reason:
    needed = evidence.needed
    if needed.value is not None:
        return Reason(key="reason.labels", values={"labels_count": needed.value})
    driver = _driver(evidence)
    if driver is None:
        return Reason(key="reason.tie", values={"choice": evidence.choice, "other": evidence.runner_up})
    return Reason(key="reason.pin_down", values={"driver": driver}, evidence=("drivers",))


def _driver(evidence: _Evidence) -> str | None:
    """The uncertain input that is worth most to know; else what moves the gap to the runner-up most.

    Where labels cannot settle it, a measured accuracy is no answer and is passed over.
    """
    futures, other = evidence.futures, evidence.runner_up
    if other is None:
        return None
    labels_help = evidence.needed.value is not None
    measured = {f"accuracy.{n}" for n, kind in evidence.quality.kinds.items() if kind == "measured"}
    worth = {
        unknown.name: unknown.worth.value or 0.0
        for unknown in evidence.costs.outlook.unknowns
        if labels_help or unknown.name not in measured
    }
    # What is worth knowing among all candidates is not so among those that pass the gates.
    all_pass = evidence.everyone.names == futures.names
    if all_pass and max(worth.values(), default=0.0) > 0:
        return max(worth, key=lambda name: worth[name])
    pair = (evidence.choice, other)
    accuracies = {
        f"accuracy.{name}": _accuracy(evidence, name)
        for name in pair
        if labels_help or evidence.quality.kinds.get(name) != "measured"
    }
    first, second = (futures.names.index(name) for name in pair)
    # Where labels cannot settle it, ask what would remain if quality were known.
    total = futures.at(spread=1.0 if labels_help else 0.0)
    gap = total[:, second] - total[:, first]
    return strongest_driver(gap, {**evidence.costs.drawn, **accuracies})


def _gate_reasons(verdicts: Sequence[Verdict]) -> list[Reason]:
    return [
        Reason(key="reason.gate", values={"name": v.candidate, "gate_key": v.reason}, evidence=("gates",))
        for v in verdicts
        if not v.passed
    ]


def _excluded(evidence: _Evidence) -> list[Reason]:
    """Say so where a candidate that a gate shut out would have been cheapest most often."""
    shares = best_shares(evidence.everyone.total)
    best = evidence.everyone.names[int(np.argmax(shares))]
    if best in evidence.futures.names:
        return []
    values: Values = {"name": best, "best_share": float(shares.max())}
    return [Reason(key="reason.excluded", values=values, evidence=(f"summary.{best}.total",))]


# -------------------------------------------------------------------------- flips


def _flips(evidence: _Evidence) -> list[Reason]:
    """What would make another candidate the front-runner, the nearest first."""
    futures, choice, costs = evidence.futures, evidence.choice, evidence.costs
    requests = _typical(costs, "demand.requests_per_day")
    price = _typical(costs, "value_of_error")
    found = [
        (turn.factor, f"flip.demand_{turn.side}", {"requests_count": requests * turn.factor}, turn.other)
        for turn in turns(futures, choice, lambda f: futures.at(demand=f))
    ]
    found += [
        (turn.factor, f"flip.error_{turn.side}", {"error_price": price * turn.factor}, turn.other)
        for turn in turns(futures, choice, lambda f: futures.at(error_value=f))
    ]
    found.sort(key=lambda flip: abs(math.log(flip[0])))
    nearest = [
        Reason(key=key, values={"other": other, "currency": costs.currency, **level}, evidence=("drivers",))
        for _, key, level, other in found
    ]
    return nearest + _accuracy_flips(evidence)


def _typical(costs: Costs, name: str) -> float:
    """The median of an economic input."""
    return next(float(row["value"] or 0.0) for row in costs.inputs if row["name"] == name)


def _accuracy_flips(evidence: _Evidence) -> list[Reason]:
    """How good each candidate of assumed quality must be: to match the choice, or to stay it."""
    return [
        flip
        for name in evidence.everyone.names
        if evidence.quality.kinds.get(name) == "assumed" and (flip := _accuracy_flip(evidence, name))
    ]


def _accuracy_flip(evidence: _Evidence, name: str) -> Reason | None:
    stays = name == evidence.choice
    other = evidence.runner_up if stays else evidence.choice
    if other is None:
        return None
    needed = accuracy_to_match(evidence.everyone, name, other)
    if needed.value is None:
        return None
    values: Values = {
        "name": name,
        "other": other,
        "needed_accuracy": needed.value,
        "low_accuracy": None if needed.low is None else max(needed.low, 0.0),
        "high_accuracy": needed.high,
        "assumed_accuracy": float(_accuracy(evidence, name).mean()),
    }
    outcome = "never" if needed.value > 1 else "always" if needed.value <= 0 else "needed"
    key = "stays" if stays and outcome == "needed" else outcome
    if outcome == "needed" and (needed.high or 0.0) > 1:
        key += "_open"
    return Reason(key=f"flip.accuracy_{key}", values=values, evidence=(f"estimates.{name}.accuracy",))
