"""Everything the report may say, gathered by the pipeline from the types that travel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sazon.core.exchange import Exchanges
from sazon.core.suspects import Suspects
from sazon.core.types import (
    Candidate,
    Costs,
    Dataset,
    Decision,
    Evaluation,
    Example,
    Finding,
    Phrase,
    QualityDraws,
    Reason,
    Splits,
)

SUSPECTS_SHOWN = 10
"""Doubtful labels that the report lists."""
PARTS = ("language", "site", "sensitivity", "class")
"""What rows are counted by, in the order of the report."""


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """The data in counts; never its content."""

    name: str
    licence: str
    public: bool
    """Declared public: the worst errors may be shown as text."""
    how_split: tuple[Phrase, ...]
    """How the splits were made, a sentence each."""
    rows: Mapping[str, int]
    """Split → number of rows, in the order fit, validation, trust, calibration, test."""
    parts: Mapping[str, Mapping[str, Mapping[str, int]]]
    """`language`, `site`, `sensitivity`, `class` → value → split → number of rows."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Split → digest."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a run found, complete: the report adds words and pictures, never numbers of its own."""

    name: str
    """Name of the task."""
    command: str
    """The command that makes the same report again."""
    seed: int
    versions: Mapping[str, str]
    """Package or machine fact → version, for the last chapter."""
    made_at: str
    """ISO 8601 date or time."""
    data: DataSummary
    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    """In the order of the recipe."""
    evaluation: Evaluation
    costs: Costs
    decision: Decision
    verdict: Mapping[str, str]
    """Language → the decision in one sentence."""
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language → the decision's reasons as sentences; the verdict itself stands above them."""
    flips: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language → what would change the choice, as sentences."""
    gates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language → each gate's answer in words, in the order of `decision.gates`."""
    quality: QualityDraws | None = None
    """Kept for pictures; its draws are not copied into the JSON."""
    inputs_shown: Mapping[str, str] = field(default_factory=dict)
    """Example id → text, only where the data is public or the recipe asked for it."""
    suspects: Suspects | None = None
    """Training rows whose label is doubtful; None where nothing was looked at."""
    policy: Mapping[str, str] = field(default_factory=dict)
    """Fact → value: `basis`, `exits`, `exits_denied`, … (see the words under `policy.fact`)."""
    exchanges: Exchanges | None = None
    """Requests that were put before the gate to show what it does."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Stage → seconds it took."""
    looks: int = 1
    """How often a run has looked at this test set, this time included."""
    recipe_digest: str = ""

    @property
    def currency(self) -> str:
        """ISO 4217 code of every amount."""
        return self.costs.currency

    def sentences(self, what: Literal["reasons", "flips"], language: str) -> tuple[str, ...]:
        """Reasons or flips in one language; their bare keys where nobody put them into words."""
        worded: Mapping[str, tuple[str, ...]] = getattr(self, what)
        bare: tuple[Reason, ...] = getattr(self.decision, what)
        return worded.get(language, tuple(r.key for r in bare if not r.key.startswith("verdict.")))

    def gate_words(self, language: str) -> dict[tuple[str, str], str]:
        """(candidate, gate) → the answer in words, its bare key where nobody put it into words."""
        gates = self.decision.gates
        worded = self.gates.get(language, tuple(g.reason for g in gates))
        return {(g.candidate, g.gate): words for g, words in zip(gates, worded, strict=True)}

    @property
    def level(self) -> float:
        """Coverage of the intervals of quality."""
        return next(
            (m["accuracy"].level for m in self.evaluation.estimates.values() if "accuracy" in m), 0.95
        )

    def candidate(self, name: str) -> Candidate:
        """One candidate by name."""
        return next(c for c in self.candidates if c.name == name)


def summarise(splits: Splits) -> DataSummary:
    """Count the rows of every split by language, site, sensitivity and class."""
    found = (splits.fit, splits.validation, splits.trust, splits.calibration, splits.test)
    present = [d for d in found if d is not None]
    return DataSummary(
        name=splits.test.name,
        licence=splits.test.licence,
        public=splits.test.public,
        how_split=splits.how,
        rows={d.split: len(d) for d in present},
        parts={part: _count(part, present) for part in PARTS},
        digests=splits.digests,
    )


def _count(part: str, present: list[Dataset]) -> dict[str, dict[str, int]]:
    counts = {d.split: Counter(_value(part, e) for e in d.examples) for d in present}
    # A column nobody filled in says nothing.
    values = sorted({v for c in counts.values() for v in c if v is not None})
    return {v: {split: c[v] for split, c in counts.items()} for v in values}


def _value(part: str, example: Example) -> str | None:
    if part == "class":
        return example.target
    value = getattr(example, part)
    return None if value is None else str(value)


def inputs_of_worst(evaluation: Evaluation, test: Dataset, *, allowed: bool) -> dict[str, str]:
    """The texts of the worst errors, only if the data is public or `allowed` by the recipe."""
    if not (test.public or allowed):
        return {}
    wanted = {row.example for row in evaluation.worst}
    return {e.id: e.input for e in test.examples if e.id in wanted}


def inputs_of_suspects(found: Suspects, fit: Dataset, *, allowed: bool) -> dict[str, str]:
    """The texts of the most doubtful labels, only if the data is public or `allowed` by the recipe."""
    if not (fit.public or allowed):
        return {}
    wanted = {s.example for s in found.suspects[:SUSPECTS_SHOWN]}
    return {e.id: e.input for e in fit.examples if e.id in wanted}
