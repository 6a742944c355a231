"""Named random streams: adding a stage never shifts the numbers of another."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator that belongs to `name` under `seed`.

    The name enters through SHA-256, so that the stream depends on nothing but
    (seed, name): not on the order of calls, the platform or Python's hash seed.

    Args:
        seed: any non-negative integer; 0 is a seed like any other.
        name: e.g. ``"evaluate.bootstrap"``.
    """
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype=np.uint32)
    return np.random.default_rng(np.random.SeedSequence([seed, *(int(w) for w in words)]))


def integer(generator: np.random.Generator) -> int:
    """A 31-bit seed drawn from a stream, for libraries that only take integers."""
    return int(generator.integers(0, 2**31 - 1))
