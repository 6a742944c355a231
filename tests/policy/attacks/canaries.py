"""Invented identifiers to plant, the disguises they come in, and the oracle that looks for them.

The oracle shares no code with the detectors: it normalises, decodes and joins in its own way.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from urllib.parse import quote, unquote

LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
WORDS = dict(
    zip(
        "0123456789",
        ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
        strict=True,
    )
)
ENGLISH = dict(
    zip(
        "0123456789",
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        strict=True,
    )
)
WINDOW = 6
"""So many digits of an identifier in a row are a leak."""
_MARKER = re.compile(r"⟦[A-Z_]+_[0-9A-Z]{6}⟧|\b[A-Z_]{2,12}_[2-9A-HJKMNP-TV-Z]{6}\b")
_LOOK = str.maketrans("АВЕКМНОРСТХУΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTXYABEZHIKMNOPTYX")


@dataclass(frozen=True, kw_only=True)
class Canary:
    """Something that must never be seen outside."""

    kind: str
    text: str

    @property
    def needles(self) -> tuple[str, ...]:
        """What of it already gives it away, in small letters and digits."""
        digits = re.sub(r"[^0-9]", "", self.text)
        if self.kind == "mail":
            local = re.sub(r"[^a-z0-9]", "", self.text.split("@")[0].lower())
            return (local,)
        return tuple(digits[i : i + WINDOW] for i in range(len(digits) - WINDOW + 1))


# ----------------------------------------------------------------------- identifiers


def _digits(chance: Random, n: int) -> str:
    while True:
        drawn = "".join(chance.choice("0123456789") for _ in range(n))
        if len(set(drawn)) > 3 or n < 5:
            return drawn


def nif(chance: Random) -> Canary:
    number = _digits(chance, 8)
    return Canary(kind="nif", text=number + LETTERS[int(number) % 23])


def nie(chance: Random) -> Canary:
    first, number = chance.choice("XYZ"), _digits(chance, 7)
    return Canary(kind="nie", text=first + number + LETTERS[int(str("XYZ".index(first)) + number) % 23])


def cif(chance: Random) -> Canary:
    number = _digits(chance, 7)
    total = sum(map(int, number[1::2])) + sum(sum(divmod(2 * int(d), 10)) for d in number[::2])
    return Canary(kind="cif", text=f"{chance.choice('ABEH')}{number}{-total % 10}")


def nss(chance: Random) -> Canary:
    head = f"{chance.randint(1, 52):02}{chance.randint(10_000_000, 99_999_999)}"
    return Canary(kind="nss", text=f"{head}{int(head) % 97:02}")


def card(chance: Random) -> Canary:
    head = chance.choice(["4", "51", "55"])
    head += _digits(chance, 15 - len(head))
    total = sum(sum(divmod(2 * int(d), 10)) for d in head[::-2]) + sum(map(int, head[-2::-2]))
    return Canary(kind="card", text=f"{head}{-total % 10}")


def iban(chance: Random) -> Canary:
    def control(ten: str) -> str:
        rest = 11 - sum(int(d) * 2**i for i, d in enumerate(ten)) % 11
        return {10: "1", 11: "0"}.get(rest, str(rest))

    branch, account = _digits(chance, 8), _digits(chance, 10)
    number = branch + control(f"00{branch}") + control(account) + account
    return Canary(kind="iban", text=f"ES{98 - int(f'{number}142800') % 97:02}{number}")


def phone(chance: Random) -> Canary:
    return Canary(
        kind="phone", text=chance.choice(["", "", "+34", "0034"]) + chance.choice("67") + _digits(chance, 8)
    )


def mail(chance: Random) -> Canary:
    letters = "".join(chance.choice("bcdfghjklmnpqrstvwxz") for _ in range(9))
    local = letters[:4] + chance.choice(["", ".", "_"]) + letters[4:]
    host = chance.choice(["correo.es", "example.com", "mail.example.org"])
    return Canary(kind="mail", text=f"{local}@{host}")


MAKERS = (nif, nie, cif, nss, card, iban, phone, mail)

# ------------------------------------------------------------------------- disguises


def _between(joint: str):
    return lambda text: joint.join(text)


def _grouped(joint: str):
    """Groups of four, as people write long numbers."""
    return lambda text: joint.join(text[i : i + 4] for i in range(0, len(text), 4))


def _translated(digits: str, letters: str = ""):
    table = str.maketrans("0123456789", digits) | (str.maketrans("ABEKMHOPTXYZ", letters) if letters else {})
    return lambda text: text.translate(table)


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


SPELLINGS = {
    "plain": str,
    "small": str.lower,
    "spaced": _between(" "),
    "dotted": _between("."),
    "hyphens": _between("-"),
    "underscores": _between("_"),
    "fours": _grouped(" "),
    "fours_hyphens": _grouped("-"),
    "full_width": _full_width,
    "arabic": _translated("٠١٢٣٤٥٦٧٨٩"),
    "devanagari": _translated("०१२३४५६७८९"),
    "bold": _translated("𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"),
    "homoglyphs": _translated("0123456789", "АВЕКМНОРТХУΖ"),
    "zero_width": _between("\u200b"),
    "soft_hyphens": _between("\u00ad"),
    "word_joiners": _between("\u2060"),
    "combining": lambda text: "".join(f"{c}\u0338" for c in text),
    "keycaps": lambda text: "".join(f"{c}\ufe0f\u20e3" if c.isdigit() else c for c in text),
    "tags": lambda text: "".join(chr(0xE0000 + ord(c)) for c in text),
    "backwards": lambda text: f"\u202e{text[::-1]}\u202c",
    "bold_markup": lambda text: f"{text[:4]}**{text[4:]}**",
    "html_markup": lambda text: f"{text[:3]}<b>{text[3:6]}</b>{text[6:]}",
}
"""How it may be written by hand."""
MAIL_SPELLINGS = (
    "plain", "small", "full_width", "zero_width", "soft_hyphens", "word_joiners", "tags", "backwards",
    "html_markup",
)  # fmt: skip


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENCODINGS = {
    "base64": b64,
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "hex_capitals": lambda text: text.encode().hex().upper(),
    "hex_spaced": lambda text: text.encode().hex(" "),
    "url": lambda text: "".join(f"%{b:02X}" for b in text.encode()),
    "url_some": lambda text: quote(text).replace("3", "%33").replace("5", "%35").replace("a", "%61"),
    "html": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "html_hex": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "json": lambda text: "".join(f"\\u{ord(c):04x}" if ord(c) < 65_536 else c for c in text),
    "bytes": lambda text: "".join(f"\\x{b:02x}" for b in text.encode()),
    "json_string": json.dumps,
    "json_twice": lambda text: json.dumps(json.dumps(text)),
}
"""How it may be written for a machine."""


def spelled(words: dict[str, str], joint: str = " "):
    return lambda text: joint.join(words.get(c, c) for c in text)


# ---------------------------------------------------------------------------- oracle


CHANCE = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)|0x[0-9a-f]+)"
    r"(?![0-9A-Za-z])"
)
"""Digests, random names, moments and addresses: six digits of a canary may stand in them by chance."""


def told(text: str, canary: Canary) -> str | None:
    """The same for what an error, a log or a page says, which holds digests and moments of its own."""
    return leaked(CHANCE.sub("#", text).encode(), canary)


def leaked(sent: bytes, canary: Canary) -> str | None:
    """How a canary can be read out of what was sent; None where it cannot."""
    for view, text in views(sent):
        if any(needle in text for needle in canary.needles):
            return view
    return None


def views(sent: bytes) -> Iterator[tuple[str, str]]:
    """What was sent in every plain reading, in small letters and digits alone; markers are a `¦`."""
    for name, text in readings(sent.decode("utf-8", "replace")):
        yield name, _normal(text)
        yield f"{name}, backwards", _normal(text)[::-1]
        yield f"{name}, words as digits", _normal(_as_digits(text))


def readings(body: str) -> Iterator[tuple[str, str]]:
    """The text, its JSON's strings joined, each role's joined, and all blocks decoded to three levels."""
    waiting = [("text", body, 0)]
    for head in re.split(r"\r\n\r\n|(?=POST )", body):
        try:
            content = json.loads(head)
        except ValueError:
            continue
        strings = list(_strings(content))
        waiting += [("joined", "".join(strings), 0), ("one by one", "\n".join(strings), 0)]
        messages = content.get("messages", []) if isinstance(content, dict) else []
        for role in {m["role"] for m in messages}:
            said = [text for m in messages if m["role"] == role for text in _strings(m.get("content"))]
            waiting += [(f"turns of {role}", "".join(said), 0), (f"words of {role}", " ".join(said), 0)]
    seen = set()
    while waiting:
        name, text, level = waiting.pop()
        if text in seen:
            continue
        seen.add(text)
        yield name, text
        if level < 3:
            waiting += [(f"{name} > {how}", inner, level + 1) for how, inner in _decoded(text)]


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    unquoted, unescaped = unquote(text), html.unescape(text)
    slashed = re.sub(
        r"\\{1,64}+u([0-9a-fA-F]{4})|\\{1,64}+x([0-9a-fA-F]{2})", lambda m: chr(int(m[1] or m[2], 16)), text
    )
    for how, new in (("url", unquoted), ("html", unescaped), ("json", slashed)):
        if new != text:
            yield how, new
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    for block in re.findall(r"[A-Za-z0-9+/_-]{8,}", visible):
        plain = block.replace("-", "+").replace("_", "/")
        for start in range(4):
            core = plain[start:]
            core = core[: len(core) - (len(core) % 4 == 1)]
            try:
                found = base64.b64decode(core + "=" * (-len(core) % 4)).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
            if found.isprintable():
                yield "base64", found
    for block in re.findall(r"(?:[0-9a-fA-F]{2}[ :-]?){6,}", visible):
        bare = re.sub(r"[^0-9a-fA-F]", "", block)
        for start in range(2):
            core = bare[start:]
            found = bytes.fromhex(core[: len(core) - len(core) % 2]).decode("utf-8", "replace")
            if sum(c.isprintable() and c != "\ufffd" for c in found) > 0.8 * len(found):
                yield "hex", found


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _normal(text: str) -> str:
    """Small plain letters and digits alone."""
    text = _MARKER.sub("¦", text)
    text = "".join(
        chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else str(unicodedata.digit(c, c)) for c in text
    )
    text = unicodedata.normalize("NFKD", text.translate(_LOOK)).lower()
    return re.sub(r"[^a-z0-9¦]", "", text)


_SPOKEN = re.compile(
    "|".join(rf"\b{word}\b" for words in (WORDS, ENGLISH) for word in words.values()), re.IGNORECASE
)
_VALUES = {word: digit for words in (WORDS, ENGLISH) for digit, word in words.items()}


def _as_digits(text: str) -> str:
    return _SPOKEN.sub(lambda m: _VALUES[m[0].lower()], text)
