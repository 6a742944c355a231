"""What a text says to the eye: look-alike, full-width and invisible characters become plain ones.

Precomposed Latin letters, ª and º stay as they are, so that ordinary Spanish folds to itself.
Normal form: Unicode Standard Annex 15 (NFKC). Look-alikes: chosen by hand among those of Unicode
Technical Standard 39 that a person takes for a Latin capital, a small letter or a dash.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sazon.policy.detect.reading import Reading

_LOOK_ALIKES = {
    # Cyrillic
    "АВЕЅІЈКМНОРСТХУԚԜҺӀ": "ABESIJKMHOPCTXYQWHI",
    "аеѕіјкморсхуԁԛԝһӏѵ": "aesijkmopcxydqwhlv",
    # Greek
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϽͿ": "ABEZHIKMNOPTYXCCJ",
    "αικνορτυχϲϳ": "aikvoptuxcj",
    # Cherokee
    "ᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃᏀᏔ": "ABCDEHJKLMPRSTVWZGW",
    # Armenian, and Latin letters of other alphabets
    "օոսհցոՕՍԼ": "onuhgnOUL",
    "ıɑɡɩʏᴀʙᴄᴅᴇᴊᴋᴍɴᴏᴘʀᴛᴜᴠᴡᴢ": "iagiYABCDEJKMNOPRTUVWZ",
    # Dashes, quotation marks, slashes, dots
    "‐‑‒–—―−﹘➖": "---------",
    "‘’‚‛′“”„‟″": "'''''\"\"\"\"\"",
    "⁄∕⧸․‧•∙⋅": "///.····",
}
_TABLE = {odd: plain for row, plains in _LOOK_ALIKES.items() for odd, plain in zip(row, plains, strict=True)}
_ODD = re.compile(
    r"[A-Za-z][\u0300-\u036f]+"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\xb2\xb3\xb9]"
    r"|[^\x00-\xff]"
)
_SUSPECT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\xb2\xb3\xb9\u0100-\U0010ffff]")
"""What every match of `_ODD` has in it: one class, so that most texts are passed over quickly."""
_SQUARED = ((0x1F150, 0x1F169), (0x1F170, 0x1F189), (0x1F1E6, 0x1F1FF))
"""Negative circled, negative squared and regional-indicator letters A to Z, which NFKC leaves."""
_TAGS = (0xE0020, 0xE007E)
"""Tag characters: an invisible copy of ASCII."""


def fold(reading: Reading | str) -> Reading:
    """The text as plain characters, with the way back to the original's offsets.

    Digits of all scripts become 0–9; marks that do not make a Latin letter, format, control and
    zero-width characters go. Folding a piece of the original gives its piece of the folded text.
    """
    start = Reading(text=reading) if isinstance(reading, str) else reading
    return start.rewritten(_ODD, _plain) if _SUSPECT.search(start.text) else start


def _plain(match: re.Match[str]) -> str:
    odd = match.group()
    if len(odd) == 1:
        return _character(odd)
    # A letter and its marks, as some systems write ñ: one letter where there is one.
    return unicodedata.normalize("NFC", odd)[0]


@lru_cache(maxsize=8192)
def _character(odd: str) -> str:
    if odd in _TABLE:
        return _TABLE[odd]
    digit = unicodedata.digit(odd, None)
    if digit is not None:
        return str(digit)
    code = ord(odd)
    if _TAGS[0] <= code <= _TAGS[1]:
        return chr(code - 0xE0000)
    for first, last in _SQUARED:
        if first <= code <= last:
            return chr(ord("A") + code - first)
    return "".join(_simple(c) for c in unicodedata.normalize("NFKC", odd))


def _simple(character: str) -> str:
    if character in _TABLE:
        return _TABLE[character]
    if character in "\u0085\u2028\u2029":
        return "\n"
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    # Format, control, marks, private use: nothing to see.
    return "" if category in ("Cf", "Cc", "Mn", "Me", "Mc") and character not in "\t\n\r" else character
