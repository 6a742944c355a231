"""What looking for wrong labels found; it travels from `adapt` to the report."""

from __future__ import annotations

from dataclasses import dataclass

from sazon.core.types import Estimate
from sazon.core.words import Phrase


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One training row whose label a model that did not see it doubts, by id; never the input."""

    example: str
    given: str
    """The label it has."""
    likelier: str
    """The label the model finds likelier."""
    probability: float
    """Of the likelier label."""
    margin: float
    """Probability of the given label less that of the likeliest other; the lower, the more suspect."""


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """Training rows to look at again: suspects are not errors."""

    rows: int
    """Rows looked at."""
    left_out: int = 0
    """Rows of classes that cannot be cross-validated."""
    suspects: tuple[Suspect, ...] = ()
    """The most suspect first."""
    features: str = ""
    """What the model saw of a text, e.g. `minilm + TF-IDF`."""
    accuracy: Estimate
    """Share of the labels that the model, not having seen the row, gives as well."""
    expected: Estimate
    """Wrong labels to expect among the rows looked at, unit `labels`."""
    copies: int = 0
    """Rows whose text stands in an earlier row already, with the same label."""
    conflicting: tuple[tuple[str, ...], ...] = ()
    """Ids of rows with the same text but different labels, text by text."""
    dropped: int = 0
    """Suspects that were left out of training because the recipe says so."""
    skipped: Phrase | None = None
    """Why labels were not looked at, where they were not."""
