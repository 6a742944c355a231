"""Consent: who opted in to what, with whom, for which classes of data, from when until when.

Records follow ISO/IEC TS 27560:2023 in the terms of the W3C Data Privacy Vocabulary. Only a record
that is *given*, signed by this organisation, begun, unexpired and not ended allows anything; one
purpose, one recipient or one class never implies another.

`Consents` is a frozen view and all that the gate needs; `register.py` keeps the signed file behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from sazon.core.dataset import DataClass
from sazon.core.errors import DataError
from sazon.policy.config import Basis, Purpose

Ending = Literal["withdrawn", "terminated", "invalidated"]
"""How a consent ends before its time: by the person, by the controller, or because it was never valid."""
ENDINGS: tuple[Ending, ...] = get_args(Ending)
INSIDE = ""
"""Recipient of work that stays in the organisation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One consent, given by one subject for one purpose."""

    id: str
    subject: str
    purpose: Purpose
    recipient: str
    """Name of the provider or site in the recipe; empty: inside the organisation only."""
    classes: frozenset[DataClass]
    """Classes of data it names; none implies another, and special data must be named."""
    basis: Basis
    notice: str
    """SHA-256 of the notice that the person was shown, in hexadecimal."""
    given_at: float
    """Seconds since the epoch."""
    expires_at: float
    ended_at: float | None = None
    ended: Ending | None = None

    def __post_init__(self) -> None:
        """Refuse a record that could be read in two ways.

        Raises:
            DataError: no subject, no class, or times that are none.
        """
        wrong = (
            ("a consent needs a subject", bool(self.subject.strip())),
            ("a consent names at least one class of data", bool(self.classes)),
            ("a notice is named by the SHA-256 of its text", _is_digest(self.notice)),
            (
                "a consent ends after it begins",
                math.isfinite(self.given_at)
                and math.isfinite(self.expires_at)
                and self.given_at < self.expires_at,
            ),
            ("leaving the house needs a recipient", self.recipient != INSIDE or self.purpose not in LEAVING),
        )
        for what, holds in wrong:
            if not holds:
                raise DataError(what, where=f"consent {self.id}")

    def state(self, now: float) -> str:
        """`given` where it stands now; else how it ended, `not_begun` or `lapsed`."""
        if self.ended_at is not None:
            return self.ended or "invalidated"
        if not now >= self.given_at:  # not a number is no moment
            return "not_begun"
        return "given" if now < self.expires_at else "lapsed"

    def objection(self, data_class: DataClass, now: float) -> str | None:
        """Why this record does not cover a class of data now; None where it does."""
        state = self.state(now)
        if state != "given":
            return state
        return None if data_class in self.classes else "other_class"


LEAVING = ("federate", "infer.external")
"""Purposes that carry something out of the house."""
_NEARNESS = ("missing", "invalidated", "terminated", "withdrawn", "lapsed", "not_begun", "other_class")
"""Objections, from the farthest from a yes to the nearest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A consent that is not there, and why; never says more than the question held."""

    subject: str
    purpose: Purpose
    recipient: str
    data_class: DataClass
    reason: str
    """One of `missing`, `withdrawn`, `terminated`, `invalidated`, `lapsed`, `not_begun`, `other_class`."""


@dataclass(frozen=True, kw_only=True)
class Consents:
    """Every record of an organisation as it stands at one moment."""

    records: Mapping[str, Record] = field(default_factory=dict)
    """By id, in the order in which they were given."""
    digest: str = ""
    """Of the register they were read from."""

    def __post_init__(self) -> None:
        """Sort the records by what is asked for."""
        by_question: dict[tuple[str, Purpose, str], list[Record]] = {}
        for record in self.records.values():
            by_question.setdefault((record.subject, record.purpose, record.recipient), []).append(record)
        object.__setattr__(self, "_by_question", by_question)

    @classmethod
    def of(cls, records: Iterable[Record], *, digest: str = "") -> Consents:
        """A view of these records."""
        return cls(records={record.id: record for record in records}, digest=digest)

    def covering(
        self, subject: str, purpose: Purpose, recipient: str, data_class: DataClass, now: float
    ) -> Record | Missing:
        """The record that allows this, or what is missing.

        Args:
            subject: whose data it is.
            purpose: what for.
            recipient: provider or site; empty inside the organisation.
            data_class: of the data.
            now: seconds since the epoch; not a number allows nothing.
        """
        held: dict[tuple[str, Purpose, str], list[Record]] = getattr(self, "_by_question")  # noqa: B009
        reason = "missing"
        for record in held.get((subject, purpose, recipient), ()):
            objection = record.objection(data_class, now)
            if objection is None:
                return record
            reason = max(reason, objection, key=_NEARNESS.index)
        return Missing(
            subject=subject, purpose=purpose, recipient=recipient, data_class=data_class, reason=reason
        )


NOBODY = Consents()
"""No consent at all."""


def moment(text: str, *, where: str) -> float:
    """Seconds since the epoch of an ISO 8601 time with its offset.

    Raises:
        DataError: not such a time; without an offset it could be any hour.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise DataError(
            "not a time with its offset from UTC", where=where, mend="Write it as 2026-01-31T09:00:00+01:00."
        )
    return found.timestamp()


def written(at: float) -> str:
    """A moment as ISO 8601 in UTC, to the microsecond, never later than it is.

    Rounded up, a consent given now would begin a moment from now.
    """
    found = datetime.fromtimestamp(at, UTC)
    return (found if found.timestamp() <= at else found - timedelta(microseconds=1)).isoformat()


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
