"""Words of a text and what the tagger sees of a word: hashed features, alike for train and use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import accumulate
from zlib import crc32

ROWS = 1 << 16
"""Rows of the table of features; row 0 stands for no feature."""
IDENTITY, LISTED, SURFACE = 0, slice(1, 4), slice(4, 5)
"""Where `features` puts the word itself, the lists that hold it and its shape: training drops these at
random, so that the tagger also learns to do without."""
WIDTH = 26
"""Most features of a word."""
_HIDDEN = "\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufeff"
_TOKEN = re.compile(rf"([^\W\d_]+(?:[{_HIDDEN}]+[^\W\d_]*)*|\d+|\n\s*|[^\w\s]|_)")
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_MARKS = re.compile(f"[{_HIDDEN}]")
_ENDING = re.compile("(?:ie|e)?s$|e?d$|ing$")
_LONGEST = 24
"""Letters of a word that are looked at: no name is longer, and work stays bounded."""
_GLUE = frozenset("de del la las los el y i e da do dos of the and san santa santo".split())


def tokens(text: str) -> list[tuple[str, int, int]]:
    """Words, runs of digits, line ends and single signs, with start and end (exclusive) in characters."""
    return list(zip(*apart(text), strict=True))


def apart(text: str) -> tuple[list[str], list[int], list[int]]:
    """The same as three lists: words, starts, ends."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, end in [*_mails(text), (len(text), len(text))]:
        # Split rather than found one by one: that leaves no work to Python.
        parts = _TOKEN.split(text[at:start])
        places = list(accumulate(map(len, parts), initial=at))
        words += parts[1::2]
        starts += places[1:-1:2]
        ends += places[2::2]
        if start < end:
            words.append(text[start:end])
            starts.append(start)
            ends.append(end)
        at = end
    return words, starts, ends


def _mails(text: str) -> Iterator[tuple[int, int]]:
    """E-mail addresses: each is one word, since a name in it is part of the address."""
    sign, before = text.find("@"), 0
    while sign >= 0:
        start = sign
        while start > max(before, sign - 64) and (text[start - 1].isalnum() or text[start - 1] in "._+-"):
            start -= 1
        if start < sign and (domain := _DOMAIN.match(text, sign + 1)):
            before = domain.end()
            yield start, before
        sign = text.find("@", max(sign + 1, before))


def folded(word: str) -> str:
    """Lower case without accents, soft hyphens and characters of no width; `ñ` becomes `n`."""
    if word.isascii():
        return word.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", word).casefold())


@cache
def lists() -> dict[str, tuple[str, ...]]:
    """Folded words of the shipped lists, each with the names of the lists that hold it."""
    found: dict[str, set[str]] = {}
    for name in ("given", "surnames", "places"):
        for entry in entries(name):
            for word, _, _ in tokens(entry):
                if len(word) > 1 and (key := folded(word)) not in _GLUE:
                    found.setdefault(key, set()).add(name)
    return {word: tuple(sorted(names)) for word, names in found.items()}


def entries(name: str) -> list[str]:
    """Entries of a shipped list in its order; commas part names, blanks part the `ordinary` words."""
    text = (files(__package__) / "lists" / f"{name}.txt").read_text("utf-8")
    body = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    parts = body.split() if name.startswith("ordinary") else body.split(",")
    return [entry for part in parts if (entry := part.strip())]


@cache
def _ordinary() -> frozenset[str]:
    words = (folded(word) for language in ("en", "es") for word in entries(f"ordinary_{language}"))
    return frozenset(words) - lists().keys()


def ordinary(word: str) -> bool:
    """Whether a word is a sign, or it or what it is a form of is a common word and no listed name."""
    key = folded(word)
    if key in lists():
        return False
    stem = _ENDING.sub("", key)
    return not _ordinary().isdisjoint((key, stem, f"{stem}e", f"{stem}y")) or not key[:1].isalnum()


def features(word: str) -> list[int]:
    """Rows of the table for a token, `WIDTH` of them, filled up with 0.

    The word itself, the lists that hold it, its shape, its length, beginnings and ends of one to four
    letters and all runs of three, each hashed with CRC-32 ("hashing trick", Weinberger et al. 2009).
    """
    if "@" in word:
        return _rows(["w@"])
    word = word[:_LONGEST]
    key = folded(word)
    if not key[:1].isalpha():
        sign = "\n" if "\n" in word else "0" * min(len(word), 9) if word.isdecimal() else word
        found = [f"w{key}", *[""] * 3, f"c{sign}", f"i{key[:2]}"]
        return _rows(found)
    listed = [f"l{name}" for name in lists().get(key, ())]
    edged = f"<{key}>"
    found = [f"w{key}", *listed, *[""] * (3 - len(listed)), f"c{_shape(word)}", f"n{min(len(key), 12)}"]
    found += [f"p{key[:n]}" for n in range(1, 5)] + [f"s{key[-n:]}" for n in range(1, 5)]
    found += [f"t{edged[i : i + 3]}" for i in range(min(len(edged) - 2, WIDTH - len(found)))]
    return _rows(found)


def _rows(found: list[str]) -> list[int]:
    rows = [crc32(name.encode()) % (ROWS - 1) + 1 if name else 0 for name in found]
    return rows + [0] * (WIDTH - len(rows))


def _shape(word: str) -> str:
    """How a word is written: `x`, `X`, `Xx`, `X.` (one capital), `xX` (mixed), with `'` for accents."""
    if word.islower():
        kind = "x" if len(word) > 1 else "x1"
    elif word.isupper():
        kind = "X" if len(word) > 1 else "X1"
    else:
        kind = "Xx" if word[0].isupper() and word[1:].islower() else "xX"
    return kind if word.isascii() else kind + "'"
