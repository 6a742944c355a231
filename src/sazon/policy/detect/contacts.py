"""Where to reach somebody, and what opens a door: addresses of the net, handles, keys and passwords."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from sazon.policy.detect.span import Kind, Span

_EMAIL = re.compile(
    r"[A-Za-z0-9À-ÿ._%+'-]{1,64}+(?<=[A-Za-z0-9À-ÿ_+%-])[ ]?@[ ]?"
    r"[A-Za-z0-9À-ÿ](?:[A-Za-z0-9À-ÿ-]{0,62}+\.){1,5}[A-Za-zÀ-ÿ][A-Za-z0-9À-ÿ-]{1,23}"
)
_SPOKEN = re.compile(
    r"(?<!\w)[\w.-]{2,40}+(?: (?:punto|dot|guion|gui[oó]n bajo|underscore) [\w.-]{1,40}+){0,3}"
    r" ?[(\[{ ](?:arroba|at|@)[)\]} ] ?[\w-]{2,40}+(?: ?[(\[ ]?(?:punto|dot|\.)[)\] ]? ?[a-z]{2,12}+){1,3}",
    re.IGNORECASE,
)
_URL = re.compile(
    r"[a-z][a-z0-9+.-]{1,12}+://[^\s/@:]{1,100}(?::[^\s/@]{0,100})?@[^\s<>\"']{3,400}", re.IGNORECASE
)
_PROFILE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:instagram|facebook|twitter|x|tiktok|linkedin|t|github)\.(?:com|me)/(?:in/)?"
    r"[\w.@-]{2,60}",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@./])@[A-Za-z_][\w.]{1,30}(?<![.])")
_IP4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:[0-9.]{6,15})?(?![\w:])")
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])")
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,6000}+(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{16,200}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,100}"
    r"|gh[pousr]_[A-Za-z0-9]{30,100}|github_pat_[A-Za-z0-9_]{30,100}|glpat-[A-Za-z0-9_-]{18,60}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,300}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,120}|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,250}"
    r"|SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,60}|gsk_[A-Za-z0-9]{40,60}|dop_v1_[0-9a-f]{64}"
    r"|eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{4,6000}\.[A-Za-z0-9_-]{0,1500}"
    r")(?![A-Za-z0-9])"
)
_PASSWORD = re.compile(
    r"(?<![^\W_])(?:contrase(?:ñ|n|ny)a|password|passwd|pwd|clave(?: secreta| de acceso)?|pin|cvv|cvc|otp"
    r"|c[oó]digo de (?:seguridad|verificaci[oó]n)|api[ _-]?key|secret|token|passphrase)"
    r"(?: (?:es|is|era|was))?(?: ?[:=]+ ?| )[\"'`]?(?P<value>[^\s\"'`,;]{3,200})",
    re.IGNORECASE,
)


def contacts(text: str) -> Iterator[Span]:
    """E-mail, links to a person, handles, addresses of machines."""
    if "@" in text:
        yield from (_span(m, "EMAIL") for m in _EMAIL.finditer(text))
        yield from (_span(m, "HANDLE") for m in _HANDLE.finditer(text))
        yield from (_span(m, "URL") for m in _URL.finditer(text))
    if ".com/" in text or ".me/" in text:
        yield from (_span(m, "HANDLE") for m in _PROFILE.finditer(text))
    lower = text.lower()
    if any(word in lower for word in ("arroba", " at ", "(at)", "[at]")):
        for match in _SPOKEN.finditer(text):
            yield Span(start=match.start(), end=match.end(), kind="EMAIL", detector="patterns", hidden=True)
    yield from _machines(text)


def _machines(text: str) -> Iterator[Span]:
    """Addresses of the net and of its cards."""
    colons = text.count(":")
    if "." in text:
        for match in _IP4.finditer(text):
            if all(int(part) < 256 for part in match.group().split(".")):
                yield _span(match, "IP")
    if colons > 1:
        yield from (_span(m, "IP") for m in _IP6.finditer(text) if _is_ip6(m.group()))
    if colons > 4 or text.count("-") > 4:
        yield from (_span(m, "MAC") for m in _MAC.finditer(text))


def secrets(text: str) -> Iterator[Span]:
    """Keys of known forms, blocks of private keys, and what stands after the word password."""
    if "PRIVATE KEY" in text:
        for match in _KEY_BLOCK.finditer(text):
            yield _span(match, "SECRET")
    for match in _KEY.finditer(text):
        yield _span(match, "SECRET")
    for match in _PASSWORD.finditer(text):
        value = match["value"].rstrip(".?!)")
        # A word alone is none ("password reset"): a secret mixes letters with digits or signs.
        if len(value) > 2 and not value.isalpha() and any(c.isalnum() for c in value):
            start = match.start("value")
            yield Span(start=start, end=start + len(value), kind="SECRET", detector="patterns")


def _span(match: re.Match[str], kind: Kind) -> Span:
    return Span(start=match.start(), end=match.end(), kind=kind, detector="patterns")


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return text != "::"
