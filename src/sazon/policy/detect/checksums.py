"""Identifiers that check themselves: Spain, banks and cards, United Kingdom, United States.

Every function takes the bare identifier: capitals and digits, no separators. It answers whether the
form and the check characters are right, and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NIF_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_CIF_LETTERS = "JABCDEFGHI"
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
    "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
    "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""Length of an IBAN by country. Source: SWIFT, IBAN Registry."""


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Σ digit × weight; the shorter of both decides how many."""
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (every second one doubled). Source: ISO/IEC 7812-1."""
    if not digits.isdecimal():
        return False
    doubled = sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def nif(text: str) -> bool:
    """Spanish personal tax number: eight digits and a letter; K, L, M and seven digits for special ones.

    Source: Ministerio del Interior, cálculo del dígito de control del NIF/NIE; Real Decreto 1065/2007.
    """
    if not re.fullmatch(r"[0-9KLM][0-9]{7}[A-Z]", text):
        return False
    digits = text[:8] if text[0].isdecimal() else text[1:8]
    return text[8] == _NIF_LETTERS[int(digits) % 23]


def nie(text: str) -> bool:
    """Number of a foreigner in Spain: X, Y or Z stands for 0, 1 or 2. Source: as for `nif`."""
    return bool(re.fullmatch(r"[XYZ][0-9]{7}[A-Z]", text)) and nif(str("XYZ".index(text[0])) + text[1:])


def cif(text: str) -> bool:
    """Tax number of a Spanish company or body.

    Source: Orden EHA/451/2008 (forms); control: Luhn over seven digits, as a digit or a letter.
    """
    if not re.fullmatch(r"[ABCDEFGHJNPQRSUVW][0-9]{7}[0-9A-J]", text):
        return False
    doubled = sum(sum(divmod(2 * int(d), 10)) for d in text[1:8:2])
    control = -(doubled + sum(map(int, text[2:8:2]))) % 10
    allowed = []
    if text[0] not in "NPQRSW":
        allowed.append(str(control))
    if text[0] not in "ABEH":
        allowed.append(_CIF_LETTERS[control])
    return text[8] in allowed


def nss(text: str) -> bool:
    """Spanish social-security number: province, eight digits, the rest of both by 97.

    Source: Tesorería General de la Seguridad Social; numbers under ten million lose their leading zero.
    """
    if not re.fullmatch(r"(?:0[1-9]|[1-5][0-9]|6[0-6])[0-9]{10}", text):
        return False
    number = int(text[2:10])
    whole = int(text[:10]) if number >= 10_000_000 else int(text[:2]) * 10_000_000 + number
    return whole % 97 == int(text[10:])


def ccc(text: str) -> bool:
    """Spanish bank account: bank, branch, two check digits, account.

    Source: Consejo Superior Bancario; weights 2ⁿ modulo 11.
    """
    if not re.fullmatch(r"[0-9]{20}", text) or not text.strip("0"):
        return False

    def control(ten: str) -> str:
        rest = 11 - weighted(ten, (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11
        return {10: "1", 11: "0"}.get(rest, str(rest))

    return text[8:10] == control("00" + text[:8]) + control(text[10:])


def iban(text: str) -> bool:
    """International bank account number. Source: ISO 13616, ISO/IEC 7064 (MOD 97-10)."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text) or IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


_ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|095|[689][0-9])[0-9]{11,16}"  # Diners
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|6(?:011|22[1-9]|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}"  # Discover
    r"|62[0-9]{14,17}"  # UnionPay
    r"|(?:50|5[6-8]|6[0-9])[0-9]{14,17}"  # Maestro, Elo, Cabal, Naranja
)


def card(text: str) -> bool:
    """Payment card: an issuer's prefix and length, and Luhn. Source: ISO/IEC 7812 and issuers' ranges."""
    return bool(_ISSUERS.fullmatch(text)) and luhn(text)


def nhs(text: str) -> bool:
    """Number of a patient in the United Kingdom. Source: NHS Data Dictionary, modulus 11."""
    if not re.fullmatch(r"[0-9]{10}", text) or len(set(text)) == 1:
        return False
    rest = 11 - weighted(text[:9], range(10, 1, -1)) % 11
    return rest != 10 and int(text[9]) == rest % 11


def ssn(text: str) -> bool:
    """Social-security number of the United States by its rules; it has no check digit.

    Source: Social Security Administration, randomization (2011): no area 000, 666 or 900–999.
    """
    return bool(re.fullmatch(r"(?!000|666|9)[0-9]{3}(?!00)[0-9]{2}(?!0000)[0-9]{4}", text))


def nino(text: str) -> bool:
    """National insurance number of the United Kingdom by its rules; it has no check digit.

    Source: HMRC National Insurance Manual NIM39110.
    """
    rule = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z][0-9]{6}[A-D]"
    return bool(re.fullmatch(rule, text))
