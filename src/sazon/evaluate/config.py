"""Options of the section `evaluate:`: how candidates are compared."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from sazon.core.config import Config, refuse
from sazon.evaluate.asked import LABELS, NO_PLACE, Consulted
from sazon.evaluate.perturb import Change

JSON_SCHEMA = "json_schema"
"""Name of the scorer that the option of that name makes."""


class RightConfig(Config):
    """Which answers count as right."""

    scorer: str = "exact"
    """`exact` (the target to the letter), `normalised_exact` (but for case and space), `token_f1` (words
    in common), `chrf` (runs of characters in common), `json_schema`, or one of your own."""
    at_least: float = Field(default=1.0, gt=0, le=1)
    """Least score, from 0 to 1, of a right answer."""


class JudgeConfig(Consulted):
    """A model that judges answers: shown beside accuracy with its own agreement with people; it decides
    nothing.
    """

    provider: str = Field(min_length=1)
    """Name, in the section `providers`, of whom to ask."""
    people: str | None = None
    """What people said of some of the answers: a CSV with the columns `input`, `answer` and `right`,
    relative to the recipe. From 200 answers of a candidate on, chosen at random, they put its share right."""

    @model_validator(mode="after")
    def _lists_the_labels(self) -> Self:
        if self.instruction is not None and LABELS not in self.instruction:
            raise refuse(*NO_PLACE)
        return self


class LatencyConfig(Config):
    """How response times are measured."""

    texts: int = Field(default=100, ge=0, le=10_000)
    """How many test texts are answered one by one; the times give the median and the 95th percentile."""
    warm_up: int = Field(default=3, ge=0, le=100)
    """Answers given before the clock starts."""
    at_once: int = Field(default=1, ge=1, le=64)
    """Callers who ask at the same time, each one text after the other, and wait in one queue as in the
    gateway; 1: only one by one."""


class ClaimConfig(Config):
    """One claim: `better: a, than: b`, or `not_worse: a, than: b, margin: 0.02`."""

    better: str | None = None
    """Candidate said to be more accurate."""
    not_worse: str | None = None
    """Candidate said to be at most `margin` less accurate."""
    than: str = Field(min_length=1)
    """Candidate it is compared with."""
    margin: float | None = Field(default=None, gt=0, lt=1)
    """How much less accurate still counts as not worse."""

    @model_validator(mode="after")
    def _one_claim(self) -> Self:
        if (self.better is None) == (self.not_worse is None):
            raise refuse("a claim says either better or not_worse", "Write e.g. better: tuned, than: probe.")
        if (self.margin is None) != (self.not_worse is None):
            raise refuse("margin belongs to not_worse", "Write not_worse: a, than: b, margin: 0.02.")
        if self.than in (self.better, self.not_worse):
            raise refuse("a candidate is compared with another one", "Name two candidates.")
        return self

    @property
    def candidate(self) -> str:
        """Whom the claim is about."""
        return self.better or self.not_worse or ""


class RobustnessConfig(Config):
    """How candidates that run here are tried on changed texts."""

    changes: list[Change] = Field(default_factory=list)
    """`typos`, `no_accents`, `upper_case`, `lower_case`, `noise`, and `swapped_language`: the text in the
    other language, from the column `data.translation`. None by default, since every candidate answers
    again for each."""
    rows: int = Field(default=200, ge=20, le=100_000)
    """Test rows that are changed, at most; for `swapped_language`, of those that have a translation."""


class EvaluateConfig(Config):
    """How candidates are compared."""

    reference: str | None = None
    """Candidate all others are compared with; by default the first measured `api` or `host`,
    else `linear`, else the first measured candidate."""
    margin: float = Field(default=0.02, gt=0, lt=1)
    """A candidate counts as not worse if its accuracy is at most this much below the reference."""
    claims: list[ClaimConfig] = Field(default_factory=list)
    """Claims declared before the data is looked at, e.g. `{better: tuned, than: probe}` or
    `{not_worse: small, than: tuned, margin: 0.02}`; their p is corrected among themselves alone."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Coverage of every interval."""
    draws: int = Field(default=10_000, ge=100, le=1_000_000)
    """Resamplings behind bootstrap intervals."""
    slices: list[str] = Field(default_factory=lambda: ["language", "site"])
    """Fields of the rows by which results are also shown: `language`, `site`, `sensitivity`, `target`,
    `length` (thirds of the rows by number of characters)."""
    fairness: list[str] = Field(default_factory=list)
    """Fields whose groups should be served alike: the gap between best and worst, with a test."""
    robustness: RobustnessConfig = Field(default_factory=RobustnessConfig)
    """Accuracy on texts changed in ways that leave their meaning alone."""
    right: RightConfig = Field(default_factory=RightConfig)
    """Which answers count as right, everywhere: accuracy, comparisons, certificates and money. For free
    text e.g. `{scorer: token_f1, at_least: 0.8}`."""
    scorers: list[str] = Field(default_factory=list)
    """Mean scores shown beside accuracy: those of `right.scorer`, or your own, declared as an entry point
    of the group `sazon.scorer`."""
    json_schema: dict[str, Any] | None = None
    """A JSON Schema; with it the scorer `json_schema` gives 1 to answers that it allows."""
    judge: JudgeConfig | None = None
    """A model that judges the answers; asked once, after consent: `sazon evaluate RECIPE --record
    evaluate.judge`."""
    worst: int = Field(default=10, ge=0, le=1000)
    """How many of the most confidently wrong answers are listed."""
    latency: LatencyConfig = Field(default_factory=LatencyConfig)
    """How response times are measured."""

    @model_validator(mode="after")
    def _schema_given(self) -> Self:
        if self.json_schema is None and JSON_SCHEMA in (self.right.scorer, *self.scorers):
            raise refuse("the scorer json_schema needs a schema", "Write it under evaluate.json_schema.")
        return self
