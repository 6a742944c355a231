"""Numbers that are somebody's: by their checksum, by their form, or by the word before them.

A text is looked at only around its digits. Digits a few characters apart make a *chain*, cut into
groups; the sizes of neighbouring groups say what a number may be (`FORMS`), a checksum or a rule
says whether it is. Beside a word such as DNI a number counts with a wrong checksum too: a typing
error is personal data all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from sazon.policy.detect import checksums as own
from sazon.policy.detect import checksums_america as america
from sazon.policy.detect.contexts import LEAST_DIGITS, context_before
from sazon.policy.detect.span import Kind, Span

Check = Callable[[str], bool]

_CHAIN = re.compile(r"[0-9](?:[^0-9\n]{0,3}+[0-9])*+")
_GROUP = re.compile(r"[0-9]+")
_JOINT = re.compile(r"[ .\-/_,·+()]{1,3}")
_UUID = re.compile(r"(?<!\w)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w)")
_MARGIN = 26
_MOST_GROUPS = 20
_LONGEST_NUMBER = 20
_LEAST_ROW = 8
_AMOUNT_BEFORE = re.compile(r"(?:[$€£]|eur|usd|us\$|s/\.?) ?$", re.IGNORECASE)
_AMOUNT_AFTER = re.compile(
    r" ?(?:€|£|\$|%|(?:euros?|eur|usd|d[oó]lares|pesos|soles|pounds|mg|kg|ml|km|cm|mm|hab|habitantes|m2)\b)",
    re.IGNORECASE,
)


def _starts(*first: str) -> Check:
    return lambda digits: digits.startswith(first)


def _always(digits: str) -> bool:
    return len(set(digits)) > 2


_SPANISH_PHONE = _starts("6", "7", "8", "9")
FORMS: dict[tuple[int, ...], tuple[tuple[Kind, Check], ...]] = {
    # One group.
    (9,): (("PHONE", _SPANISH_PHONE),),
    (10,): (("NATIONAL_ID", america.cedula_ecuador), ("PHONE", _always)),
    (11,): (
        ("PHONE", _starts("346", "347", "348", "349", "07", "02", "01")),
        ("NATIONAL_ID", america.cuit_argentina),
        ("NATIONAL_ID", america.cpf_brazil),
        ("NATIONAL_ID", america.ruc_peru),
        ("NATIONAL_ID", america.cedula_dominicana),
        ("OTHER", _always),
    ),
    (12,): (("NSS", own.nss), ("NATIONAL_ID", america.rut_uruguay), ("OTHER", _always)),
    (13,): (("CARD", own.card), ("NATIONAL_ID", america.cedula_ecuador), ("OTHER", _always)),
    (14,): (("CARD", own.card), ("NATIONAL_ID", america.cnpj_brazil), ("OTHER", _always)),
    **{(n,): (("CARD", own.card), ("OTHER", _always)) for n in (15, 16, 17, 18, 19)},
    (20,): (("ACCOUNT", own.ccc), ("OTHER", _always)),
    (22,): (("ACCOUNT", _always),),  # Argentina, CBU
    # Identifiers as they are written.
    (2, 8, 2): (("NSS", own.nss),),
    (2, 10): (("NSS", own.nss),),
    (2, 4, 4, 2): (("NSS", own.nss),),
    (4, 4, 4): (("NSS", own.nss),),
    (4, 4, 4, 4): (("CARD", own.card), ("ACCOUNT", _always)),
    (4, 6, 5): (("CARD", own.card),),
    (4, 6, 4): (("CARD", own.card),),
    (4, 4, 2, 10): (("ACCOUNT", own.ccc),),
    (4, 4, 4, 4, 4): (("ACCOUNT", own.ccc),),
    (3, 2, 4): (("NATIONAL_ID", own.ssn),),
    (2, 3, 3, 1): (("NATIONAL_ID", america.rut_chile),),
    (1, 3, 3, 1): (("NATIONAL_ID", america.rut_chile), ("NATIONAL_ID", america.ci_uruguay)),
    (8, 1): (("NATIONAL_ID", america.rut_chile),),
    (7, 1): (("NATIONAL_ID", america.rut_chile), ("NATIONAL_ID", america.ci_uruguay)),
    (3, 3, 3, 1): (("NATIONAL_ID", america.nit_colombia),),
    (9, 1): (("NATIONAL_ID", america.nit_colombia), ("NATIONAL_ID", america.cedula_ecuador)),
    (2, 8, 1): (("NATIONAL_ID", america.cuit_argentina),),
    (3, 3, 3, 2): (("NATIONAL_ID", america.cpf_brazil),),
    (9, 2): (("NATIONAL_ID", america.cpf_brazil),),
    (3, 7, 1): (("NATIONAL_ID", america.cedula_dominicana),),
    (2, 3, 3, 4, 2): (("NATIONAL_ID", america.cnpj_brazil),),
    # Telephones: Spain and Peru, Mexico and Argentina, Colombia and the United States, Chile, Britain.
    (3, 3, 3): (("PHONE", _SPANISH_PHONE),),
    (4, 4, 1): (("PHONE", _starts("6", "7")),),
    (3, 2, 2, 2): (("PHONE", _SPANISH_PHONE),),
    (2, 3, 2, 2): (("PHONE", _SPANISH_PHONE),),
    (2, 3, 4): (("PHONE", _SPANISH_PHONE),),
    (2, 7): (("PHONE", _SPANISH_PHONE),),
    (3, 6): (("PHONE", _SPANISH_PHONE),),
    (3, 4, 2): (("PHONE", _SPANISH_PHONE),),
    (2, 4, 4): (("PHONE", _always),),
    (3, 3, 4): (("NATIONAL_ID", own.nhs), ("PHONE", _always)),
    (3, 7): (("PHONE", _starts("3", "6", "8")),),
    (2, 2, 2, 2, 2): (("PHONE", _starts("33", "55", "56", "81")),),
    (1, 4, 4): (("PHONE", _starts("9", "2")),),
    (4, 3, 3): (("PHONE", _starts("0")),),
    (4, 7): (("PHONE", _starts("0")),),
    (5, 6): (("PHONE", _starts("0")),),
    (5, 3, 3): (("PHONE", _starts("0")),),
    (3, 4, 4): (("PHONE", _starts("0")),),
}
"""What a number may be by the sizes of its groups, first things first."""
_LONGEST = max(map(len, FORMS))
_BY_CHECKSUM: tuple[Kind, ...] = ("CARD", "NSS")
_CHECKED = {sizes for sizes, meanings in FORMS.items() if any(k in _BY_CHECKSUM for k, _ in meanings)}
_STRONG: dict[int, tuple[tuple[Kind, Check], ...]] = {
    12: (("NSS", own.nss),),
    20: (("ACCOUNT", own.ccc),),
    **{n: (("CARD", own.card),) for n in (13, 14, 15, 16, 17, 18, 19)},
}
"""What a whole chain may be by its digits alone, however they are grouped."""

_S = r"[ .\-/_,·]{0,3}+"
_EDGE, _STOP = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lettered:
    """An identifier with letters in it."""

    kind: Kind
    pattern: re.Pattern[str]
    check: Check
    """Of the bare capitals and digits."""


def _lettered(kind: Kind, pattern: str, check: Check = lambda _: True) -> _Lettered:
    return _Lettered(kind=kind, pattern=re.compile(f"{_EDGE}(?:{pattern}){_STOP}"), check=check)


_LETTERED = (
    _lettered("NIF", rf"[0-9KLMklm](?:{_S}[0-9]){{7}}{_S}[A-Za-z]", own.nif),
    # Glued together: what stands beside each is no edge then.
    _lettered("NIF", r"(?:[0-9XYZxyz][0-9]{7}[A-Za-z]|[A-HJNP-SUVWa-hjnp-suvw][0-9]{8}){2,4}"),
    _lettered("NIE", rf"[XYZxyz](?:{_S}[0-9]){{7}}{_S}[A-Za-z]", own.nie),
    _lettered(
        "CIF",
        rf"(?:[A-HJNP-SUVW]{_S}|[a-hjnp-suvw]-?)[0-9](?:{_S}[0-9]){{6}}{_S}[0-9A-Ja-j](?!-[0-9])",
        own.cif,
    ),
    _lettered("NATIONAL_ID", r"[A-ZÑa-zñ]{4}[0-9]{6}[HMXhmx][A-ZÑa-zñ]{5}[0-9A-Za-z][0-9]"),
    _lettered("NATIONAL_ID", r"[A-ZÑ&]{3,4}[ -]?[0-9]{6}[ -]?[0-9A-Z]{2}[0-9A]"),
    _lettered("NATIONAL_ID", r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]", own.nino),
    _lettered("NATIONAL_ID", r"[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-?[Kk]", america.rut_chile),
    _lettered("NATIONAL_ID", r"[VEJPGC]-?[0-9]{8}-?[0-9]", america.rif_venezuela),
    _lettered(
        "NATIONAL_ID", r"[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}", america.cnpj_brazil
    ),
    _lettered("PASSPORT", r"(?!NHC|DNI|NIF|NIE|NSS|TEL|FAX|CIF|REF|EXP|NIT|RUC|RUT|RFC)[A-Z]{3}[0-9]{6}"),
)
_MIXED = re.compile(r"[0-9](?:[ .\-/_,·]{0,3}[A-Za-zÑñ&]|/[0-9]{4}-)|[A-Za-zÑñ&][ .\-/_,·]{0,3}[0-9]")
"""What plates, accounts and all of `_LETTERED` have in them: a quick look before a dozen slower ones."""
_IBAN = re.compile(
    rf"{_EDGE}[A-Za-z][ .-]?[A-Za-z][ .-]?[0-9][ .-]?[0-9](?:[ .-]{{0,2}}+[A-Za-z0-9]){{11,31}}+"
)
_PLATE = re.compile(
    rf"{_EDGE}(?:[0-9]{{4}}[ -]?[BCDFGHJKLMNPRSTVWXYZ]{{3}}|[A-Z]{{1,2}}-[0-9]{{4}}-[A-Z]{{1,2}}){_STOP}"
)
_WORLD_PHONE = re.compile(
    r"(?<![0-9A-Za-z+])(?:\+|00)[ (]?[1-9](?:[ .\-/()]{0,3}+[0-9]){6,14}(?![0-9])"
    r"|(?<![0-9A-Za-z])\([0-9]{2,4}\)[ -]?[0-9](?:[ .-]?[0-9]){5,8}+(?![0-9])"
)
_NAMED_PLATE = re.compile(r"(?:[A-Za-z]{1,3}[ -]?)?[0-9]{2,4}(?:[ -]?[A-Za-z]{1,3}(?![A-Za-z]))?")
_HEAD_PLATE = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{1,3}[ -]?$")
_HEAD = re.compile(r"(?<![0-9A-Za-z])(?:[A-Z]{1,4}[ .-]?|[A-Za-z]-?)$")
_NAMED = re.compile(
    r"(?:[A-Za-z]{1,4}[ .-]?)??[0-9](?:[ .\-/_·]{0,2}+[0-9]){3,23}+(?:[ -]?[A-Za-z](?![0-9A-Za-z]))?"
)


def numbers(text: str) -> Iterator[Span]:
    """Identifiers, accounts, cards, telephones, plates and records of a text."""
    if text.count("-") >= 4:
        # A random identifier of a machine is nobody's telephone.
        text = _UUID.sub("-" * 36, text)
    reached = 0
    for chain in _CHAIN.finditer(text):
        digits = sum(map(str.isdigit, chain.group())) if len(chain.group()) < 64 else 64
        if digits >= 3:
            yield from _beside_a_word(text, chain.start())
        if digits < 4:
            continue
        if digits >= 7:
            yield from _by_form(text, chain)
        begin, end = max(reached, _edge(text, chain.start())), chain.end() + _MARGIN
        if begin < end:
            yield from _with_letters(text, begin, end, digits)
            reached = max(reached, chain.start())


def _edge(text: str, start: int) -> int:
    """Start of the surroundings of a chain."""
    return max(0, start - _MARGIN)


def _span(start: int, end: int, kind: Kind) -> Span:
    return Span(start=start, end=end, kind=kind, detector="patterns")


def _bare(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c == "&").upper()


def _with_letters(text: str, begin: int, end: int, digits: int) -> Iterator[Span]:
    if digits >= 6:
        for match in _WORLD_PHONE.finditer(text, begin, end):
            yield _span(*match.span(), "PHONE")
    if not _MIXED.search(text, begin, end):
        return
    for match in _PLATE.finditer(text, begin, end):
        yield _span(*match.span(), "PLATE")
    if digits < 6:
        return
    yield from _ibans(text, begin, end)
    for rule in _LETTERED:
        at = begin
        while found := rule.pattern.search(text, at, end):
            right = rule.check(_bare(found.group()))
            if right:
                yield _span(*found.span(), rule.kind)
            at = found.end() if right else found.start() + 1


def _ibans(text: str, begin: int, end: int) -> Iterator[Span]:
    """Accounts of any country, cut where the country's length ends."""
    at = begin
    while found := _IBAN.search(text, at, end):
        at = found.start() + 1
        places = [i for i in range(*found.span()) if text[i].isalnum()]
        country = text[places[0]] + text[places[1]]
        length = own.IBAN_LENGTHS.get(country.upper(), 99)
        if length <= len(places) and own.iban("".join(text[i] for i in places[:length]).upper()):
            at = places[length - 1] + 1
            yield _span(found.start(), at, "IBAN")


def _by_form(text: str, chain: re.Match[str]) -> Iterator[Span]:
    plain = [m.span() for m in _GROUP.finditer(text, chain.start(), chain.end())]
    for groups in _segments(text, _groups(text, plain)):
        yield from _by_sizes(text, groups)
        if 1 < len(groups) <= _MOST_GROUPS and _even(text, groups):
            yield from _as_a_whole(text, groups)
    if len(plain) >= _LEAST_ROW:
        yield from _in_rows(text, plain)


def _in_rows(text: str, plain: list[tuple[int, int]]) -> Iterator[Span]:
    """Numbers written in single digits with one joint, side by side with others: 6 0 2.5.6 3.

    The digit where two rows meet may belong to either, so each row is read with and without its ends.
    """
    single = [end - start == 1 for start, end in plain]
    joints = [text[a[1] : b[0]] for a, b in pairwise(plain)]
    begin = 0
    while begin < len(joints):
        end = begin
        while end < len(joints) and joints[end] == joints[begin] and single[end] and single[end + 1]:
            end += 1
        for first, last in ((begin, end), (begin + 1, end), (begin, end - 1), (begin + 1, end - 1)):
            if last - first + 1 >= _LEAST_ROW and (first, last) != (0, len(plain) - 1):
                kind = _kind_of(text, [(plain[first][0], plain[last][1])])
                if kind is not None:
                    yield _span(plain[first][0], plain[last][1], kind)
        begin = max(end, begin + 1)


def _by_sizes(text: str, groups: list[tuple[int, int]]) -> Iterator[Span]:
    sizes = tuple(len(_digits(text[a:b])) for a, b in groups)
    if len(groups) > 3:
        # Groups before it may look like something else; what a checksum tells is so wherever it begins.
        for first in range(len(groups) - 2):
            for size in (3, 4, 5):
                if sizes[first : first + size] in _CHECKED:
                    window = groups[first : first + size]
                    kind = _kind_of(text, window)
                    if kind in _BY_CHECKSUM:
                        yield _span(window[0][0], window[-1][1], kind)
    at = 0
    while at < len(groups):
        for size in range(min(_LONGEST, len(groups) - at), 0, -1):
            if sizes[at : at + size] not in FORMS and (size > 1 or sizes[at] <= _LONGEST_NUMBER):
                continue
            window = groups[at : at + size]
            kind = _kind_of(text, window)
            if kind is not None:
                yield _span(window[0][0], window[-1][1], kind)
                at += size
                break
        else:
            at += 1


def _as_a_whole(text: str, groups: list[tuple[int, int]]) -> Iterator[Span]:
    """What all groups are together, however the digits are grouped."""
    start, end = groups[0][0], groups[-1][1]
    bare = _digits(text[start:end])
    if len(groups) <= 5 and _is_mobile(text, groups, bare):
        yield _span(start, end, "PHONE")
    for kind, check in _STRONG.get(len(bare), ()):
        if check(bare):
            yield _span(start, end, kind)


def _segments(text: str, groups: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Groups as far as no letter and no other sign stands between them."""
    begin = 0
    for at in range(1, len(groups) + 1):
        if at == len(groups) or not _JOINT.fullmatch(text, groups[at - 1][1], groups[at][0]):
            yield groups[begin:at]
            begin = at


def _is_mobile(text: str, groups: list[tuple[int, int]], bare: str) -> bool:
    """Whether groups of any size, parted by one sort of sign, are a Spanish mobile number."""
    start, end = groups[0][0], groups[-1][1]
    joints = {text[a[1] : b[0]] for a, b in pairwise(groups)}
    return (
        len(bare) == 9
        and bare[0] in "67"
        and joints <= {" ", "-", "."}
        and len(joints) == 1
        and _stands_alone(text, start, end)
        and not _is_amount(text, start, end)
    )


def _groups(text: str, plain: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Groups of digits; five or more single digits, evenly spaced, are one group."""
    if len(plain) < 5:
        return plain
    groups: list[tuple[int, int]] = []
    at = 0
    while at < len(plain):
        row = _row_end(text, plain, at)
        if row - at >= 5:
            groups.append((plain[at][0], plain[row - 1][1]))
            at = row
        else:
            groups.append(plain[at])
            at += 1
    return groups


def _row_end(text: str, plain: list[tuple[int, int]], at: int) -> int:
    """Where a row of single digits that begins at `at` ends: at a longer group, or at another joint."""
    row = at
    first = None
    while row < len(plain) and plain[row][1] - plain[row][0] == 1:
        if row > at:
            joint = text[plain[row - 1][1] : plain[row][0]]
            if joint != (first := first or joint):
                after = text[plain[row][1] : plain[row + 1][0]] if row + 1 < len(plain) else ""
                # The digit before another joint begins the next row, where that goes on so.
                return row - 1 if joint == after else row
        row += 1
    return row


def _kind_of(text: str, window: list[tuple[int, int]]) -> Kind | None:
    pieces = [_digits(text[a:b]) for a, b in window]
    meanings = FORMS.get(tuple(map(len, pieces)))
    start, end = window[0][0], window[-1][1]
    if len(pieces) == 1 and len(pieces[0]) > _LONGEST_NUMBER and meanings is None:
        return "OTHER"  # no amount: several numbers glued together
    if meanings is None or not _stands_alone(text, start, end) or not _even(text, window):
        return None
    bare = "".join(pieces)
    for kind, check in meanings:
        if check(bare) and not (kind in ("PHONE", "OTHER") and _is_amount(text, start, end)):
            return kind
    return None


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no letter, decimal or further digit belongs to the number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum():
        return False
    return not (before[-1:] in ".," and before[:1].isdigit()) and not (
        after[:1] in ".," and after[1:].isdigit()
    )


def _digits(text: str) -> str:
    if text.isdecimal() and text.isascii():
        return text
    return "".join(c for c in text if c in "0123456789")


def _even(text: str, window: list[tuple[int, int]]) -> bool:
    """Whether short joints part the groups, of one sort or of two, as in 12.345.678-9 but not in a list."""
    joints = {text[a[1] : b[0]] for a, b in pairwise(window)}
    if len(joints) > 1 and joints & {" / ", ", ", " - "}:
        return False
    return len(joints) <= 2 and all(_JOINT.fullmatch(joint) for joint in joints)


def _is_amount(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 5) : start]
    return bool(_AMOUNT_BEFORE.search(before) or _AMOUNT_AFTER.match(text, end))


def _beside_a_word(text: str, start: int) -> Iterator[Span]:
    """The number that begins here, called by the word before it."""
    kind, word_end = context_before(text, start)
    if kind is None:
        return
    letters = start
    # Letters that belong to the number: X-1234567, AAA 123456.
    head = (_HEAD_PLATE if kind == "PLATE" else _HEAD).search(text, max(word_end, start - 6), start)
    if head:
        letters = head.start()
    match = (_NAMED_PLATE if kind == "PLATE" else _NAMED).match(text, letters)
    if match and sum(map(str.isdigit, match.group())) >= LEAST_DIGITS[kind]:
        if not (kind in ("ACCOUNT", "PHONE", "CARD") and _is_amount(text, letters, match.end())):
            yield _span(*match.span(), kind)
