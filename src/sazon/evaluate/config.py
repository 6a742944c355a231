"""Options of the section `evaluate:`: how candidates are compared."""

from __future__ import annotations

from pydantic import Field

from sazon.core.config import Config


class LatencyConfig(Config):
    """How response times are measured."""

    texts: int = Field(default=100, ge=0, le=10_000)
    """How many test texts are answered one by one; the times give the median and the 95th percentile."""
    warm_up: int = Field(default=3, ge=0, le=100)
    """Answers given before the clock starts."""


class EvaluateConfig(Config):
    """How candidates are compared."""

    reference: str | None = None
    """Candidate all others are compared with; by default the first measured `api` or `host`,
    else `linear`, else the first measured candidate."""
    margin: float = Field(default=0.02, gt=0, lt=1)
    """A candidate counts as not worse if its accuracy is at most this much below the reference."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Coverage of every interval."""
    draws: int = Field(default=10_000, ge=100, le=1_000_000)
    """Resamplings behind bootstrap intervals."""
    slices: list[str] = Field(default_factory=lambda: ["language", "site"])
    """Fields of the rows by which results are also shown: `language`, `site`, `sensitivity`, `target`."""
    worst: int = Field(default=10, ge=0, le=1000)
    """How many of the most confidently wrong answers are listed."""
    latency: LatencyConfig = Field(default_factory=LatencyConfig)
    """How response times are measured."""
