"""Whose rows entered which artifact, so that a withdrawal can name what was made with them.

Persons stand here under keyed names: the table alone says nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sazon.core.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Table

BATCH = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Entered:
    """Rows of one person in one artifact."""

    subject: str
    """Keyed name."""
    run: str
    candidate: str
    purpose: str
    artifact: str
    """Digest of what was made."""

    def __str__(self) -> str:
        """`run/candidate (purpose, artifact digest)`; names nobody."""
        return f"{self.run}/{self.candidate} ({self.purpose}, {self.artifact[:16]})"


class Lineage:
    """The table of people and artifacts."""

    def __init__(self, store: Store, *, name_of: Callable[[str], str]) -> None:
        """Use a store; `name_of` turns a person into a keyed name."""
        self._store = store
        self._name_of = name_of
        self._table = _table()
        store.create(self._table.metadata)

    def note(self, people: Iterable[str], *, run: str, candidate: str, purpose: str, artifact: str) -> None:
        """Remember that these people's rows entered an artifact; noting it again changes nothing.

        Args:
            people: subjects.
            run: name of the run's directory.
            candidate: name of the candidate.
            purpose: what their rows were used for.
            artifact: digest of what was made.
        """
        about = {"run": run, "candidate": candidate, "purpose": purpose, "artifact": artifact}
        rows = [{"subject": name} | about for name in sorted({self._name_of(one) for one in people})]
        with self._store.writing(lock="lineage") as connection:
            for start in range(0, len(rows), BATCH):
                insert = self._store.insert(self._table).on_conflict_do_nothing()
                connection.execute(insert, rows[start : start + BATCH])

    def made_with(self, subject: str) -> tuple[str, ...]:
        """What a person's rows entered: `run/candidate (purpose, artifact digest)`, a line each."""
        return tuple(str(one) for one in self.entered([self._name_of(subject)]))

    def entered(self, names: Iterable[str]) -> tuple[Entered, ...]:
        """What the rows of some people entered, in order of run and candidate.

        Args:
            names: keyed, as the log has them.
        """
        from sqlalchemy import select

        columns, wanted = self._table.c, sorted(set(names))
        found: list[Any] = []
        with self._store.reading() as connection:
            for start in range(0, len(wanted), BATCH):
                some = columns.subject.in_(wanted[start : start + BATCH])
                found += connection.execute(select(self._table).where(some)).all()
        entered = [Entered(**row._mapping) for row in found]
        return tuple(sorted(entered, key=lambda e: (e.run, e.candidate, e.purpose, e.artifact, e.subject)))


def _table() -> Table:
    from sqlalchemy import Column, MetaData, String, Table

    return Table(
        "lineage",
        MetaData(),
        Column("subject", String(64), primary_key=True),
        Column("run", String(200), primary_key=True),
        Column("candidate", String(80), primary_key=True),
        Column("purpose", String(20), primary_key=True),
        Column("artifact", String(64), primary_key=True),
    )
