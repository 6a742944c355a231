"""What a text hides: escapes become characters, encoded blocks are opened, closed ones are reported.

Escapes (JSON, URL, HTML) and markup in the middle of a word are readings with exact offsets. Blocks
(base64, hex, gzip within, text written right to left) are pieces: what they hold has no offsets of
its own.
"""

from __future__ import annotations

import binascii
import html
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote

from sazon.policy.detect.fold import fold
from sazon.policy.detect.reading import Reading

DEEPEST_ESCAPES = 6
"""Levels of escapes that are resolved; what still holds some cannot be looked into."""
DECODED_LIMIT = 65_536
"""Most characters one block may hold; a larger one counts as closed."""
LONGEST_DIGEST = {"base64": 96, "hex": 128}
"""Characters of a SHA-512 with its name before it: what is longer and no text cannot be looked into."""

_SLASH = r"\\{1,64}+"  # JSON within JSON doubles them each time
_ESCAPE = re.compile(
    rf"{_SLASH}u[dD][89abAB][0-9a-fA-F]{{2}}{_SLASH}u[dD][c-fC-F][0-9a-fA-F]{{2}}|{_SLASH}u[0-9a-fA-F]{{4}}"
    rf"|{_SLASH}u\{{0{{0,6}}[0-9a-fA-F]{{1,5}}\}}|{_SLASH}U000[01][0-9a-fA-F]{{4}}|(?:{_SLASH}x[0-9a-fA-F]{{2}})+"
    rf"|{_SLASH}[nrt\"/]"
    r"|%[0-7][0-9a-fA-F]|%[cdCD][0-9a-fA-F]%[89abAB][0-9a-fA-F]"
    r"|%[eE][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){2}|%[fF][0-4](?:%[89abAB][0-9a-fA-F]){3}"
    r"|&#[0-9]{1,7};?|&#[xX][0-9a-fA-F]{1,6};?|&[A-Za-z]{2,8};"
)
_ESCAPED = re.compile(r"\\[uUxnrt\"/\\]|%[0-9a-fA-F]|&[#A-Za-z]")
"""How every escape begins, each with a sign of its own, so that most texts are passed over quickly."""
_MARKUP = re.compile(r"<!--[^<>]{0,200}-->|</?[A-Za-z][^<>]{0,200}>|[*`~|]{1,3}")
_MARKS = re.compile("[<*`~|]")
_LINE_BREAK = re.compile(r"\r?\n[ \t]{0,4}")
_TORN = re.compile(r"[0-9]\r?\n[ \t]{0,4}[^\W_]")
"""A number that a line break may tear apart, in a folded text."""
_RIGHT_TO_LEFT = re.compile("\u202e([^\u202c\n]{4,4000})")
_INVISIBLE = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}|[\u200b-\u200f\u2060-\u2064\ufeff]{8,}")
_DATA_URI = re.compile(r"data:[a-z]{2,16}/[a-z0-9.+-]{1,60}[;a-zA-Z0-9=_-]{0,60};base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}(?:(?<=[A-Za-z0-9+/_-]{60})\r?\n[A-Za-z0-9+/_-]+)*+={0,2}")
_RUN = re.compile(r"[A-Za-z0-9]{11,}")
_HEX = re.compile(
    r"[0-9a-fA-F](?<![0-9A-Za-wyzA-WYZ][0-9a-fA-F])[0-9a-fA-F][ :-]?(?:[0-9a-fA-F]{2}[ :-]?){7,}+"
)
_HEX_RUN = re.compile(
    r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}([ :-])(?:[0-9a-fA-F]{2}\1){6,}[0-9a-fA-F]{2}(?![0-9a-fA-F])"
    r"|(?:[0-9a-fA-F]{2}){8,})"
)
_ASCII = bytes(range(32, 127))
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd\ud800-\udfff\ue000-\uf8ff]+")
_TEXT = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff\ue000-\uf8ff]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A block of a text that holds another text, or something that is none."""

    start: int
    end: int
    text: str | None
    """What it holds; None where that cannot be looked into."""


def unescaped(reading: Reading) -> Reading:
    """The reading with JSON, URL and HTML escapes as the characters they stand for."""
    return reading.rewritten(_ESCAPE, _character) if _ESCAPED.search(reading.text) else reading


def laid_bare(reading: Reading) -> Reading:
    """The folded reading with escapes within escapes resolved, as far as `DEEPEST_ESCAPES` levels."""
    for _ in range(DEEPEST_ESCAPES):
        opened = unescaped(reading)
        if opened is reading:
            break
        reading = fold(opened)
    return reading


def unmarked(reading: Reading) -> Reading:
    """The reading without markup."""
    return reading.rewritten(_MARKUP, _without) if _MARKS.search(reading.text) else reading


def joined(reading: Reading) -> Reading:
    """The reading with numbers that a line break tears apart made whole."""
    return reading.rewritten(_LINE_BREAK, _without) if _TORN.search(reading.text) else reading


def pieces(text: str) -> Iterator[Piece]:
    """Blocks of a text that hold another text, and closed ones; ordinary words are neither."""
    if "data:" in text or "DATA:" in text:
        for match in _DATA_URI.finditer(text):
            if not match.group().lower().startswith("data:text/"):
                yield Piece(start=match.start(), end=match.end(), text=None)
    for match in _BASE64.finditer(text):
        token = match.group()
        piece = _opened(*match.span(), _from_base64(token))
        # Bytes in base64 mix capitals with small letters; of a short text all may be capitals.
        mixed = token.upper() != token and not token[1:].islower()
        unread = mixed and len(token) > LONGEST_DIGEST["base64"] and _looks_encoded(token)
        if piece is not None or unread:
            yield piece or Piece(start=match.start(), end=match.end(), text=None)
        if "\n" in token or (piece is None and not token.isalnum()):
            yield from _within(match)
    for match in _HEX.finditer(text):
        content = bytes.fromhex(re.sub(r"[ :-]", "", match.group()))
        piece = _opened(*match.span(), content) or _opened(*match.span(), _printable(content))
        if piece is not None or 2 * len(content) > LONGEST_DIGEST["hex"]:
            yield piece or Piece(start=match.start(), end=match.end(), text=None)
        # Two blocks side by side are two texts.
        for run in _HEX_RUN.finditer(text, *match.span()) if " " in match.group() else ():
            block = _opened(*run.span(), bytes.fromhex(re.sub(r"[ :-]", "", run.group())))
            if block is not None:
                yield block


def _within(match: re.Match[str]) -> Iterator[Piece]:
    """Blocks that are glued to others by line breaks or signs of base64's own, as in `id-MTIz`."""
    for run in _RUN.finditer(match.string, *match.span()):
        if run.span() == match.span():
            return  # it was looked into already
        piece = _opened(*run.span(), _from_base64(run.group()))
        if piece is not None:
            yield piece


def _printable(content: bytes) -> bytes | None:
    """What of these bytes is plain text: a number beside a block in hexadecimal digits reads as its end."""
    shown = _NO_TEXT.sub("\n", content.decode("utf-8", "replace"))
    return shown.encode() if len(max(shown.split("\n"), key=len)) >= 6 else None


def disguises(text: str) -> Iterator[Piece]:
    """Content in characters that folding takes away: written backwards, or for the machine alone."""
    for match in _RIGHT_TO_LEFT.finditer(text):
        yield Piece(start=match.start(), end=match.end(), text=match.group(1)[::-1])
    for match in _INVISIBLE.finditer(text):
        yield Piece(start=match.start(), end=match.end(), text=None)


def _without(match: re.Match[str]) -> str:
    """Nothing in place of a tag, of emphasis inside a word and of a line break inside a number."""
    mark, text = match.group(), match.string
    if mark[0] == "<":
        return ""
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    inside = before.isdigit() if mark[0] in "\r\n" else before.isalnum()
    return "" if inside and after.isalnum() else mark


def _character(match: re.Match[str]) -> str:
    escape = match.group()
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[0] == "%":
        return unquote(escape)
    sign, code = escape.strip("\\")[0], escape.lstrip("\\")[1:].strip("{}")
    if sign == "x":
        content = bytes.fromhex(re.sub(r"[\\x]", "", escape))
        return _decoded(content, "utf-8") or content.decode("latin-1")
    if sign not in "uU":
        return {"n": "\n", "r": "\r", "t": "\t"}.get(sign, sign)
    if "\\" in code:  # a pair of surrogates
        high, low = int(code[:4], 16), int(code[-4:], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)
    return chr(int(code, 16))


def _from_base64(token: str) -> bytes | None:
    core = token if token.isalnum() else re.sub(r"\s|=", "", token).replace("-", "+").replace("_", "/")
    if len(core) % 4 == 1:
        # One character too many, as where a block stands in a word: what is whole can be read.
        core = core[:-1]
    try:
        return binascii.a2b_base64(core + "=" * (-len(core) % 4))
    except binascii.Error:
        return None


def _opened(start: int, end: int, content: bytes | None) -> Piece | None:
    """The piece that holds a text, or too much to be read; None for bytes that are no text."""
    if not content:
        return None
    content = _unpacked(content)
    text = _text_of(content) if len(content) <= DECODED_LIMIT else None
    if text is None and len(content) <= DECODED_LIMIT:
        return None
    return Piece(start=start, end=end, text=text)


def _unpacked(content: bytes) -> bytes:
    """The bytes decompressed, as far as one byte over the limit; as they are where they are not packed."""
    if content[:2] not in (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda"):
        return content
    try:
        return zlib.decompressobj(wbits=47).decompress(content, DECODED_LIMIT + 1)
    except zlib.error:
        return content


def _text_of(content: bytes) -> str | None:
    """The text these bytes are, in the encodings people use; None where they are none."""
    if content[1::2].count(0) == len(content) // 2 > 3:
        return _decoded(content, "utf-16-le")
    text = _decoded(content, "utf-8")
    if text is None and len(content.translate(None, _ASCII)) <= 0.1 * len(content):
        text = _decoded(content, "cp1252")
    return text


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if _TEXT.fullmatch(text) else None


def _looks_encoded(token: str) -> bool:
    """Whether capitals, small letters and digits change as often as in coded bytes, not as in words.

    In random base64 64 % of neighbours are of different kinds; in words joined by capitals a fifth.
    """
    kinds = ["0" if c.isdigit() else "A" if c.isupper() else "a" if c.islower() else "-" for c in token]
    changes = sum(first != second for first, second in pairwise(kinds))
    return changes >= 0.4 * len(token)
