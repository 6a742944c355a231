"""Folding and decoding: plain characters, with the exact way back."""

from __future__ import annotations

import base64
import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.policy.detect.decode import DECODED_LIMIT, disguises, joined, pieces, unescaped, unmarked
from sazon.policy.detect.fold import fold
from sazon.policy.detect.reading import Reading

ODD = "aZ19 ñÁª\u0301\u0338\u200b\u00ad\u202eХоА１２٣६Ⅹﬁ①𝟑…–’é️⃣🇪🇸\u00a0"
TEXTS = st.text(st.one_of(st.sampled_from(ODD), st.characters()), max_size=40)


@given(TEXTS, st.data())
def test_the_way_back_is_exact(text: str, data: st.DataObject) -> None:
    folded = fold(text)
    if not folded.text:
        return
    start = data.draw(st.integers(0, len(folded.text) - 1))
    end = data.draw(st.integers(start + 1, len(folded.text)))
    first, last = folded.original(start, end)
    assert 0 <= first < last <= len(text)
    # One character may have become several (ﬁ): a span takes all of what it touches.
    while start > 0 and folded.original(start - 1, start)[0] == first:
        start -= 1
    while end < len(folded.text) and folded.original(end, end + 1)[1] == last:
        end += 1
    assert fold(text[first:last]).text == folded.text[start:end]


@given(TEXTS)
def test_rewriting_twice_still_leads_back(text: str) -> None:
    twice = unescaped(fold(text))
    offsets = [twice.original(i, i + 1) for i in range(len(twice.text))]
    assert offsets == sorted(offsets)
    assert all(0 <= a < b <= len(text) for a, b in offsets)


@given(st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20)))
def test_plain_text_folds_to_itself(text: str) -> None:
    assert fold(text).text == text
    assert fold(text).starts is None


@pytest.mark.parametrize("text", ["Año 2020, Mª José, piñón, nº 3 ¿qué?", "niño müller çedilla"])
def test_spanish_folds_to_itself(text: str) -> None:
    assert fold(text).starts is None


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ("１２３Ａ", "123A"),
        ("١٢٣۴", "1234"),
        ("१२३", "123"),
        ("①②❸", "123"),
        ("𝟏𝟐𝒙", "12x"),
        ("Х1234567", "X1234567"),
        ("ΑΒΖ", "ABZ"),
        ("1\u200b2\u00ad3\ufeff", "123"),
        ("1\u03382\u0301", "12"),
        ("n\u0303o", "ño"),
        ("1\ufe0f\u20e32", "12"),
        ("🅰🇧🅲", "ABC"),
        ("\u202e12\u202c", "12"),
        ("612–34—5", "612-34-5"),
        ("\U000e0031\U000e0032", "12"),
        ("1\x002", "12"),
        ("ﬁn", "fin"),
    ],
)
def test_disguises_fall(odd: str, plain: str) -> None:
    assert fold(odd).text == plain


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"\u0031\u00322", "122"),
        (r"\x31\x32", "12"),
        ("%31%32", "12"),
        ("caf%C3%A9", "café"),
        ("&#49;&#x32;", "12"),
        ("a&amp;b", "a&b"),
        (r"\ud83d\ude00", "😀"),
        (r"a\nb", "a\nb"),
        ("100 %", "100 %"),
        ("AT&T", "AT&T"),
    ],
)
def test_escapes_are_read(escaped: str, plain: str) -> None:
    assert unescaped(Reading(text=escaped)).text == plain


def test_markup_and_line_breaks_inside_numbers_go() -> None:
    assert joined(unmarked(Reading(text="12<b>34</b> a\n56\n78Z"))).text == "1234 a\n5678Z"


SECRET = b"mi dni es 12345678Z"


@pytest.mark.parametrize(
    "block",
    [
        base64.b64encode(SECRET).decode(),
        base64.b64encode(SECRET).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET * 3).decode(),
        base64.b64encode(gzip.compress(SECRET, mtime=0)).decode(),
        base64.b64encode(SECRET.decode().encode("utf-16-le")).decode(),
        SECRET.hex(),
        SECRET.hex(" "),
        "0x" + SECRET.hex().upper(),
        base64.encodebytes(SECRET * 8).decode().strip(),
    ],
)
def test_blocks_are_opened(block: str) -> None:
    held = [p.text for p in pieces(f"mira: {block} gracias")]
    assert any(text is not None and SECRET.decode() in text for text in held)


def test_a_bomb_is_closed_not_opened() -> None:
    bomb = base64.b64encode(gzip.compress(b"0" * (DECODED_LIMIT * 50), mtime=0)).decode()
    assert [p.text for p in pieces(bomb)] == [None]


def test_binary_is_closed() -> None:
    noise = random.Random(0).randbytes(120)
    assert [p.text for p in pieces(base64.b64encode(noise).decode())] == [None]
    assert [p.text for p in pieces(noise.hex())] == [None]
    assert [p.text for p in pieces("foto data:image/png;base64,iVBORw0KGgo= fin")] == [None]
    assert [p.text for p in disguises("hola" + "\ufe01\ufe02\ufe03\ufe04\ufe05" + "!")] == [None]


@pytest.mark.parametrize(
    "text",
    [
        "La electroencefalografía y los otorrinolaringólogos de Villanueva-de-la-Serena",
        "550e8400-e29b-41d4-a716-446655440000",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "/usr/share/InternationalComponents/UnicodeData/Extracted/DerivedNumericValues/Version15/Tables/Index.txt",
        "ElPersonalSanitarioDelServicioDeUrgenciasDelHospitalUniversitarioDeCanariasYDelComplejoInsular",
    ],
)
def test_words_and_digests_are_no_blocks(text: str) -> None:
    assert [p for p in pieces(text) if p.text is None] == []
