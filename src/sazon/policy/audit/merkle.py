"""Merkle trees as RFC 9162 (section 2.1) has them: roots, proofs, and strict verification.

Every proof is read by following the same splits that made it, so a proof that is too short, too long or
for another place fails by itself. Hashes are 32 bytes of SHA-256 everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from sazon.core.errors import IntegrityError

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""
LARGEST = 1 << 62
"""No log is longer; bounds the work that a forged size can cause."""
Subtree = Callable[[int, int], bytes]
"""Root over the leaves `begin` to `end` (excluded), one of the subtrees that the RFC's splits make."""


def leaf_hash(content: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 ‖ content)."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`, where the RFC cuts a tree of two leaves or more."""
    return 1 << (size - 1).bit_length() - 1


class Edge:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first.

    That is all an append or a root needs: one hash for each bit set in the size.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Continue from a size and its hashes, largest subtree first.

        Raises:
            IntegrityError: they do not belong together.
        """
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        if len(levels) != len(hashes) or any(len(h) != HASH_BYTES for h in hashes):
            raise IntegrityError("the stored edge of the tree does not fit its size")
        self.size = size
        self._peaks = list(zip(levels, hashes, strict=True))

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees, largest first."""
        return tuple(found for _, found in self._peaks)

    def push(self, found: bytes, level: int = 0) -> list[tuple[int, int, bytes]]:
        """Append a leaf hash, or the root of a complete subtree of 2^level leaves.

        Returns:
            Every inner node this completed: level, position among the nodes of that level, hash.
        """
        self.size += 1 << level
        completed = []
        while self._peaks and self._peaks[-1][0] == level:
            found = node_hash(self._peaks.pop()[1], found)
            level += 1
            completed.append((level, (self.size >> level) - 1, found))
        self._peaks.append((level, found))
        return completed

    def root(self) -> bytes:
        """Root over all leaves so far."""
        hashes = self.hashes
        if not hashes:
            return EMPTY
        root = hashes[-1]
        for left in reversed(hashes[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes."""
    edge = Edge()
    for leaf in leaves:
        edge.push(leaf)
    return edge.root()


# ------------------------------------------------------------------------------ making


def inclusion_proof(index: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 9162, section 2.1.3.1: at most ⌈log2 size⌉ hashes, lowest first."""
    _demand(0 <= index < size <= LARGEST, "there is no such entry")
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(begin, middle))
            begin = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, subtree: Subtree) -> tuple[bytes, ...]:
    """PROOF(old, D[new]) of RFC 9162, section 2.1.4.1; empty where both sizes are the same."""
    _demand(0 < old <= new <= LARGEST, "these sizes cannot be compared")
    begin, end, path = 0, new, []
    while old < end:
        middle = begin + split(end - begin)
        if old <= middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(begin, middle))
            begin = middle
    if begin > 0:
        path.append(subtree(begin, end))
    return tuple(reversed(path))


def range_proof(begin: int, end: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """The subtrees beside the leaves `begin` to `end` (excluded), from left to right.

    With those leaves they give the root, so no leaf between the two can be left out. At most
    2 ⌈log2 size⌉ hashes.
    """
    _demand(0 <= begin < end <= size <= LARGEST, "there is no such range")

    def beside(low: int, high: int) -> Iterator[bytes]:
        if begin <= low and high <= end:
            return
        if high <= begin or end <= low:
            yield subtree(low, high)
            return
        middle = low + split(high - low)
        yield from beside(low, middle)
        yield from beside(middle, high)

    return tuple(beside(0, size))


# --------------------------------------------------------------------------- verifying


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash stands at `index` of the tree with this size and root.

    Raises:
        IntegrityError: it does not, or the proof is not exactly one for this place.
    """
    _demand(_whole(index, size) and 0 <= index < size <= LARGEST, "there is no such entry")
    _all_hashes((leaf, root, *proof))
    left = list(proof)

    def climb(index: int, size: int) -> bytes:
        if size == 1:
            return leaf
        sibling, middle = _last(left), split(size)
        if index < middle:
            return node_hash(climb(index, middle), sibling)
        return node_hash(sibling, climb(index - middle, size - middle))

    _demand(climb(index, size) == root and not left, "the entry is not in the log at this place")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of size `new` only added leaves to the one of size `old`.

    Raises:
        IntegrityError: it did not, the proof is not exactly one for these sizes, or `old` is 0 (a tree
            without leaves says nothing).
    """
    _demand(_whole(old, new) and 0 < old <= new <= LARGEST, "these sizes cannot be compared")
    _all_hashes((old_root, new_root, *proof))
    left = list(proof)

    def climb(old: int, new: int, *, whole: bool) -> tuple[bytes, bytes]:
        if old == new:
            shared = old_root if whole else _last(left)
            return shared, shared
        beside, middle = _last(left), split(new)
        if old <= middle:
            before, after = climb(old, middle, whole=whole)
            return before, node_hash(after, beside)
        before, after = climb(old - middle, new - middle, whole=False)
        return node_hash(beside, before), node_hash(beside, after)

    same = climb(old, new, whole=True) == (old_root, new_root)
    _demand(same and not left, "the later log does not continue the earlier one")


def verify_range(leaves: Sequence[bytes], begin: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that consecutive leaf hashes stand at `begin` and after it, none left out.

    Raises:
        IntegrityError: they do not, or the proof is not exactly one for this range.
    """
    _demand(_whole(begin, size) and bool(leaves), "there is no such range")
    end = begin + len(leaves)
    _demand(0 <= begin < end <= size <= LARGEST, "there is no such range")
    _all_hashes((root, *leaves, *proof))
    beside, inside = list(reversed(proof)), iter(leaves)

    def climb(low: int, high: int) -> bytes:
        if high <= begin or end <= low:
            return _last(beside)
        if high - low == 1:
            return next(inside)
        middle = low + split(high - low)
        return node_hash(climb(low, middle), climb(middle, high))

    _demand(climb(0, size) == root and not beside, "these entries are not in the log one after another")


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise IntegrityError(what)


def _whole(*numbers: object) -> bool:
    return all(type(number) is int for number in numbers)


def _all_hashes(hashes: Sequence[bytes]) -> None:
    _demand(all(len(h) == HASH_BYTES for h in hashes), "a hash is not of 32 bytes")


def _last(hashes: list[bytes]) -> bytes:
    _demand(bool(hashes), "the proof is too short")
    return hashes.pop()
