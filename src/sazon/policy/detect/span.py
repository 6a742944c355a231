"""A place in a text where something sensitive stands, and the seam that finds such places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

Kind = Literal[
    "PERSON", "PLACE", "ORGANISATION", "ADDRESS", "POSTCODE",
    "EMAIL", "PHONE", "URL", "HANDLE", "IP", "MAC",
    "NIF", "NIE", "CIF", "NSS", "PASSPORT", "NATIONAL_ID", "LICENCE", "PLATE",
    "IBAN", "CARD", "ACCOUNT",
    "BIRTH_DATE", "DATE", "AGE", "SEX", "FAMILY", "PROFESSION", "RECORD",
    "SECRET", "SPELLED", "OPAQUE", "OTHER",
]  # fmt: skip
"""What a span is. `NATIONAL_ID`: identifiers of other countries; `RECORD`: numbers of a patient, a
policy, a case; `SPELLED`: digits written as words; `OPAQUE`: content that cannot be looked into."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Characters `start` up to, not including, `end` of a text."""

    start: int
    end: int
    kind: Kind
    detector: str
    """Name of the detector that found it."""
    hidden: bool = False
    """Found in a disguise (decoded, spelled out): it can be cut out, but not be put back by itself."""

    def __post_init__(self) -> None:
        """Refuse a span that is none."""
        if not 0 <= self.start < self.end or self.kind not in KINDS:
            raise ValueError("a span needs 0 <= start < end and a known kind")

    def overlaps(self, other: Span) -> bool:
        """Whether both share a character."""
        return self.start < other.end and other.start < self.end


class Detector(Protocol):
    """Pure: a text in, spans out. Whatever it raises, or not answering in time, means *blocked*."""

    def __call__(self, text: str) -> Sequence[Span]:
        """The spans of a text, in any order; they may overlap."""
        ...
