"""What became of requests put before the gate; it travels from the pipeline to the report."""

from __future__ import annotations

from dataclasses import dataclass

from sazon.core.dataset import DataClass
from sazon.core.words import Phrase


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request for a provider. Holds nothing of what it said."""

    example: str
    """Id of the row whose text was asked."""
    subject: str
    """Whose data it is."""
    data_class: DataClass
    provider: str
    """Name of the provider in the recipe."""
    ruling: Phrase
    """The gate's verdict and why."""
    allowed: bool
    answered_by: str
    """The candidate that answered here, or the provider."""
    label: str | None = None
    """What the candidate here answered; None where the provider did."""
    bytes_left: int
    """Bytes that arrived at the provider, counted there."""
    markers: tuple[str, ...] = ()
    """What stood in the place of what was found, as the provider saw it."""
    restored: bool = False
    """Whether the answer came back with the values in the place of the markers."""
    events: tuple[str, ...] = ()
    """What the audit log says of it, in order."""


@dataclass(frozen=True, kw_only=True)
class Exchanges:
    """Requests put before the gate one after another, and what proves what became of them."""

    exchanges: tuple[Exchange, ...]
    receipt: str
    """Id of the receipt of the consent that was given in between."""
    entries: int
    """Entries of the audit log that the proof covers."""
    sent: int
    """Requests that were sent, as the proof counts them."""
    verified: bool
    """Whether receipt and proof, read back from their files, hold."""
