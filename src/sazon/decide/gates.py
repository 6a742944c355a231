"""Hard gates: may data leave, is it quick enough, is it good enough."""

from __future__ import annotations

from collections.abc import Sequence

from sazon.core.types import Candidate, Evaluation, QualityDraws, Verdict
from sazon.decide.config import Require


def check(
    require: Require,
    candidates: Sequence[Candidate],
    evaluation: Evaluation,
    quality: QualityDraws,
    *,
    consented_providers: frozenset[str],
) -> tuple[Verdict, ...]:
    """Every gate's answer for every candidate; `reason` is a key of this package's words."""
    verdicts = []
    for candidate in candidates:
        verdicts.append(_data_leaves(require, candidate, consented_providers))
        if require.latency_p95_s is not None:
            verdicts.append(_latency(require.latency_p95_s, candidate, evaluation))
        if require.accuracy is not None:
            verdicts.append(_accuracy(require, require.accuracy, candidate, quality))
    return tuple(verdicts)


def passing(verdicts: Sequence[Verdict]) -> list[str]:
    """Candidates that pass all their gates, in order; one that cannot be told does not pass."""
    names = list(dict.fromkeys(v.candidate for v in verdicts))
    failed = {v.candidate for v in verdicts if not v.passed}
    return [name for name in names if name not in failed]


def _answer(gate: str, candidate: Candidate, passed: bool | None, outcome: str) -> Verdict:
    return Verdict(gate=gate, candidate=candidate.name, passed=passed, reason=f"gate.{gate}.{outcome}")


def _data_leaves(require: Require, candidate: Candidate, consented: frozenset[str]) -> Verdict:
    gate = "data_leaves"
    if candidate.placement == "local":
        return _answer(gate, candidate, True, "stays")
    if require.data_leaves == "allowed":
        return _answer(gate, candidate, True, "allowed")
    if require.data_leaves == "never":
        return _answer(gate, candidate, False, "never")
    if not candidate.providers:
        return _answer(gate, candidate, True, "rented")
    if set(candidate.providers) <= consented:
        return _answer(gate, candidate, True, "consented")
    return _answer(gate, candidate, False, "not_consented")


def _latency(limit_s: float, candidate: Candidate, evaluation: Evaluation) -> Verdict:
    found = evaluation.estimates.get(candidate.name, {}).get("latency_p95_s")
    if found is None or found.value is None:
        return _answer("latency", candidate, None, "unknown")
    good = found.value <= limit_s
    return _answer("latency", candidate, good, "quick_enough" if good else "too_slow")


def _accuracy(require: Require, least: float, candidate: Candidate, quality: QualityDraws) -> Verdict:
    if candidate.name not in quality.candidates:
        return _answer("accuracy", candidate, None, "unknown")
    draws = quality.of("accuracy")[:, quality.candidates.index(candidate.name)]
    good = float((draws >= least).mean()) >= require.accuracy_confidence
    return _answer("accuracy", candidate, good, "good_enough" if good else "not_sure_enough")
