"""Which spellings of a value are the same value, and which spans of a text are one place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sazon.policy.detect.span import Kind, Span

NAMES: frozenset[Kind] = frozenset(
    {"PERSON", "PLACE", "ORGANISATION", "ADDRESS", "PROFESSION", "FAMILY", "SEX", "EMAIL"}
)
"""Case, accents and white space do not tell them apart."""
NUMBERED: frozenset[Kind] = frozenset({"NIF", "NIE", "CIF", "NSS", "IBAN", "CARD", "PHONE", "MAC"})
"""Dots, hyphens and spaces do not tell them apart either: their length is fixed or they have a prefix."""
# ñ and ç are letters of their own; acute, grave, circumflex and diaeresis are how a name is written.
_ACCENTS = dict.fromkeys(map(ord, "\u0300\u0301\u0302\u0308"))
COMMON: frozenset[Kind] = frozenset({"AGE", "SEX", "FAMILY", "PROFESSION"})
"""Words of everyday language: found in one place, they say nothing about another."""
FIRST_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 4
_SHORTEST_NUMBER = 6


def telling(kind: Kind, text: str) -> bool:
    """Whether a value is rare enough to be the same wherever the same letters stand."""
    letters = "".join(FIRST_WORD.findall(text))
    return kind not in COMMON and len(letters) >= (_SHORTEST_NUMBER if letters.isdigit() else _SHORTEST)


def identity(kind: Kind, text: str, *, exact: bool = False) -> str:
    """What all spellings of one value have in common; the text itself where telling is not safe.

    Args:
        kind: what the value is.
        text: one of its spellings.
        exact: take no other spelling for the same.
    """
    if not exact and kind in NAMES:
        plain = unicodedata.normalize("NFD", text).translate(_ACCENTS)
        return "~" + " ".join(unicodedata.normalize("NFC", plain).casefold().split())
    if not exact and kind in NUMBERED:
        digits = re.sub(r"[\s.\-]", "", text).upper()
        return f"~{digits}" if digits else f"={text}"
    return f"={text}"


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans that share a character as one, of the longest's kind; in order.

    It is hidden if one of them is: then only the exact text can be put back.
    """
    result: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end, s.kind)):
        length = span.end - span.start
        if not result or span.start >= result[-1].end:
            result.append(span)
            longest = length
            continue
        last = result[-1]
        kind = span.kind if length > longest else last.kind
        longest = max(longest, length)
        result[-1] = Span(
            start=last.start,
            end=max(last.end, span.end),
            kind=kind,
            detector=last.detector,
            hidden=last.hidden or span.hidden,
        )
    return result
