"""A static student: a table of n-grams with one row of class scores each, read with numpy alone.

A text is the set of its words, word pairs and character n-grams. Every n-gram j has a weight
idf_j and a row W_j; the scores are Σ idf_j·W_j / ‖idf‖ over the n-grams of each view, plus a bias.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sazon.core.run import write_aside
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_arrays, read_facts, write_arrays, write_facts
from sazon.models.softmax import answer, softmax

WORD = re.compile(r"\w+")
SHORTEST, LONGEST = 3, 5
"""Lengths of the character n-grams."""
LONGEST_TEXT = 20_000
"""Characters of a text that are read."""


def plain(text: str) -> str:
    """Lower case, accents removed."""
    lowered = text[:LONGEST_TEXT].lower()
    if lowered.isascii():
        return lowered
    return "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))


def ngrams(text: str) -> tuple[set[str], set[str]]:
    """Both views of a text: words and pairs of neighbours; character n-grams inside words."""
    words = WORD.findall(plain(text))
    pairs = {f"{a} {b}" for a, b in pairwise(words)}
    pieces: set[str] = set()
    for word in set(words):
        framed = f"<{word}>"
        for n in range(SHORTEST, LONGEST + 1):
            pieces.update(framed[i : i + n] for i in range(len(framed) - n + 1))
    return pairs.union(words), pieces


class StaticPredictor:
    """Looks n-grams up in a table; no torch, no scikit-learn, tens of microseconds a text."""

    can: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        words: Sequence[str],
        pieces: Sequence[str],
        idf: npt.NDArray[np.float32],
        table: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        temperature: float,
    ) -> None:
        """Keep the vocabulary of both views and its numbers.

        Args:
            classes: order of the columns.
            words: words and word pairs, the first rows of the table.
            pieces: character n-grams, the rows after them.
            idf: weight of each n-gram, shape (words + pieces,).
            table: scores, shape (words + pieces, classes).
            bias: shape (classes,).
            temperature: divides the scores.
        """
        self.classes = classes
        self.words = {gram: row for row, gram in enumerate(words)}
        self.pieces = {gram: row for row, gram in enumerate(pieces, start=len(self.words))}
        self.idf = idf
        self.table = table
        self.bias = bias
        self.temperature = temperature

    @classmethod
    def load(cls, directory: Path) -> StaticPredictor:
        """Read the predictor from its folder."""
        facts = read_facts(directory)
        arrays = read_arrays(directory / "static.npz")
        vocabulary = json.loads((directory / "vocabulary.json").read_text("utf-8"))
        return cls(
            classes=tuple(facts["classes"]),
            words=vocabulary["words"],
            pieces=vocabulary["pieces"],
            idf=arrays["idf"],
            table=arrays["table"],
            bias=arrays["bias"],
            temperature=float(facts["temperature"]),
        )

    def save(self, directory: Path) -> None:
        """Write vocabulary, table and temperature."""
        facts = {"classes": list(self.classes), "temperature": self.temperature}
        write_facts(directory, "static", facts)
        vocabulary = {"words": list(self.words), "pieces": list(self.pieces)}
        write_aside(directory / "vocabulary.json", json.dumps(vocabulary, ensure_ascii=False))
        write_arrays(directory / "static.npz", {"idf": self.idf, "table": self.table, "bias": self.bias})

    def rows(self, text: str) -> tuple[list[int], list[int]]:
        """Table rows of the known n-grams of both views, in rising order."""
        words, pieces = ngrams(text)
        known = (
            [view[gram] for gram in grams if gram in view]
            for view, grams in ((self.words, words), (self.pieces, pieces))
        )
        first, second = (sorted(found) for found in known)
        return first, second

    def scores(self, inputs: Sequence[str]) -> Floats:
        """Scores before the temperature, shape (n, classes)."""
        out = np.tile(self.bias.astype(np.float64), (len(inputs), 1))
        for i, text in enumerate(inputs):
            for rows in self.rows(text):
                if rows:
                    idf = self.idf[rows]
                    out[i] += (idf @ self.table[rows]) / np.sqrt(idf @ idf)
        return out

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        return answer(softmax(self.scores(inputs), temperature=self.temperature), self.classes)
