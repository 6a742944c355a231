"""The types that travel between the rooms of the house: frozen and keyword-only.

No naked number crosses a package boundary: it is an `Estimate`, with unit and method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sazon.core import digest

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["measured", "published", "assumed"]
Placement = Literal["local", "cloud", "hybrid"]
Split = Literal["all", "fit", "validation", "trust", "calibration", "test"]
Floats = npt.NDArray[np.float64]
KINDS: tuple[Kind, ...] = ("measured", "published", "assumed")


class DataClass(StrEnum):
    """How sensitive a text is, in rising order."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"
    SPECIAL = "special"

    @property
    def rank(self) -> int:
        """0 for public up to 3 for special."""
        return list(DataClass).index(self)


# --------------------------------------------------------------------------- data


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One row: a text, the answer wanted, and whose it is."""

    id: str
    """Stable: digest of input, target and group plus an ordinal for exact copies."""
    input: str
    target: str
    group: str | None = None
    """What must not straddle a split (a customer, a document)."""
    subject: str | None = None
    """Whose data it is, for consent; the group where not given."""
    site: str | None = None
    """Where the row lives, for federation and slices."""
    sensitivity: DataClass | None = None
    """None means unknown, which the policy treats as special."""
    language: str | None = None
    """`es`, `en`, another code, `mixed`, or None where it was not found out."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples of one split, in a fixed order."""

    name: str
    split: Split
    examples: tuple[Example, ...]
    licence: str = ""
    public: bool = False
    """Declared public: inputs may be shown in reports and recordings."""

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.examples)

    @property
    def inputs(self) -> list[str]:
        """The texts, in order."""
        return [e.input for e in self.examples]

    @property
    def targets(self) -> list[str]:
        """The answers wanted, in order."""
        return [e.target for e in self.examples]

    @property
    def ids(self) -> list[str]:
        """The example ids, in order."""
        return [e.id for e in self.examples]

    @property
    def groups(self) -> list[str]:
        """The group of each example; an example without one is its own group."""
        return [e.group if e.group is not None else e.id for e in self.examples]

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct targets, sorted."""
        return tuple(sorted(set(self.targets)))

    @property
    def digest(self) -> str:
        """Digest of every field of every example, in order."""
        rows = self.examples
        return digest.of_text(
            *(
                field or ""
                for e in rows
                for field in (e.id, e.input, e.target, e.group, e.subject, e.site, e.sensitivity, e.language)
            )
        )

    def select(self, indices: Iterable[int], *, split: Split | None = None) -> Dataset:
        """The examples at `indices`, in that order."""
        rows = tuple(self.examples[i] for i in indices)
        return replace(self, examples=rows, split=split or self.split)


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The five splits of a run, made once. Trust and calibration exist only for a cascade."""

    fit: Dataset
    validation: Dataset
    trust: Dataset | None
    calibration: Dataset | None
    test: Dataset
    how: str
    """How the splits were made, in words for the report."""

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each split that exists."""
        named = (self.fit, self.validation, self.trust, self.calibration, self.test)
        return {d.split: d.digest for d in named if d is not None}


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a technique may see: never trust, calibration or test."""

    fit: Dataset
    validation: Dataset
    labels: tuple[str, ...]
    """All classes of the task, sorted; the order of every probability column."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Words that describe a label, where the recipe gives them."""


# ---------------------------------------------------------------------- estimates


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that says how sure it is; undefined is not zero."""

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    unit: str = ""
    """`share`, `s`, `EUR`, `EUR/1000 requests`, `labels`, …"""
    method: str = ""
    """How value and interval were found, e.g. `Wilson score`."""
    n: int | None = None
    clusters: int | None = None
    kind: Kind = "measured"
    undefined: str = ""
    """The reason where there is no value."""

    def __post_init__(self) -> None:
        """Hold the invariants: a value or a reason, and ordered bounds."""
        if (self.value is None) == (not self.undefined):
            raise ValueError("an estimate has either a value or a reason for having none")
        numbers = [x for x in (self.value, self.low, self.high) if x is not None]
        if any(math.isnan(x) for x in numbers):
            raise ValueError("an estimate is never NaN: use Estimate.none(reason)")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} above high {self.high}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must be inside (0, 1), got {self.level}")

    @classmethod
    def none(cls, reason: str, *, unit: str = "", n: int | None = None) -> Estimate:
        """An undefined estimate with the reason."""
        return cls(value=None, undefined=reason, unit=unit, n=n)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A hypothesis tested on the data: what, by which test, with what result."""

    hypothesis: str
    margin: float | None
    test: str
    n: int
    clusters: int | None
    p_raw: float | None
    p_corrected: float | None
    estimate: Estimate
    declared: bool
    """True where the recipe asked for it before the data was looked at."""
    labels_needed: int | None = None
    """Further labels that would show the difference with 80 % power, were it as large as it looks now;
    None where it is shown already, or where no number of labels can show it."""


# --------------------------------------------------------------------- candidates


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A folder that holds a predictor, and the digest of its content."""

    path: Path
    digest: str


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """What making a candidate took."""

    seconds: float
    rows: int
    tokens: int | None = None
    energy_kwh: Estimate = field(default_factory=lambda: Estimate.none("not estimated", unit="kWh"))
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A bound that holds with stated confidence, void when any digest changes."""

    statement: str
    algorithm: str
    epsilon: float
    delta: float
    n: int
    threshold: float | None
    """Trust needed to answer locally; None: defer everything."""
    local_share: Estimate
    harm: Estimate
    labels_needed: int | None
    """Further calibration labels that would allow a certificate where there is none."""
    models: Mapping[str, str]
    """Digest of each model it holds for, by candidate name."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way of running the task."""

    name: str
    technique: str
    kind: Kind = "measured"
    parents: tuple[str, ...] = ()
    base: str | None = None
    """Base model as name@revision."""
    artifact: Artifact | None = None
    """None where nothing runs here (assumed or published quality)."""
    placement: Placement = "local"
    providers: tuple[str, ...] = ()
    """Providers that see requests; empty where nothing leaves."""
    training: TrainingCost | None = None
    certificate: Certificate | None = None
    validation: Mapping[str, Estimate] = field(default_factory=dict)
    """Metrics on validation, for choices between techniques."""
    facts: Mapping[str, str | float | int | bool | None] = field(default_factory=dict)
    """What the technique wants said of it (chosen C, epochs, method, …)."""
    notes: tuple[str, ...] = ()
    """Warnings a reader must see, in words."""

    @property
    def digest(self) -> str:
        """Digest of what the candidate answers with."""
        held = self.artifact.digest if self.artifact else ""
        return digest.of_text(self.name, self.technique, self.base or "", held)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Answers to a batch of inputs, in their order."""

    labels: tuple[str, ...]
    confidence: Floats
    """Shape (n,): the predictor's own probability of being right, in [0, 1]; NaN: none given."""
    probabilities: Floats | None = None
    """Shape (n, classes) in the order of `classes`, rows summing to 1."""
    classes: tuple[str, ...] = ()
    errors: tuple[str | None, ...] = ()
    """Per input, why there is no answer; empty where all were answered."""
    routed: tuple[str, ...] = ()
    """Per input, which candidate answered (for cascades)."""
    tokens: Floats | None = None
    """Shape (n,): tokens billed per request, input and output together, where known."""
    money: Floats | None = None
    """Shape (n,): money paid per request, where known."""
    seconds: Floats | None = None
    """Shape (n,): seconds spent elsewhere (at a provider, recorded then) that a clock here does not
    see and that add to the latency measured here; NaN: unknown, 0: nothing left."""


# ------------------------------------------------------------ scores, draws, costs


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something the data check saw."""

    level: Literal["error", "warning", "note"]
    what: str
    where: str = ""
    mend: str = ""
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One candidate's quality on part of the test set."""

    column: str
    """`language`, `site`, …"""
    value: str
    candidate: str
    metric: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class ErrorRow:
    """One test example that a candidate got wrong, by id; never the input."""

    example: str
    target: str
    answers: Mapping[str, str]
    """Candidate → its answer."""
    confidence: Mapping[str, float]
    """Candidate → how sure it was."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that evaluation found, ready for economics, decision and report."""

    reference: str
    margin: float
    n: int
    clusters: int
    estimates: Mapping[str, Mapping[str, Estimate]]
    """candidate → metric (accuracy, macro_f1, latency_p50_s, latency_p95_s, throughput_per_s,
    calibration_error, …) → Estimate. Assumed and published candidates have what they claim."""
    differences: Mapping[str, Claim]
    """candidate → paired (or independent) difference in accuracy to the reference."""
    claims: tuple[Claim, ...]
    """The claim ledger: every test made, with raw and corrected p."""
    slices: tuple[SliceRow, ...]
    worst: tuple[ErrorRow, ...]
    recall: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """candidate → class → recall."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Long table, one row per example × candidate × metric.

    Columns: example, group, candidate, metric, value, confidence, tokens, seconds,
    money, error. `value` is null where the candidate gave no answer (`error` says why).
    """

    table: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class QualityDraws:
    """Draws of each candidate's quality, sharing one resampling so that they stay paired."""

    values: Floats
    """Shape (draws, candidates, metrics)."""
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    kinds: Mapping[str, Kind]
    """Where each candidate's quality comes from."""

    def of(self, metric: str) -> Floats:
        """Shape (draws, candidates) for one metric."""
        return self.values[:, :, self.metrics.index(metric)]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Cost of each candidate in each simulated world; world i belongs to draw i of quality."""

    values: Floats
    """Shape (draws, candidates): total over the horizon, errors included, in `currency`."""
    candidates: tuple[str, ...]
    currency: str
    months: int
    prices_as_of: str
    summary: Mapping[str, Mapping[str, Estimate]]
    """candidate → quantity → Estimate (total, per_1000_requests, per_1000_correct, …)."""
    timeline: Mapping[str, tuple[tuple[float, float, float], ...]]
    """candidate → per month the P10, P50, P90 of the cumulative cost."""
    drivers: Mapping[str, Estimate] = field(default_factory=dict)
    """Uncertain input → rank correlation with the cost gap between the two cheapest."""
    inputs: tuple[Mapping[str, str | float | None], ...] = ()
    """Every economic input used: name, value, low, high, unit, kind, source, date."""
    parts: Mapping[str, Floats] = field(default_factory=dict)
    """Shape (draws, candidates) each. `fixed` + `use` + `errors` = `values`, where `use` and
    `errors` grow in proportion to demand; `all_wrong` is what `errors` would be if every answer
    were wrong."""
    drawn: Mapping[str, Floats] = field(default_factory=dict)
    """Uncertain input → shape (draws,): its value in each world."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One gate's answer for one candidate."""

    gate: str
    candidate: str
    passed: bool | None
    """None: cannot be told (a gate that cannot be told does not pass)."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One sentence of the decision, as a phrase key with values, and the evidence behind it."""

    key: str
    """Key in `sazon.decide`'s words."""
    values: Mapping[str, str | float | int | None] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Which candidate, how sure, and what would change it."""

    status: Literal["decided", "undecided"]
    choice: str | None
    """Best candidate; named also when undecided (the front-runner), None if none passes."""
    confidence: Estimate
    """P(best) of the choice over the joint draws."""
    ranking: tuple[tuple[str, Estimate], ...]
    """Candidates that pass the gates with their P(best), best first."""
    gates: tuple[Verdict, ...]
    reasons: tuple[Reason, ...]
    flips: tuple[Reason, ...]
    """What would change the choice."""
    labels_needed: Estimate
    """Further test labels expected to settle it; undefined where labels cannot."""


def index_of(names: Sequence[str]) -> dict[str, int]:
    """Position of each name."""
    return {name: i for i, name in enumerate(names)}
