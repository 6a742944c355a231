"""The patterns: work that grows with the length of the text alone, and what may surround a number."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from sazon.policy.detect.patterns import find, lowered

SEEDS = [
    "1",
    "1 ",
    "a.",
    "a@",
    "c/ a ",
    "calle ",
    "(",
    "+1 ",
    ":",
    "1:",
    "00-",
    "uno ",
    "treinta y ",
    "A",
    "Aa1",
    "%41",
    "&#65;",
    r"\u0041",
    "<a",
    "<!--",
    "eyJ",
    "-----BEGIN PRIVATE KEY-----",
    "dni ",
    "a\u0301",
    "\u202e",
    "12 de mayo de ",
    "12/",
    "x://a:",
    "1 A ",
    "data:a/b;",
    "paciente de ",
    "X1234567 ",
    "12 Baker ",
    "contraseña es ",
    "arroba a at b ",
    "1.",
    "Calle De La ",
    "28016 ",
    "a1-",
    "sk-",
    "ES91 2100 ",
]
"""Texts that repeat these would trip a rule that looks further than it says."""


def steps(work: Callable[[], object]) -> int:
    """Python calls made while it works: a count that no other process disturbs."""
    count = 0

    def look(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("seed", SEEDS)
def test_the_work_grows_with_the_length_alone(seed: str) -> None:
    short, long = (seed * (size // len(seed)) for size in (3_000, 12_000))
    assert steps(lambda: find(long)) <= 4.6 * steps(lambda: find(short)) + 400


@pytest.mark.campaign
@pytest.mark.parametrize("seed", ["1 ", "00-", "a@", "calle ", "uno "])
def test_a_megabyte_ends(seed: str) -> None:
    find(seed * (60_000 // len(seed)))


def test_small_letters_stay_at_their_places() -> None:
    assert lowered("İSTANBUL Ñ") == "İstanbul ñ"


@pytest.mark.parametrize("before", ["", "x ", "(", '"', "_", "/", "\n", ":", "tel:"])
@pytest.mark.parametrize("after", ["", ".", ",", ")", "_", "?", "\n", " y", ";"])
def test_a_number_is_found_whatever_surrounds_it(before: str, after: str) -> None:
    for value in ("612345678", "12345678Z", "ES9121000418450200051332", "4111111111111111"):
        text = before + value + after
        assert any(text[s.start : s.end].strip("_") == value for s in find(text)), text


@pytest.mark.parametrize("text", ["matrícula 1234 bcd", "matricula: abc 123", "placa ABC-123"])
def test_a_plate_beside_its_word_is_found_whole(text: str) -> None:
    span = next(s for s in find(text) if s.kind == "PLATE")
    assert text[span.start : span.end] == text.split(maxsplit=1)[1]
