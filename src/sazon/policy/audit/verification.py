"""Recomputing the whole log, and saying what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sazon.core.errors import IntegrityError
from sazon.core.words import Phrase
from sazon.policy.audit import merkle, stored
from sazon.policy.audit.checkpoint import Checkpoint

if TYPE_CHECKING:
    from sqlalchemy import Connection

WORDS = "sazon.policy.audit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What a check of the whole log found."""

    size: int
    """Entries read."""
    root: bytes
    """Over what was read."""
    problems: tuple[Phrase, ...]
    """Everything that does not fit, the first first."""
    anchored: int | None
    """Entries under the largest checkpoint kept elsewhere; None where none was given. Later ones could
    have been cut off and written anew by whoever holds the signing key."""

    @property
    def holds(self) -> bool:
        """Whether everything fits."""
        return not self.problems


def verify(connection: Connection, *, public: bytes, anchors: Sequence[Checkpoint]) -> Verification:
    """Read every entry, rebuild the tree, compare it with what is stored, signed and anchored.

    Args:
        connection: a steady view.
        public: key of the log.
        anchors: checkpoints kept elsewhere.
    """
    problems: list[Phrase] = []
    try:
        head = stored.head(connection)
    except IntegrityError:
        head, problems = None, [_problem("head_damaged")]
    roots = {anchor.size: merkle.EMPTY for anchor in anchors}
    edge = _rebuild(connection, problems, roots)
    if head is not None:
        problems += _signature(head.note, public)
        if head.note.size != edge.size:
            problems.append(_problem("other_size", said=head.note.size, found=edge.size))
        elif head.note.root != edge.root() or head.edge.hashes != edge.hashes:
            problems.append(_problem("other_root"))
    elif edge.size and not problems:
        problems.append(_problem("no_head"))
    for anchor in anchors:
        problems += _signature(anchor, public)
        if head is not None and anchor.origin != head.note.origin:
            problems.append(_problem("other_log", origin=anchor.origin))
        elif anchor.size > edge.size:
            problems.append(_problem("truncated", said=anchor.size, found=edge.size))
        elif anchor.root != roots[anchor.size]:
            problems.append(_problem("forked", size=anchor.size))
    return Verification(
        size=edge.size,
        root=edge.root(),
        problems=tuple(problems),
        anchored=max((anchor.size for anchor in anchors), default=None),
    )


def _rebuild(connection: Connection, problems: list[Phrase], roots: dict[int, bytes]) -> merkle.Edge:
    """The tree over the entries as they read today; fills in the roots at some sizes."""
    edge, before, kept = merkle.Edge(), "", stored.nodes(connection)
    for row in stored.rows(connection, 0, merkle.LARGEST):
        if row.position != edge.size:
            problems.append(_problem("missing", index=edge.size))
            return edge
        try:
            found = stored.entry_of(row)
            leaf, at = found.leaf(), str(found.fields.get("at", ""))
        except IntegrityError:
            leaf, at = bytes(row.leaf), before
            problems.append(_problem("altered", index=row.position))
        else:
            if leaf != row.leaf:
                problems.append(_problem("altered", index=row.position))
            if at < before:
                problems.append(_problem("out_of_order", index=row.position))
        before = max(before, at)
        for level, position, hashed in edge.push(leaf):
            if level % stored.STEP == 0 and kept.pop((level, position), None) != hashed:
                problems.append(_problem("node", level=level, position=position))
        if edge.size in roots:
            roots[edge.size] = edge.root()
    problems += [_problem("node", level=level, position=position) for level, position in kept]
    return edge


def against(
    connection: Connection, earlier: Checkpoint, *, note: Checkpoint, public: bytes
) -> tuple[Phrase, ...]:
    """Whether the log at `note` continues an earlier checkpoint, by a consistency proof.

    Returns:
        What does not fit, nothing where it does.
    """
    problems = _signature(earlier, public)
    if earlier.origin != note.origin:
        return (*problems, _problem("other_log", origin=earlier.origin))
    if earlier.size > note.size:
        return (*problems, _problem("truncated", said=earlier.size, found=note.size))
    if earlier.size > 0:
        try:
            proof = merkle.consistency_proof(earlier.size, note.size, stored.reader(connection))
            merkle.verify_consistency(earlier.size, note.size, proof, earlier.root, note.root)
        except IntegrityError:
            problems.append(_problem("forked", size=earlier.size))
    return tuple(problems)


def _signature(note: Checkpoint, public: bytes) -> list[Phrase]:
    try:
        note.check(public)
    except IntegrityError:
        return [_problem("signature", size=note.size)]
    return []


def _problem(key: str, **values: int | str) -> Phrase:
    return Phrase(package=WORDS, key=f"problem.{key}", values=values)
