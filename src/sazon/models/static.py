"""A static student: a table of n-grams with one row of class scores each, read with numpy alone.

A text is two views: its distinct words and word pairs, and the character n-grams of its distinct
words. Every n-gram j has a weight idf_j and a row W_j; the scores are Σ idf_j·W_j / √(Σ idf_j²) over
the n-grams of each view, plus a bias. Both sums run over whole words, so the n-grams of every known
word are added up once, when the table is read.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sazon.core.errors import IntegrityError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_arrays, write_arrays, write_facts
from sazon.models.softmax import answer, softmax

FILE = "static.npz"
WORD = re.compile(r"\w+")
SHORTEST, LONGEST = 3, 5
"""Lengths of the character n-grams."""
LONGEST_TEXT = 20_000
"""Characters of a text that are read."""
ROWS_AT_ONCE = 20_000
"""Table rows gathered between two sums: bounds memory without changing the scores."""


def plain(text: str) -> str:
    """Lower case, accents removed."""
    lowered = text[:LONGEST_TEXT].lower()
    if lowered.isascii():
        return lowered
    return "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))


def words_of(text: str) -> tuple[dict[str, None], dict[str, None]]:
    """Distinct words, and distinct pairs of neighbours, each in the order they come."""
    words = WORD.findall(plain(text))
    return dict.fromkeys(words), dict.fromkeys(map(" ".join, pairwise(words)))


def pieces_of(word: str) -> list[str]:
    """Character n-grams of a word with its ends marked, repeats included."""
    framed = f"<{word}>"
    return [
        framed[i : i + n] for n in range(SHORTEST, LONGEST + 1) for i in range(max(0, len(framed) - n + 1))
    ]


def ngrams(text: str) -> tuple[list[str], list[str]]:
    """Both views of a text: words and pairs; character n-grams of every distinct word."""
    words, pairs = words_of(text)
    return [*words, *pairs], [piece for word in words for piece in pieces_of(word)]


class Vocabulary:
    """The n-grams that have a row: words and pairs first, character n-grams after them."""

    def __init__(self, words: Iterable[str], pieces: Iterable[str]) -> None:
        """Give every n-gram its row, in the order given."""
        self.words = {gram: row for row, gram in enumerate(words)}
        self.pieces = {gram: row for row, gram in enumerate(pieces, start=len(self.words))}

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.words) + len(self.pieces)

    def rows(self, text: str) -> tuple[list[int], list[int]]:
        """Rows of the known n-grams of both views."""
        words, pieces = ngrams(text)
        return (
            [self.words[gram] for gram in words if gram in self.words],
            [self.pieces[gram] for gram in pieces if gram in self.pieces],
        )

    def rows_of_word(self, word: str) -> list[int]:
        """Rows of the known character n-grams of a word."""
        return [self.pieces[gram] for gram in pieces_of(word) if gram in self.pieces]


class StaticPredictor:
    """Looks words and n-grams up in a table; no torch, no scikit-learn, tens of microseconds a text."""

    can: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        vocabulary: Vocabulary,
        idf: npt.NDArray[np.float32],
        table: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        temperature: float,
    ) -> None:
        """Keep the numbers and add up every known word.

        Args:
            classes: order of the columns.
            vocabulary: which n-gram has which row.
            idf: weight of each n-gram, shape (rows,).
            table: scores, shape (rows, classes).
            bias: shape (classes,).
            temperature: divides the scores.
        """
        self.classes = classes
        self.vocabulary = vocabulary
        self.idf = idf
        self.table = table
        self.bias = bias
        self.temperature = temperature
        self._whole, self._sums, self._squares = _add_up(vocabulary, idf, table)
        self._nothing = len(self._sums) - 1

    @classmethod
    def load(cls, directory: Path) -> StaticPredictor:
        """Read the predictor from its one file.

        Raises:
            IntegrityError: the file is missing, cut, or its parts do not fit together.
        """
        arrays = read_arrays(directory / FILE)
        try:
            told = {name: _text(arrays[name]) for name in ("classes", "words", "pieces")}
            classes = tuple(json.loads(told["classes"]))
            vocabulary = Vocabulary(_lines(told["words"]), _lines(told["pieces"]))
            numbers = {name: arrays[name] for name in ("idf", "table", "bias")}
            temperature = float(arrays["temperature"])
        except (KeyError, ValueError) as error:
            raise _strange(directory) from error
        if (
            numbers["idf"].shape != (len(vocabulary),)
            or numbers["table"].shape != (len(vocabulary), len(classes))
            or numbers["bias"].shape != (len(classes),)
        ):
            raise _strange(directory)
        return cls(classes=classes, vocabulary=vocabulary, temperature=temperature, **numbers)

    def save(self, directory: Path) -> None:
        """Write everything into one file without pickle: texts as UTF-8 bytes, numbers as they are."""
        write_facts(directory, "static", {})
        # No n-gram holds a line break: it is no part of a word.
        told = {
            "classes": json.dumps(self.classes),
            "words": "\n".join(self.vocabulary.words),
            "pieces": "\n".join(self.vocabulary.pieces),
        }
        texts = {name: np.frombuffer(text.encode(), dtype=np.uint8) for name, text in told.items()}
        numbers = {"idf": self.idf, "table": self.table, "bias": self.bias}
        write_arrays(directory / FILE, {**texts, **numbers, "temperature": np.array(self.temperature)})

    def scores(self, inputs: Sequence[str]) -> Floats:
        """Scores before the temperature, shape (n, classes).

        A text's scores do not depend on which texts it comes with.
        """
        parts = [self._summed(rows, starts) for rows, starts in self._gathered(inputs)]
        found = np.concatenate([np.zeros((0, len(self.classes))), *parts])
        return np.asarray(found + self.bias, dtype=np.float64)

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        return answer(softmax(self.scores(inputs), temperature=self.temperature), self.classes)

    def _gathered(self, inputs: Sequence[str]) -> Iterator[tuple[list[int], list[int]]]:
        """Rows to add up, and where each view begins: two for every text, none of them empty."""
        known, whole, first = self.vocabulary.words, self._whole, len(self.vocabulary)
        rows: list[int] = []
        starts: list[int] = []
        for text in inputs:
            words, pairs = words_of(text)
            starts.append(len(rows))
            rows.append(self._nothing)
            rows += [known[gram] for gram in words if gram in known]
            rows += [known[gram] for gram in pairs if gram in known]
            starts.append(len(rows))
            rows.append(self._nothing)
            for word in words:
                place = whole.get(word)
                if place is None:
                    rows += self.vocabulary.rows_of_word(word)
                else:
                    rows.append(first + place)
            if len(rows) > ROWS_AT_ONCE:
                yield rows, starts
                rows, starts = [], []
        if starts:
            yield rows, starts

    def _summed(self, rows: list[int], starts: list[int]) -> npt.NDArray[np.float32]:
        """Scores of the texts of one portion without the bias, shape (texts, classes)."""
        chosen = np.array(rows, dtype=np.intp)
        squares = np.add.reduceat(self._squares[chosen], starts)
        # A view without a known n-gram is zero divided by one.
        lengths = np.sqrt(np.where(squares > 0, squares, 1.0))
        views = np.add.reduceat(self._sums[chosen], starts, axis=0) / lengths[:, None]
        return np.asarray(views[0::2] + views[1::2])


def _add_up(
    vocabulary: Vocabulary, idf: npt.NDArray[np.float32], table: npt.NDArray[np.float32]
) -> tuple[dict[str, int], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Weighted rows of all n-grams, then of the pieces of each known word together, then one of zeros.

    Returns:
        which known word is the how-manieth sum; rows (rows + words + 1, classes); their squared
        weights (rows + words + 1,).
    """
    words = [gram for gram in vocabulary.words if " " not in gram]
    weighted, squares = idf[:, None] * table, idf**2
    sums = np.zeros((len(words) + 1, table.shape[1]), dtype=np.float32)
    lengths = np.zeros(len(words) + 1, dtype=np.float32)
    for place, word in enumerate(words):
        rows = vocabulary.rows_of_word(word)
        sums[place] = weighted[rows].sum(axis=0)
        lengths[place] = squares[rows].sum()
    whole = {word: place for place, word in enumerate(words)}
    return whole, np.concatenate([weighted, sums]), np.concatenate([squares, lengths])


def _text(held: npt.NDArray[np.uint8]) -> str:
    return held.tobytes().decode("utf-8")


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _strange(directory: Path) -> IntegrityError:
    return IntegrityError(
        "the table of this static student is not whole",
        where=str(directory / FILE),
        mend="Remove its folder and run again.",
    )
