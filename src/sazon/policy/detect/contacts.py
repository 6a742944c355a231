"""Where to reach somebody, and what opens a door: addresses of the net, handles, keys and passwords."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from sazon.policy.detect.span import Kind, Span

_LOCAL = re.compile(r"[A-Za-z0-9À-ÿ._%+'-]{1,64}(?<=[A-Za-z0-9À-ÿ_+%-]) ?$")
_DOMAIN = re.compile(r" ?[A-Za-z0-9À-ÿ](?:[A-Za-z0-9À-ÿ-]{0,62}+\.){1,5}[A-Za-zÀ-ÿ][A-Za-z0-9À-ÿ-]{1,23}")
_SPOKEN = re.compile(
    r"[\w.-]{2,40}+(?: (?:punto|dot|gui[oó]n|gui[oó]n bajo|underscore) [\w.-]{1,40}+){0,3}"
    r" ?[(\[{ ](?:arroba|at|@)[)\]} ] ?[\w-]{2,40}+(?:(?: ?[(\[ ]?(?:punto|dot)[)\] ]? ?"
    r"|\.)[a-z]{2,12}+){1,3}"
)
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,12}+://[^\s/@:]{1,100}(?::[^\s/@]{0,100})?@[^\s<>\"']{3,400}")
_PROFILE = re.compile(
    r"(?:instagram|facebook|twitter|tiktok|linkedin|github|x|t)\.(?:com|me)/(?:in/)?[\w.@-]{2,60}"
)
_HANDLE = re.compile(r"@(?<![\w@./]@)[a-z_][\w.]{1,30}(?<!\.)")
_IP4 = re.compile(r"[0-9](?<![\w.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9])")
_MACHINE = re.compile(r":[0-9a-f]{0,4}:|-[0-9a-f]{2}-[0-9a-f]{2}-")
"""What addresses of six bytes or sixteen have in them, and little else."""
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:[0-9.]{6,15})?(?![\w:])")
_MAC = re.compile(r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])")
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
_KEY_MARKS = (
    "sk-", "_live_", "_test_", "_pat_", "gh", "glpat-", "AKIA", "ASIA", "ABIA", "ACCA", "AIza", "ya29.",
    "xox", "hf_", "npm_", "pypi-", "SG.", "gsk_", "dop_v1_", "eyJ",
)  # fmt: skip
_PASSWORD_WORDS = (
    "contrase", "passw", "pwd", "clave", "pin", "cvv", "cvc", "otp", "digo de", "key", "secret", "token",
    "passphrase",
)  # fmt: skip
_PASSWORD = re.compile(
    r"(?:contrase(?:ñ|n|ny)a|password|passwd|pwd|clave(?: secreta| de acceso)?|pin|cvv|cvc|otp"
    r"|c[oó]digo de (?:seguridad|verificaci[oó]n)|api[ _-]?key|secret|token|passphrase)"
    r"(?: (?:es|is|era|was))?(?: ?[:=]+ ?| )[\"'`]?(?P<value>[^\s\"'`,;]{3,200})"
)


def contacts(text: str, low: str) -> Iterator[Span]:
    """E-mail, links to a person, handles, addresses of machines.

    Args:
        text: as it stands.
        low: the same text, character by character, in small letters.
    """
    if "@" in text:
        yield from _mail(text)
        yield from (_span(m, "HANDLE") for m in _HANDLE.finditer(low))
        if "://" in text:
            yield from (_span(m, "URL") for m in _URL.finditer(low))
    if ".com/" in low or ".me/" in low:
        yield from (_span(m, "HANDLE") for m in _PROFILE.finditer(low))
    if any(word in low for word in ("arroba", " at ", "(at)", "[at]")):
        for match in _SPOKEN.finditer(low):
            yield Span(start=match.start(), end=match.end(), kind="EMAIL", detector="patterns", hidden=True)
    for match in _IP4.finditer(low):
        if all(int(part) < 256 for part in match.group().split(".")):
            yield _span(match, "IP")
    if _MACHINE.search(low):
        yield from (_span(m, "IP") for m in _IP6.finditer(low) if _is_ip6(m.group()))
        yield from (_span(m, "MAC") for m in _MAC.finditer(low))


def _mail(text: str) -> Iterator[Span]:
    at = text.find("@")
    while at >= 0:
        local, domain = _LOCAL.search(text, max(0, at - 66), at), _DOMAIN.match(text, at + 1)
        # "write @ noon. Then": blanks around the sign are a disguise only where what follows is a host.
        if local and domain and (domain.group()[0] != " " or domain.group()[1:].islower()):
            yield Span(start=local.start(), end=domain.end(), kind="EMAIL", detector="patterns")
        at = text.find("@", at + 1)


def secrets(text: str, low: str) -> Iterator[Span]:
    """Keys of known forms, blocks of private keys, and what stands after the word password."""
    if "PRIVATE KEY" in text:
        yield from (_span(m, "SECRET") for m in _KEY_BLOCK.finditer(text))
    if any(mark in text for mark in _KEY_MARKS):
        yield from (_span(m, "SECRET") for m in _KEY.finditer(text))
    if not any(word in low for word in _PASSWORD_WORDS):
        return
    for match in _PASSWORD.finditer(low):
        value = match["value"].rstrip(".?!)")
        alone = match.start() == 0 or not low[match.start() - 1].isalnum()
        # A word alone is none ("password reset"): a secret mixes letters with digits or signs.
        if alone and len(value) > 2 and not value.isalpha() and any(c.isalnum() for c in value):
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
