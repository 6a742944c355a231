"""Keys that can be destroyed one by one without touching the others: a puncturable function.

A binary tree of seeds in which SHA-512 makes both children of a seed; a leaf is a key. Who holds the
root can make every leaf. To destroy one leaf, the seeds on the way to it are replaced by their other
children: all leaves but that one can still be made, and no computation leads back to it.

    before: root                    after destroying 01:  1,  00

Source: Goldreich, Goldwasser and Micali, *How to Construct Random Functions*, J. ACM 33 (1986);
puncturing: Boneh and Waters, *Constrained Pseudorandom Functions and Their Applications* (2013).
A destroyed leaf costs at most `DEPTH` seeds of 41 bytes each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sazon.policy.keys.sealing import KEY_BYTES, fresh_key

DEPTH = 64
"""Bits of a leaf's number."""
_DOMAIN = b"sazon erasable tree\0"
_PLACE_BYTES = 1 + 8
_NODE_BYTES = _PLACE_BYTES + KEY_BYTES


class Erasable:
    """The keys of all leaves that were not destroyed. Immutable; never prints a seed."""

    __slots__ = ("_seeds",)

    def __init__(self, seeds: Mapping[bytes, bytes]) -> None:
        """Use `fresh` or `from_bytes`."""
        self._seeds = dict(seeds)

    @classmethod
    def fresh(cls) -> Erasable:
        """A new tree with all its leaves."""
        return cls({_place(0, 0): fresh_key()})

    def key(self, leaf: int) -> bytes | None:
        """The 256-bit key of a leaf in [0, 2⁶⁴); None if it was destroyed."""
        top = self._above(leaf)
        if top is None:
            return None
        seed = self._seeds[_place(top, leaf >> (DEPTH - top))]
        for bit in range(DEPTH - top - 1, -1, -1):
            seed = _children(seed)[(leaf >> bit) & 1]
        return seed

    def without(self, leaf: int) -> Erasable:
        """The same tree, unable ever to make the key of this leaf again."""
        top = self._above(leaf)
        if top is None:
            return self
        seeds = dict(self._seeds)
        seed = seeds.pop(_place(top, leaf >> (DEPTH - top)))
        for depth in range(top + 1, DEPTH + 1):
            step = leaf >> (DEPTH - depth)
            both = _children(seed)
            seeds[_place(depth, step ^ 1)] = both[1 - (step & 1)]
            seed = both[step & 1]
        return Erasable(seeds)

    def to_bytes(self) -> bytes:
        """All seeds, as they stand; a secret."""
        return b"".join(sorted(place + seed for place, seed in self._seeds.items()))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Erasable:
        """Read back what `to_bytes` wrote."""
        nodes = (raw[i : i + _NODE_BYTES] for i in range(0, len(raw), _NODE_BYTES))
        return cls({node[:_PLACE_BYTES]: node[_PLACE_BYTES:] for node in nodes})

    def __len__(self) -> int:
        """Number of seeds kept."""
        return len(self._seeds)

    def _above(self, leaf: int) -> int | None:
        """How deep the seed lies from which a leaf can be made."""
        return next((d for d in range(DEPTH + 1) if _place(d, leaf >> (DEPTH - d)) in self._seeds), None)


def _place(depth: int, path: int) -> bytes:
    """Where a seed is: the first bits of its leaves, and how many they are."""
    return depth.to_bytes(1, "big") + path.to_bytes(8, "big")


def _children(seed: bytes) -> tuple[bytes, bytes]:
    both = hashlib.sha512(_DOMAIN + seed).digest()
    return both[:KEY_BYTES], both[KEY_BYTES:]
