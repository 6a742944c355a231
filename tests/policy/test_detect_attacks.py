"""Attacks on the detector: every disguise of something sensitive is found, or the text is blocked."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import quote

import pytest

from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find

INSPECTOR = Inspector({"patterns": find}, timeout_s=60, size_limit=200_000)
NIF = "12345678Z"


def twice(text: str) -> str:
    return base64.b64encode(base64.b64encode(text.encode())).decode()


DISGUISES = [
    # spaced, dotted, hyphenated, small
    "1 2 3 4 5 6 7 8 Z",
    "12.345.678-Z",
    "12345678 z",
    "12-345-678-z",
    "1.2.3.4.5.6.7.8.Z",
    "12345678 - Z",
    "1_2_3_4_5_6_7_8_Z",
    "12 345 678 Z",
    "NIF_12345678Z_juan",
    "(12345678Z)",
    # look-alikes and other digits
    "１２３４５６７８Ｚ",
    "١٢٣٤٥٦٧٨Z",
    "१२३४५६७८Z",
    "12345678Ζ",
    "①②③④⑤⑥⑦⑧Z",
    "𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝐙",
    # invisible characters
    "1234\u200b5678Z",
    "12\u00ad345678Z",
    "1\u03382\u03383\u033845678Z",
    "12345\u20606\ufeff78Z",
    "\u202eZ87654321\u202c",
    "1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣Z",
    "".join(chr(0xE0000 + ord(c)) for c in NIF),
    # encodings
    base64.b64encode(NIF.encode()).decode(),
    NIF.encode().hex(),
    quote(NIF).replace("1", "%31"),
    "".join(f"%{ord(c):02x}" for c in NIF),
    "".join(f"&#{ord(c)};" for c in NIF),
    "".join(f"\\u{ord(c):04x}" for c in NIF),
    json.dumps(json.dumps("dni\n12345678Z")),
    base64.b64encode(gzip.compress(f"mi dni es {NIF}".encode(), mtime=0)).decode(),
    twice(f"dni {NIF}"),
    "".join(f"%25{ord(c):02x}" for c in NIF),
    "12<b>345</b>678Z",
    "1234\n5678Z",
    "12**345**678Z",
    # read aloud
    "uno dos tres cuatro cinco seis siete ocho zeta",
    "one two three four five six seven eight zed",
    "doce, treinta y cuatro, cincuenta y seis, setenta y ocho",
    "seis uno dos tres cuatro cinco seis siete ocho",
    "six one two double three four five six seven",
    # typing errors beside a word
    "DNI: 12345678A",
    "mi dni es el 1234567-X",
    "n.i.f. 12.345.678 B",
    "NIE X1234567A",
]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguise_is_found_whole(disguise: str) -> None:
    text = f"Hola, {disguise} es lo que tengo."
    seen = INSPECTOR.inspect(text)
    left = "".join(c for i, c in enumerate(text) if not any(s.start <= i < s.end for s in seen.spans))
    assert seen.blocked is None
    assert seen.spans
    # What is left is at most the words around it.
    assert len(left) <= len("Hola,  es lo que tengo.") + len("mi dni es el n.i.f. NIF__juan()")
    assert not any(c.isdigit() for c in left)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg",
        base64.b64encode(bytes(range(128, 256))).decode(),
        twice(twice(f"dni {NIF}")),
    ],
)
def test_what_cannot_be_looked_into_is_blocked(text: str) -> None:
    assert INSPECTOR.inspect(f"toma {text} gracias").blocked == "opaque"


@pytest.mark.parametrize(
    "parts",
    [
        ["mi dni es 12345", "678Z gracias"],
        ["123456", "78Z"],
        ["12", "345", "678Z"],
        ["1 2 3 4 ", "5 6 7 8 Z"],
        ["juan.perez@exa", "mple.com"],
        ["ES91 2100 0418 4502", "0005 1332"],
        ["mi nhc es", "368503"],
        ["x" * 2_000 + " 12345", "678Z" + " y" * 2_000],
        ["", "1234", "5678Z", ""],
    ],
)
def test_what_is_split_over_parts_is_found(parts: list[str]) -> None:
    seen = INSPECTOR.inspect_joined(parts)
    left = [
        "".join(c for i, c in enumerate(part) if not any(s.start <= i < s.end for s in one.spans))
        for part, one in zip(parts, seen, strict=True)
    ]
    assert not any(c.isdigit() or c == "@" for c in "".join(left))


def test_parts_that_hold_nothing_stay_clean() -> None:
    assert all(not one.spans for one in INSPECTOR.inspect_joined(["Hola", "quiero 2 entradas", "gracias"]))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("612345678", "PHONE"),
        ("+34 612 34 56 78", "PHONE"),
        ("0034612345678", "PHONE"),
        ("(55) 1234-5678", "PHONE"),
        ("55 1234 5678", "PHONE"),
        ("+57 300 123 4567", "PHONE"),
        ("3001234567", "PHONE"),
        ("91 234 56 78", "PHONE"),
        ("987654321", "PHONE"),
        ("+56 9 8765 4321", "PHONE"),
        ("+1 (555) 867-5309", "PHONE"),
        ("tel 4567890", "PHONE"),
        ("ana.gomez@example.es", "EMAIL"),
        ("ana arroba example punto es", "EMAIL"),
        ("@ana_gz", "HANDLE"),
        ("https://ana:clave@example.org/x", "URL"),
        ("192.168.1.20", "IP"),
        ("2001:db8::8a2e:370:7334", "IP"),
        ("00:1B:44:11:3A:B7", "MAC"),
        ("X1234567L", "NIE"),
        ("A58818501", "CIF"),
        ("28/12345678/40", "NSS"),
        ("ES91 2100 0418 4502 0005 1332", "IBAN"),
        ("GB82 WEST 1234 5698 7654 32", "IBAN"),
        ("es9121000418450200051332", "IBAN"),
        ("4111 1111 1111 1111", "CARD"),
        ("4111-1111-1111-1111", "CARD"),
        ("3782 822463 10005", "CARD"),
        ("2100 0418 45 0200051332", "ACCOUNT"),
        ("AAA123456", "PASSPORT"),
        ("1234 BCD", "PLATE"),
        ("M-1234-AB", "PLATE"),
        ("943 476 5919", "NATIONAL_ID"),
        ("AB 12 34 56 C", "NATIONAL_ID"),
        ("078-05-1120", "NATIONAL_ID"),
        ("12.345.678-5", "NATIONAL_ID"),
        ("10.000.013-K", "NATIONAL_ID"),
        ("20-05536168-2", "NATIONAL_ID"),
        ("213.123.432-1", "NATIONAL_ID"),
        ("BOXW310820HNERXN09", "NATIONAL_ID"),
        ("GODE561231GR8", "NATIONAL_ID"),
        ("390.533.447-05", "NATIONAL_ID"),
        ("16.727.230/0001-97", "NATIONAL_ID"),
        ("1714307103", "NATIONAL_ID"),
        ("1.234.567-2", "NATIONAL_ID"),
        ("20512333797", "NATIONAL_ID"),
        ("V-11470283-4", "NATIONAL_ID"),
        ("NHC 368503", "RECORD"),
        ("expediente 2024/00123", "RECORD"),
        ("colegiado 28 28 70973", "LICENCE"),
        ("matrícula 1234 bcd", "PLATE"),
        ("pasaporte XDB123456", "PASSPORT"),
        ("calle Mayor 12, 3º B", "ADDRESS"),
        ("C/ Alcalá nº 5", "ADDRESS"),
        ("av. rivadavia 1234", "ADDRESS"),
        ("221B Baker Street", "ADDRESS"),
        ("SW1A 1AA", "POSTCODE"),
        ("CP 28016", "POSTCODE"),
        ("28016 Madrid", "POSTCODE"),
        ("nací el 3 de mayo de 1980", "BIRTH_DATE"),
        ("born on 03/05/1980", "BIRTH_DATE"),
        ("2024-03-01", "DATE"),
        ("March 3, 2024", "DATE"),
        ("tengo 34 años", "AGE"),
        ("34 years old", "AGE"),
        ("contraseña: hola123", "SECRET"),
        ("AKIAIOSFODNN7EXAMPLE", "SECRET"),
        ("cvv 123", "SECRET"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "SECRET"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "SECRET"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----", "SECRET"),
    ],
)
def test_every_kind_is_known_by_its_form(text: str, kind: str) -> None:
    seen = INSPECTOR.inspect(f"Hola: {text} y gracias")
    assert seen.blocked is None
    assert seen.spans
    assert kind in {s.kind for s in seen.spans}


@pytest.mark.parametrize(
    "text",
    [
        "Quiero cambiar 612.345.678 € en dólares",
        "la calle está cortada",
        "en la calle a 3 minutos de aquí",
        "hace 3 años que soy cliente",
        "una hipoteca a 30 años",
        "el iPhone 15 Pro Max cuesta 1.329 euros",
        "versión 10.2.1",
        "my password reset does not work",
        "el PIN no funciona",
        "dos o tres veces por semana",
        "uno, dos, tres, probando",
        "error 404 en la página",
        "tarda 24-48 horas",
        "de lunes a viernes de 9:00 a 14:00",
        "el 50 % de 1.200,50",
        "caben 8 personas",
        "order it in 2 or 3 days",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "COVID-19",
        "top-up failed",
        "no transaction at all. What now?",
        "compré 3 kg de patatas y 12 huevos",
        "https://www.example.com/ayuda/preguntas",
    ],
)
def test_ordinary_text_stays_clean(text: str) -> None:
    seen = INSPECTOR.inspect(text)
    assert seen.spans == ()
    assert seen.blocked is None


@pytest.mark.parametrize(
    "rows",
    [
        ["E.6.6.0.4.8.7.6.0", "2 5 6 6 4 4 8 1 6 2 4 6"],
        ["E 6 6 0 4 8 7 6 0", "2.5.6.6.4.4.8.1.6.2.4.6", "6 6 0 4 8 7 6 4 D"],
    ],
)
def test_a_digit_where_two_rows_meet_hides_neither(rows: list[str]) -> None:
    text = f"Hola, {' '.join(rows)} es lo mío."
    spans = Inspector({"patterns": find}, timeout_s=10.0, size_limit=1000).inspect(text).spans
    covered = {i for span in spans for i in range(span.start, span.end)}
    assert all(i in covered for i, c in enumerate(text) if c.isdigit())


@pytest.mark.parametrize("second", ["256644816246", "602563330", "X1234567L"])
def test_blocks_side_by_side_hide_neither(second: str) -> None:
    first = " ".join(f"{ord(c):02x}" for c in "66048764D")
    other = "".join(f"%{ord(c):02x}" for c in " ".join(f"{ord(c):02x}" for c in second))
    text = f"Hola, {first} {other} es lo mío."
    [span] = Inspector({"patterns": find}, timeout_s=10.0, size_limit=1000).inspect(text).spans
    assert text[span.start : span.end].startswith(first)
    assert not any(c.isdigit() for c in text[span.end :])
