"""Rows whose people have opted in to a purpose; the others are left out, and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sazon.core.dataset import DataClass, Dataset, Example
from sazon.policy.config import PolicyConfig, Purpose
from sazon.policy.consent import INSIDE, Consents, Record

Recipient = Callable[[Example], str]
"""Row → who gets it: a site, or nobody outside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """Rows that a purpose may not use."""

    purpose: Purpose
    split: str
    rows: int
    of: int
    people: int
    """People among them; 0 where nobody knows whose the rows are."""


def opted_in(
    dataset: Dataset,
    purpose: Purpose,
    consents: Consents,
    policy: PolicyConfig,
    *,
    now: float,
    recipient: Recipient = lambda row: INSIDE,
) -> tuple[Dataset, LeftOut]:
    """The rows that may be used for a purpose, in their order, and how many may not.

    A row is public where it or the data set is declared so. A row whose class is not known counts as
    special, one whose person is not known is left out.

    Args:
        dataset: the rows.
        purpose: what they would be used for.
        consents: as they stand.
        policy: names the organisation, whose own internal rows need its own word.
        now: seconds since the epoch.
        recipient: who gets a row.
    """

    def may(row: Example) -> bool:
        if dataset.public or row.sensitivity is DataClass.PUBLIC:
            return True
        subject, data_class = whose(row, policy)
        if subject is None:
            return False
        return isinstance(consents.covering(subject, purpose, recipient(row), data_class, now), Record)

    allowed = [may(row) for row in dataset.examples]
    out = [row for row, holds in zip(dataset.examples, allowed, strict=True) if not holds]
    left_out = LeftOut(
        purpose=purpose,
        split=dataset.split,
        rows=len(out),
        of=len(dataset),
        people=len({row.subject for row in out if row.subject}),
    )
    return dataset.select([i for i, holds in enumerate(allowed) if holds]), left_out


def whose(row: Example, policy: PolicyConfig) -> tuple[str | None, DataClass]:
    """Whose word a row needs, and for which class; None where nobody knows whose it is."""
    data_class = row.sensitivity if row.sensitivity is not None else DataClass.SPECIAL
    return row.subject or (policy.tenant if data_class is DataClass.INTERNAL else None), data_class
