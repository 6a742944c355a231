"""The `decide` section of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sazon.core.config import Config

Probability = Annotated[float, Field(gt=0, lt=1)]


class Require(Config):
    """Hard gates: what fails one is out, whatever it costs."""

    data_leaves: Literal["never", "consented", "allowed"] = "consented"
    """Whether requests may leave the house: never, not even to rented machines; to rented machines and
    consented providers; or to anybody."""
    latency_p95_s: Annotated[float, Field(gt=0)] | None = None
    """95 % of requests must be answered within this; unknown latency does not pass."""
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    """Least accuracy, as a share."""
    accuracy_confidence: Probability = 0.9
    """How probable it must be that the accuracy reaches the least one."""


class DecideConfig(Config):
    """When a decision counts as made."""

    confidence: Probability = 0.9
    """Decided where the best candidate is best in at least this share of futures."""
    require: Require = Require()
    """Hard gates."""
    weights: Literal["unknown"] | dict[str, Annotated[float, Field(ge=0)]] = "unknown"
    """Weights of criteria beyond money; kept for later, money decides now."""
