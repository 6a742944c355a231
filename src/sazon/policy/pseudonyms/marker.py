r"""How a marker looks: written in one way, read back in the many ways in which models repeat it.

Written: `⟦PERSON_7K2QX9⟧`, and `PERSON_7K2QX9` where only an identifier may stand. Read: other
brackets and cases, spaces, hyphens or `\_` for `_`, bold or backticks inside, `\u27e6` for `⟦`, and
between `⟦⟧` also another word for the kind, since models translate. The code alone decides.

`FULL` reads a marker; `GROWING` matches the end of a text that more text could turn into one, or into a
longer one. Whatever `FULL` accepts, every beginning of it is in `GROWING`: so a stream that waits there
restores what the whole text would.
"""

from __future__ import annotations

import re
import secrets

from sazon.policy.detect.span import KINDS

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and capitals without those that are taken for one another (0 O, 1 I L, U V)."""
LENGTH = 6
LONGEST = 96
"""No marker, in any spelling, has more characters."""

_CODE = f"[{ALPHABET}{ALPHABET.lower()[8:]}]{{{LENGTH}}}"
# As JSON, and as JSON within JSON, where the backslashes double.
_OPEN, _CLOSE = r"(?:[⟦〚]|\\{1,4}u27[eE]6)", r"(?:[⟧〛]|\\{1,4}u27[eE]7)"
_OTHER_OPEN = r"(?:\[\[?|\{\{?|<<?|[【〖〔［⟨〈❲⦗⟪《＜])"
_OTHER_CLOSE = rf"(?:\]\]?|\}}\}}?|>>?|[】〗〕］⟩〉❳⦘⟫》＞]|{_CLOSE})"
_DECORATION = r" \t\xa0\u202f*_`~\\"
_GAP = f"[{_DECORATION}]{{0,4}}"
_JOINS = r" \xa0\u202f_\\:\-‐‑–"
_JOIN = f"[{_JOINS}]{{1,3}}"
_WORD = r"[^\W\d_]{1,16}"
_NO_WORD_BEFORE, _NO_WORD_AFTER = r"(?<![^\W_])", r"(?![^\W_])"
# Longest first, so that no kind hides behind one it begins with.
_ORDERED = sorted(KINDS, key=len, reverse=True)
_KINDS = "|".join(kind.replace("_", _JOIN) for kind in _ORDERED)

# Most places of a text are dismissed by their first character: twice as fast.
_FIRST = rf"(?=[⟦〚\\\[{{<【〖〔［⟨〈❲⦗⟪《＜{''.join(sorted({kind[0] for kind in KINDS}))}])"

FULL = re.compile(
    rf"{_FIRST}(?:{_OPEN}{_GAP}{_WORD}(?:{_JOIN}{_WORD}){{0,2}}{_JOIN}(?P<ours>{_CODE}){_NO_WORD_AFTER}"
    rf"(?:{_GAP}{_OTHER_CLOSE})?"
    rf"|{_OTHER_OPEN}{_GAP}(?i:{_KINDS}){_JOIN}(?P<other>{_CODE}){_GAP}{_OTHER_CLOSE}"
    rf"|{_NO_WORD_BEFORE}(?:{'|'.join(_ORDERED)})\\?_(?P<bare>[{ALPHABET}]{{{LENGTH}}}){_NO_WORD_AFTER}"
    rf"{_CLOSE}?)"
)
"""Any spelling of a marker; one of its groups holds the code."""


def _growing(kind: str, join: str, after: str) -> str:
    """A pattern for every beginning of a kind up to the end of the text, `after` following the whole."""
    pattern = after
    for letter in reversed(kind):
        pattern = f"{join if letter == '_' else letter}(?:\\Z|{pattern})"
    return pattern


def _kinds_growing(join: str, after: str) -> str:
    return "|".join(_growing(kind, join, after) for kind in KINDS)


_BODY = rf"[\w{_JOINS}{_DECORATION}]"
_AFTER_KIND = rf"{_JOIN}(?:\Z|[0-9A-Za-z]{{1,{LENGTH}}}[{_DECORATION}u27eE]{{0,14}}[\]}}>]?\Z)"
_AFTER_BARE = rf"\\?(?:\Z|_[{ALPHABET}]{{0,{LENGTH}}}(?:\\{{1,4}}[u27eE]{{0,4}})?\Z)"
GROWING = re.compile(
    rf"{_FIRST}(?:\\{{1,4}}(?:u(?:2(?:7(?:[eE]6?)?)?)?)?\Z"
    rf"|{_OPEN}{_BODY}{{0,80}}[\]}}>]?\Z"
    rf"|{_OTHER_OPEN}{_GAP}(?:\Z|(?i:{_kinds_growing(_JOIN, _AFTER_KIND)}))"
    rf"|{_NO_WORD_BEFORE}(?:{_kinds_growing('_', _AFTER_BARE)}))"
)
"""The end of a text that may be the beginning of a marker, or of a longer spelling of one."""


def code_of(found: re.Match[str]) -> str:
    """The code of a marker that `FULL` found, as it was written at first."""
    return (found["ours"] or found["other"] or found["bare"]).upper()


def is_canonical(found: re.Match[str]) -> bool:
    """Whether a marker that `FULL` found stands between our own brackets."""
    return found["ours"] is not None


def draw() -> str:
    """A code nobody can guess, with a letter and a digit: it is taken for neither a word nor a number."""
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if not code.isdigit() and not code.isalpha():
            return code


def written(kind: str, code: str, *, name: bool = False) -> str:
    """A marker; without brackets where only letters, digits and `_` may stand."""
    return f"{kind}_{code}" if name else f"⟦{kind}_{code}⟧"
