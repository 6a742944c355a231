"""Exact and near duplicates between two lists of texts, exactly and fast.

Two texts are near duplicates where the Jaccard similarity of their sets of character 5-grams
reaches a threshold t. Prefix filtering makes the comparison exact and cheap: of a set of size s,
order the members from rare to common; two sets with J ≥ t must share at least ℓ of their first
s − ⌈t·s⌉ + ℓ members. So only the rare 5-grams are matched, and only what matches is compared.

Source: Broder 1997, On the Resemblance and Containment of Documents (the similarity);
Chaudhuri, Ganti, Kaushik 2006 (prefix filtering, ℓ = 1); Wang, Li, Feng 2012 (ℓ > 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sazon.data.plain import plain

GRAM_CHARACTERS = 5
READ_CHARACTERS = 2_000
"""Only so much of each text is compared."""
BLOCK_CHARACTERS = 5_000_000
"""Texts are compared block by block, which bounds the memory and changes no result."""
_DEMANDED_SHARE = 0.05
"""ℓ as a share of a set's size: long texts share some rare 5-grams by chance, never so many."""
_CHUNK_ROWS = 1_024
_CHUNK_PAIRS = 200_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Bools = npt.NDArray[np.bool_]


def near_rows(rows: Sequence[str], others: Sequence[str], threshold: float) -> Bools:
    """Which of `rows` are exact or near duplicates of one of `others`.

    Args:
        rows: texts to mark.
        others: texts to compare with.
        threshold: Jaccard similarity in (0, 1] from which two texts count as near duplicates.

    Returns:
        Shape (len(rows),). Differences of case, spacing and Unicode form are ignored.
    """
    if not rows or not others:
        return np.zeros(len(rows), dtype=np.bool_)
    left, left_of_row = _distinct(rows)
    right, _ = _distinct(others)
    known = set(right)
    marked = np.array([text in known for text in left], dtype=np.bool_)
    pairs = _pairs(left, right, threshold)
    marked[pairs[:, 0]] = True
    return marked[left_of_row]


def repeated_rows(rows: Sequence[str], threshold: float) -> Bools:
    """Which rows are an exact or near duplicate of another row of the same list."""
    if not rows:
        return np.zeros(0, dtype=np.bool_)
    texts, text_of_row = _distinct(rows)
    marked = np.bincount(text_of_row, minlength=len(texts)) > 1
    pairs = _pairs(texts, texts, threshold)
    marked[pairs[pairs[:, 0] != pairs[:, 1]].ravel()] = True
    return marked[text_of_row]


def equal_rows(rows: Sequence[str]) -> list[list[int]]:
    """Positions of rows with the same plain text, for each text that stands there more than once.

    Unlike the comparisons above the whole text counts, however long it is.
    """
    places: dict[str, list[int]] = {}
    for i, text in enumerate(rows):
        places.setdefault(plain(text), []).append(i)
    return [found for found in places.values() if len(found) > 1]


def _distinct(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The distinct plain texts, and for each text the position of its plain form."""
    position: dict[str, int] = {}
    of_row = [position.setdefault(plain(t)[:READ_CHARACTERS], len(position)) for t in texts]
    return list(position), np.array(of_row, dtype=np.int64)


# --------------------------------------------------------------------------- 5-grams


def _grams(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Distinct (text, hashed 5-gram) pairs; a shorter text is one gram of its own.

    Returns:
        Two arrays of shape (pairs,): position of the text, 64-bit hash of the gram.
    """
    padded = [t if len(t) >= GRAM_CHARACTERS else t.ljust(GRAM_CHARACTERS, "\0") for t in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(t) for t in padded], dtype=np.int64)
    owner = np.repeat(np.arange(len(padded)), lengths)
    hashed = np.zeros(len(points) - GRAM_CHARACTERS + 1, dtype=np.uint64)
    for i in range(GRAM_CHARACTERS):
        # Wrapping around 2⁶⁴ is meant; xor-shift between characters mixes their order in.
        hashed = (hashed + points[i : i + len(hashed)].astype(np.uint64) + np.uint64(1)) * _MULTIPLIER
        hashed ^= hashed >> np.uint64(29)
    whole = owner[: len(hashed)] == owner[GRAM_CHARACTERS - 1 :]
    owner, hashed = owner[: len(hashed)][whole], hashed[whole]
    order = np.lexsort((hashed, owner))
    owner, hashed = owner[order], hashed[order]
    first = np.ones(len(owner), dtype=np.bool_)
    first[1:] = (owner[1:] != owner[:-1]) | (hashed[1:] != hashed[:-1])
    return owner[first], hashed[first]


def _pairs(left: Sequence[str], right: Sequence[str], threshold: float) -> npt.NDArray[np.int64]:
    """All (left, right) with Jaccard similarity at or above the threshold, shape (pairs, 2)."""
    found = [
        _pairs_of_blocks(left[a], right[b], threshold) + np.array([[a.start, b.start]])
        for a in _blocks(left)
        for b in _blocks(right)
    ]
    return np.concatenate(found)


def _blocks(texts: Sequence[str]) -> list[slice]:
    """Consecutive texts of about `BLOCK_CHARACTERS` together."""
    block = np.cumsum([len(t) for t in texts]) // BLOCK_CHARACTERS
    starts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(texts)]
    return [slice(a, b) for a, b in pairwise(starts)]


def _pairs_of_blocks(left: Sequence[str], right: Sequence[str], threshold: float) -> npt.NDArray[np.int64]:
    """All (left, right) with Jaccard similarity at or above the threshold, shape (pairs, 2)."""
    owner, hashed = _grams([*left, *right])
    _, gram, frequency = np.unique(hashed, return_inverse=True, return_counts=True)
    # Rank 0 is the rarest gram: a text's members sorted by rank begin with its rare ones.
    rank = np.empty(len(frequency), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    column = rank[gram]
    sizes = np.bincount(owner, minlength=len(left) + len(right))
    order = np.lexsort((column, owner))
    owner, column = owner[order], column[order]
    place = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # A pair is held to the smaller ℓ of the two: the longer prefix of the other only adds to it.
    demanded = np.maximum(1, (_DEMANDED_SHARE * sizes).astype(np.int64))
    prefix = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + demanded
    rare = place < prefix[owner]
    shape = (len(left) + len(right), len(frequency))
    full, filtered = _matrix(owner, column, shape), _matrix(owner[rare], column[rare], shape)
    found = [np.empty((0, 2), dtype=np.int64)]
    n = len(left)
    for begin in range(n, shape[0], _CHUNK_ROWS):
        met = (filtered[begin : begin + _CHUNK_ROWS] @ filtered[:n].T).tocoo()
        a, b = met.col.astype(np.int64), met.row.astype(np.int64) + begin
        fits = met.data >= np.minimum(demanded[a], demanded[b])
        fits &= np.minimum(sizes[a], sizes[b]) >= threshold * np.maximum(sizes[a], sizes[b]) - 1e-9
        a, b = a[fits], b[fits]
        for chunk in range(0, len(a), _CHUNK_PAIRS):
            i, j = a[chunk : chunk + _CHUNK_PAIRS], b[chunk : chunk + _CHUNK_PAIRS]
            shared = np.asarray(full[i].multiply(full[j]).sum(axis=1)).ravel()
            near = shared >= threshold * (sizes[i] + sizes[j] - shared) - 1e-9
            found.append(np.stack([i[near], j[near] - n], axis=1))
    return np.concatenate(found)


def _matrix(row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], shape: tuple[int, int]) -> Any:
    """Sparse 0/1 matrix of texts by grams."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(row), dtype=np.int32), (row, column)), shape=shape)
