"""How the log lies in the store: entries, some inner nodes of the tree, and one row for its head.

Of the inner nodes only every eighth level is kept, one row for 256 entries: any other is found again from
at most 255 rows, and appending stays one row an entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from sazon.core.errors import IntegrityError
from sazon.policy.audit import checkpoint, merkle
from sazon.policy.audit.checkpoint import Checkpoint
from sazon.policy.audit.entry import Entry, canonical, joined

if TYPE_CHECKING:
    from sqlalchemy import Connection

TABLES = MetaData()
_POSITION = BigInteger().with_variant(Integer, "sqlite")
ENTRIES = Table(
    "audit_entry",
    TABLES,
    Column("position", _POSITION, primary_key=True, autoincrement=False),
    Column("fields", Text, nullable=False),
    Column("seed", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
NODES = Table(
    "audit_node",
    TABLES,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", _POSITION, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
HEAD = Table(
    "audit_head",
    TABLES,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("edge", LargeBinary, nullable=False),
    Column("reading", Text, nullable=False),
    Column("note", Text, nullable=False),
)
_ADD_ENTRIES, _ADD_NODES, _BEGIN_HEAD, _CHANGE_HEAD = (
    insert(ENTRIES),
    insert(NODES),
    insert(HEAD),
    update(HEAD),
)
_LAST = select(func.max(ENTRIES.c.position)).scalar_subquery()
_READ_HEAD = select(HEAD.c.edge, HEAD.c.reading, HEAD.c.note, _LAST.label("last"))
STEP = 8
_BLOCK = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """Where the log stands."""

    note: Checkpoint
    """Signed at the last append."""
    edge: merkle.Edge
    reading: str
    """What the clock said then; earlier than the note's time where it had been set back."""
    fits: bool = True
    """Whether the last entry is the last that is signed."""


def head(connection: Connection) -> Head | None:
    """The head, None for a log without entries.

    Raises:
        IntegrityError: it contradicts itself.
    """
    row = connection.execute(_READ_HEAD).one_or_none()
    if row is None:
        return None
    note = checkpoint.parse(row.note)
    width = merkle.HASH_BYTES
    hashes = [bytes(row.edge[i : i + width]) for i in range(0, len(row.edge), width)]
    fits = note.size == (0 if row.last is None else row.last + 1)
    return Head(note=note, edge=merkle.Edge(note.size, hashes), reading=row.reading, fits=fits)


def empty(connection: Connection) -> bool:
    """Whether there is no entry."""
    return connection.scalar(select(func.max(ENTRIES.c.position))) is None


def add(connection: Connection, entries: Sequence[Entry], edge: merkle.Edge) -> None:
    """Write entries and the nodes they complete; `edge` moves on."""
    rows, nodes = [], []
    for each in entries:
        texts = each.texts()
        leaf = each.leaf(texts)
        rows.append({"position": each.index, "fields": joined(texts), "seed": each.seed, "leaf": leaf})
        for level, position, found in edge.push(leaf):
            if level % STEP == 0:
                nodes.append({"level": level, "position": position, "hash": found})
    connection.execute(_ADD_ENTRIES, rows)
    if nodes:
        connection.execute(_ADD_NODES, nodes)


def set_head(connection: Connection, found: Head) -> None:
    """Put the head in the place of the one before."""
    row = {"edge": b"".join(found.edge.hashes), "reading": found.reading, "note": found.note.text}
    if not connection.execute(_CHANGE_HEAD, row).rowcount:
        connection.execute(_BEGIN_HEAD, row | {"one": 0})


def rows(connection: Connection, begin: int, end: int) -> Iterator[Any]:
    """Rows of entries in their order, in blocks; those that are missing are passed over."""
    query = select(ENTRIES).order_by(ENTRIES.c.position).limit(_BLOCK)
    low = begin
    while block := connection.execute(query.where(ENTRIES.c.position >= low, ENTRIES.c.position < end)).all():
        yield from block
        low = block[-1].position + 1


def nodes(connection: Connection) -> dict[tuple[int, int], bytes]:
    """Every node that is kept, by level and position."""
    return {(row.level, row.position): bytes(row.hash) for row in connection.execute(select(NODES))}


def entry_of(row: Any) -> Entry:
    """The entry of a row.

    Raises:
        IntegrityError: what is stored is not in the form in which it is written.
    """
    try:
        fields = json.loads(row.fields)
        written = isinstance(fields, dict) and canonical(fields) == row.fields
    except (ValueError, RecursionError):
        written = False
    if not written:
        raise IntegrityError("an entry is damaged", where=f"audit entry {row.position}")
    return Entry(index=row.position, fields=fields, seed=bytes(row.seed))


def entries(connection: Connection, begin: int, end: int) -> Iterator[Entry]:
    """Entries in their order.

    Raises:
        IntegrityError: one is missing or damaged.
    """
    expected = begin
    for row in rows(connection, begin, end):
        if row.position != expected:
            break
        yield entry_of(row)
        expected += 1
    if expected < end:
        raise IntegrityError("an entry is missing", where=f"audit entry {expected}")


def reader(connection: Connection) -> merkle.Subtree:
    """Roots over subtrees of the RFC's splits, from the highest nodes that are kept."""

    def subtree(begin: int, end: int) -> bytes:
        edge, low = merkle.Edge(), begin
        for level in range(((end - begin).bit_length() - 1) // STEP * STEP, -1, -STEP):
            high = end >> level << level
            if high > low:
                for found in _hashes(connection, level, low >> level, high >> level):
                    edge.push(found, level)
                low = high
        return edge.root()

    return subtree


def _hashes(connection: Connection, level: int, begin: int, end: int) -> list[bytes]:
    if level:
        table, column = NODES, NODES.c.hash
        query = select(column).where(NODES.c.level == level)
    else:
        table, column = ENTRIES, ENTRIES.c.leaf
        query = select(column)
    position = table.c.position
    found = connection.scalars(query.where(position >= begin, position < end).order_by(position)).all()
    if len(found) != end - begin:
        raise IntegrityError("a part of the tree is missing", where="audit")
    return [bytes(each) for each in found]
