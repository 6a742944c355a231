"""Digits written as words, in Spanish and English: "seis uno dos, treinta y cuatro, double five"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sazon.policy.detect.span import Span

LEAST_DIGITS, LEAST_WORDS = 7, 4
"""A row of so many digits, so many of them as words, is a number read aloud, not a count."""
_UNITS = (
    "cero|uno|una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
    "|zero|oh|one|two|three|four|five|six|seven|eight|nine"
)
_TEENS = (
    "diez|once|doce|trece|catorce|quince|diecis[eé]is|diecisiete|dieciocho|diecinueve|veinte"
    "|veinti(?:uno|una|d[oó]s|tr[eé]s|cuatro|cinco|s[eé]is|siete|ocho|nueve)"
    "|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
)
_TENS = (
    "treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa"
    "|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
)
_TOKEN = (
    rf"(?:(?P<pair>(?:(?:{_TENS})(?:(?: y |[ -])(?:{_UNITS}))?)|{_TEENS})"
    rf"|(?P<repeat>(?:doble|double|triple) (?:{_UNITS}|[0-9]))|(?P<unit>{_UNITS})|(?P<figures>[0-9]{{1,4}}))"
)
_WORD = re.compile(rf"(?<![^\W_]){_TOKEN}(?![^\W_])")
_BETWEEN = r"[\s,.;:/_–-]{1,4}(?:(?:y|and|gui[oó]n|dash|punto|luego|then|espacio)[\s,]{1,3})?"
_JOINT = re.compile(_BETWEEN)
_ANY = rf"(?:{_UNITS}|{_TEENS}|{_TENS}|doble|double|triple)"
_THREE = rf"{_ANY}{_BETWEEN}(?:{_ANY}|[0-9]{{1,4}}){_BETWEEN}(?:{_ANY}|[0-9]{{1,4}})"
_FIRST_ROW, _ROWS = re.compile(_THREE), re.compile(rf"[\s,.:;(/_–-]{_THREE}")
"""Three in a row: where it is worth while to read on."""
_LETTER = re.compile(
    r"[\s,.–-]{1,3}(?:letra |letter )?(?:[a-zñ]|zeta|zed|zee|equis|jota|erre|ene|eme|ele|hache)(?![^\W_])"
)


def spelled(low: str) -> Iterator[Span]:
    """Rows of digits as words, with the letter that closes an identity number, of a text in small letters."""
    first = _FIRST_ROW.match(low) or _ROWS.search(low)
    if first is None:
        return
    begin = max(0, first.start() - 24)
    start = end = digits = words = 0
    for match in _WORD.finditer(low, begin):
        if digits and not _JOINT.fullmatch(low, end, match.start()):
            yield from _row(low, start, end, digits, words)
            digits = words = 0
        if not digits:
            start = match.start()
        end = match.end()
        digits += _digits(match)
        words += match["figures"] is None
    yield from _row(low, start, end, digits, words)


def _digits(match: re.Match[str]) -> int:
    if match["repeat"]:
        return 3 if match["repeat"].startswith("triple") else 2
    return 2 if match["pair"] else len(match["figures"] or "1")


def _row(text: str, start: int, end: int, digits: int, words: int) -> Iterator[Span]:
    if digits < LEAST_DIGITS or words < LEAST_WORDS:
        return
    letter = _LETTER.match(text, end)
    stop = letter.end() if letter and digits in (7, 8) else end
    yield Span(start=start, end=stop, kind="SPELLED", detector="patterns", hidden=True)
