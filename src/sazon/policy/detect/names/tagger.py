"""A small convolutional tagger in numpy: hashed features of words, three convolutions, one label a word."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sazon.policy.detect.names.features import ROWS, apart, features, ordinary
from sazon.policy.detect.span import Kind, Span

KINDS: tuple[Kind, ...] = (
    "PERSON", "PLACE", "POSTCODE", "ADDRESS", "ORGANISATION", "PROFESSION", "FAMILY", "SEX", "AGE", "DATE",
    "BIRTH_DATE",
)  # fmt: skip
"""What is looked for. Label 0 is *outside*; kind `k` has label `1 + 2k` at its first word, `2 + 2k` after."""
_NAMES = frozenset({"PERSON", "PLACE", "ADDRESS", "ORGANISATION"})
_INITIAL = re.compile(r"[\W_][^\W\d_]\.\Z")
LABELS = 1 + 2 * len(KINDS)
CONVOLUTIONS = ((5, 1), (3, 2), (3, 4))
"""Width and dilation of each: a word is judged with eight words on either side."""
REACH = sum((width - 1) // 2 * dilation for width, dilation in CONVOLUTIONS)
CHUNK = 4096
"""Words looked at together: bounds the memory of a long text."""
_KEPT = 16384
"""Words whose shares are kept for the next text: up to 21 MB, taken as they come."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """Weights as they are used, float32."""

    table: npt.NDArray[np.int8]
    """(rows, width): one vector a feature, to be multiplied by `scale`; row 0 is zero."""
    scale: Floats
    """(width,)"""
    kernels: tuple[Floats, ...]
    """Per convolution (width · in, out)."""
    biases: tuple[Floats, ...]
    head: Floats
    """(hidden, labels)"""
    head_bias: Floats
    """(labels,)"""

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Network:
        """From the arrays of a weights file."""
        if arrays["table"].shape[0] != ROWS or arrays["head"].shape[1] != LABELS:
            raise ValueError("the weights belong to other features or labels")
        indices = range(len(CONVOLUTIONS))
        return cls(
            table=arrays["table"],
            scale=arrays["scale"].astype(np.float32),
            kernels=tuple(arrays[f"kernel{i}"].astype(np.float32) for i in indices),
            biases=tuple(arrays[f"bias{i}"].astype(np.float32) for i in indices),
            head=arrays["head"].astype(np.float32),
            head_bias=arrays["head_bias"].astype(np.float32),
        )

    def embed(self, words: Sequence[str]) -> Floats:
        """Vectors (words, width): the sums of the vectors of their features."""
        rows = np.array([features(word) for word in words], dtype=np.intp)
        return cast(Floats, self.table[rows].sum(axis=1, dtype=np.int32) * self.scale)

    def shares(self, vectors: Floats) -> Floats:
        """What words give to the first convolution, (places in its window, words, hidden)."""
        return cast(Floats, vectors @ self.kernels[0].reshape(CONVOLUTIONS[0][0], self.scale.size, -1))

    def logits(self, shares: Floats, words: npt.NDArray[np.intp]) -> Floats:
        """(words - 2 REACH, labels) of words by their place in `shares`; the outer REACH are context only."""
        width, dilation = CONVOLUTIONS[0]
        n = len(words) - (width - 1) * dilation
        x = shares[0].take(words[:n], axis=0)
        for k in range(1, width):
            x += shares[k].take(words[k * dilation : k * dilation + n], axis=0)
        x += self.biases[0]
        np.maximum(x, 0, out=x)
        for kernel, bias, (width, dilation) in zip(
            self.kernels[1:], self.biases[1:], CONVOLUTIONS[1:], strict=True
        ):
            n = len(x) - (width - 1) * dilation
            seen = [x[k * dilation : k * dilation + n] for k in range(width)]
            y = np.concatenate(seen, axis=1) @ kernel
            y += bias
            np.maximum(y, 0, out=y)
            y += seen[width // 2]
            x = y
        return cast(Floats, x @ self.head + self.head_bias)


@dataclass(slots=True)
class _Seen:
    """Shares of words seen before, under Python's salted hash of the word: no text is kept."""

    shares: Floats
    """(places in the window, words, hidden); the first word is none, and gives nothing."""
    places: dict[int, int] = field(default_factory=dict)


class Tagger:
    """Finds spans with a network; may be used by several threads."""

    def __init__(self, network: Network) -> None:
        """Use these weights."""
        self._network = network
        self._lock = threading.Lock()
        self._seen = self._empty()

    def find(self, text: str) -> list[Span]:
        """Spans of a text in order, without overlap."""
        words, starts, ends = apart(text)
        found = []
        for kind, first, last in _runs(words, self._labels(words)):
            span = Span(start=starts[first], end=ends[last], kind=kind, detector="names")
            if kind not in _NAMES:
                found.append(span)
            elif not all(map(_says_nothing, words[first : last + 1])):
                found.append(_trimmed(text, span))
        return found

    def _labels(self, words: list[str]) -> npt.NDArray[np.intp]:
        labels = np.zeros(len(words), np.intp)
        for start in range(0, len(words), CHUNK):
            # With context on both sides the chunks give the labels of one long run.
            stop = min(start + CHUNK, len(words))
            first = max(0, start - REACH)
            shares, places = self._looked_up(words[first : stop + REACH])
            padded = np.zeros(stop - start + 2 * REACH, np.intp)
            offset = REACH - (start - first)
            padded[offset : offset + len(places)] = places
            labels[start:stop] = self._network.logits(shares, padded).argmax(axis=1)
        return labels

    def _looked_up(self, words: list[str]) -> tuple[Floats, list[int]]:
        """The shares of all words known, and the place of each of these in them."""
        keys = list(map(hash, words))
        seen = self._seen
        places = list(map(seen.places.get, keys))
        if None not in places:
            # Rows once written stay as they are: who reads them needs no lock.
            return seen.shares, cast(list[int], places)
        with self._lock:
            seen = self._seen
            new = {key: word for key, word in zip(keys, words, strict=True) if key not in seen.places}
            if 1 + len(seen.places) + len(new) > _KEPT:
                seen = self._seen = self._empty()
                new = dict(zip(keys, words, strict=True))
            if new:
                first = 1 + len(seen.places)
                vectors = self._network.embed(list(new.values()))
                seen.shares[:, first : first + len(new)] = self._network.shares(vectors)
                seen.places.update({key: first + i for i, key in enumerate(new)})
            return seen.shares, [seen.places[key] for key in keys]

    def _empty(self) -> _Seen:
        shares = np.empty((CONVOLUTIONS[0][0], _KEPT, self._network.kernels[0].shape[1]), np.float32)
        shares[:, 0] = 0
        return _Seen(shares)


def _runs(words: Sequence[str], labels: npt.NDArray[np.intp]) -> Iterator[tuple[Kind, int, int]]:
    """Runs of words of one kind, first and last; a run begins at a first word or where the kind changes."""
    kind: Kind | None = None
    first = last = 0
    for at in np.flatnonzero(labels).tolist():
        if "\n" in words[at]:
            continue
        label = int(labels[at])
        now, is_first = KINDS[(label - 1) // 2], label % 2
        if kind is not None and (now != kind or is_first or at != last + 1):
            yield kind, first, last
            kind = None
        if kind is None:
            kind, first = now, at
        last = at
    if kind is not None:
        yield kind, first, last


def _says_nothing(word: str) -> bool:
    """Whether a word is a sign or an ordinary one; an address is none."""
    return ordinary(word) and (len(word) == 1 or "@" not in word)


def _trimmed(text: str, span: Span) -> Span:
    """Without signs at its edges, save the point of an initial."""
    start, end = span.start, span.end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        if _INITIAL.search(text, start, end):
            break
        end -= 1
    return span if (start, end) == (span.start, span.end) else replace(span, start=start, end=end)
