"""What is assumed of a candidate that has still to be made, so that economics can price it without data."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from sazon.core.config import Config, refuse
from sazon.economics.ranges import Range
from sazon.evaluate.sources import Assumed, QualitySource, ShareRange


class AssumedModel(Assumed):
    """Of a model that will be made here and run on small servers."""

    requests_per_second: Range
    """Requests a second that one small server answers, with the `source` of the figure."""

    @field_validator("requests_per_second")
    @classmethod
    def _some_with_a_source(cls, value: Range) -> Range:
        if value.stated[0] <= 0:
            raise refuse("a server that answers nothing cannot be sized", "Give a rate above 0.")
        if value.source == Range.model_fields["source"].default:
            raise refuse(
                "nobody has measured it, so say where the figure comes from",
                "Write e.g. {p10: 20, p90: 200, source: timed on a laptop}.",
            )
        return value


class AssumedCascade(Assumed):
    """Of a cascade whose members have still to answer."""

    passed_on: ShareRange
    """Share of requests that the local member passes on."""


def assumption_of(technique: str, config: type[Config]) -> type[Assumed] | None:
    """The class of `assumed:` under a candidate of a technique; None where its own options hold it."""
    if issubclass(config, QualitySource):
        return None
    if technique == "panel":
        return Assumed
    return AssumedCascade if technique == "cascade" else AssumedModel


def take_assumed(options: dict[str, Any], technique: str, config: type[Config]) -> Assumed | None:
    """Take `assumed:` out of a candidate's options, which then are the technique's alone.

    Raises:
        ValidationError: it does not say what economics needs.
    """
    kind = assumption_of(technique, config)
    if kind is None or "assumed" not in options:
        return None
    return kind.model_validate(options.pop("assumed"))
