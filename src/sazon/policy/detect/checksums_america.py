"""Identifiers of Latin America that check themselves.

Every function takes the bare identifier: capitals and digits, no separators. It answers whether the
form and the check characters are right, and never raises. Where a tax number of persons and of
companies share a scheme, one function serves both.
"""

from __future__ import annotations

import re

from sazon.policy.detect.checksums import luhn, weighted

_CURP_ALPHABET = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_RFC_ALPHABET = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ"
_BIRTH = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_STATES = "AS|BC|BS|CC|CL|CM|CS|CH|DF|DG|GT|GR|HG|JC|MC|MN|MS|NT|NL|OC|PL|QT|QR|SP|SL|SR|TC|TS|TL|VZ|YN|ZS|NE"


def rut_chile(text: str) -> bool:
    """Chile, RUN and RUT: modulo 11 with weights 2 to 7 from the right, 10 written K.

    Source: Servicio de Impuestos Internos; Registro Civil.
    """
    if not re.fullmatch(r"[0-9]{7,8}[0-9K]", text) or len(set(text)) == 1:
        return False
    return text[-1] == "0123456789K0"[-weighted(text[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11]


def cuit_argentina(text: str) -> bool:
    """Argentina, CUIT and CUIL: modulo 11; numbers that would need a 10 are not given out.

    Source: ARCA (formerly AFIP), Resolución General 10/97.
    """
    if not re.fullmatch(r"(?:2[034567]|3[034])[0-9]{9}", text):
        return False
    return int(text[10]) == -weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11


def nit_colombia(text: str) -> bool:
    """Colombia, NIT: modulo 11 with prime weights from the right. Source: DIAN, Orden 4 de 1989."""
    if not re.fullmatch(r"[0-9]{9,11}", text):
        return False
    rest = weighted(text[-2::-1], (3, 7, 13, 17, 19, 23, 29, 37, 41, 43)) % 11
    return int(text[-1]) == (rest if rest < 2 else 11 - rest)


def curp_mexico(text: str) -> bool:
    """Mexico, CURP: initials, birth date, sex, state, consonants, two control characters.

    Source: RENAPO, Instructivo normativo para la asignación de la CURP.
    """
    if not re.fullmatch(rf"[A-ZÑ]{{4}}{_BIRTH}[HMX](?:{_STATES})[A-ZÑ]{{3}}[0-9A-Z][0-9]", text):
        return False
    total = sum(_CURP_ALPHABET.index(c) * (18 - i) for i, c in enumerate(text[:17]))
    return int(text[17]) == -total % 10


def rfc_mexico(text: str) -> bool:
    """Mexico, RFC with its check character, of a person (13) or a company (12). Source: SAT."""
    if not re.fullmatch(rf"[A-ZÑ&]{{3,4}}{_BIRTH}[0-9A-Z]{{2}}[0-9A]", text):
        return False
    padded = text[:-1].rjust(12)
    rest = -sum(_RFC_ALPHABET.index(c) * (13 - i) for i, c in enumerate(padded)) % 11
    return text[-1] == ("A" if rest == 10 else str(rest))


def cpf_brazil(text: str) -> bool:
    """Brazil, CPF of a person: two check digits modulo 11. Source: Receita Federal."""
    if not re.fullmatch(r"[0-9]{11}", text) or len(set(text)) == 1:
        return False
    first, second = (-weighted(text[:n], range(n + 1, 1, -1)) % 11 % 10 for n in (9, 10))
    return text[9:] == f"{first}{second}"


def cnpj_brazil(text: str) -> bool:
    """Brazil, CNPJ of a company, also with letters (since July 2026: value of a letter its code − 48).

    Source: Receita Federal, Instrução Normativa 2.229/2024.
    """
    if not re.fullmatch(r"[0-9A-Z]{12}[0-9]{2}", text) or len(set(text)) == 1:
        return False
    for n in (12, 13):
        weights = [2 + (n - 1 - i) % 8 for i in range(n)]
        total = sum((ord(c) - 48) * w for c, w in zip(text, weights, strict=False))
        if int(text[n]) != -total % 11 % 10:
            return False
    return True


def cedula_ecuador(text: str) -> bool:
    """Ecuador, cédula, and the RUC of a person made of it: province, Luhn over ten digits.

    Source: Registro Civil; SRI.
    """
    form = r"(?:0[1-9]|1[0-9]|2[0-4]|30)[0-5][0-9]{7}(?:00[1-9])?"
    return bool(re.fullmatch(form, text)) and luhn(text[:10])


def ci_uruguay(text: str) -> bool:
    """Uruguay, cédula de identidad: weights 2987634 modulo 10. Source: DNIC."""
    if not re.fullmatch(r"[0-9]{7,8}", text):
        return False
    digits = text.zfill(8)
    return int(digits[7]) == -weighted(digits, (2, 9, 8, 7, 6, 3, 4)) % 10


def rut_uruguay(text: str) -> bool:
    """Uruguay, RUT of a company: modulo 11. Source: DGI."""
    if not re.fullmatch(r"(?:0[1-9]|1[0-9]|2[0-2])[0-9]{6}001[0-9]", text):
        return False
    return int(text[11]) == -weighted(text, (4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11


def ruc_peru(text: str) -> bool:
    """Peru, RUC: modulo 11, 10 and 11 written 0 and 1. Source: SUNAT."""
    if not re.fullmatch(r"(?:10|15|16|17|20)[0-9]{9}", text):
        return False
    return int(text[10]) == (11 - weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10


def ruc_paraguay(text: str) -> bool:
    """Paraguay, RUC: modulo 11 with weights 2 to 11 from the right. Source: DNIT (formerly SET)."""
    if not re.fullmatch(r"[0-9]{6,9}", text):
        return False
    rest = weighted(text[-2::-1], range(2, 12)) % 11
    return int(text[-1]) == (11 - rest if rest > 1 else 0)


def rif_venezuela(text: str) -> bool:
    """Venezuela, RIF: the kind's letter counts too, modulo 11. Source: SENIAT."""
    if not re.fullmatch(r"[VEJPGC][0-9]{9}", text):
        return False
    kind = {"V": 1, "E": 2, "J": 3, "C": 3, "P": 4, "G": 5}[text[0]]
    rest = -(4 * kind + weighted(text[1:], (3, 2, 7, 6, 5, 4, 3, 2))) % 11
    return int(text[9]) == rest % 10


def cedula_dominicana(text: str) -> bool:
    """Dominican Republic, cédula: Luhn over eleven digits. Source: Junta Central Electoral."""
    return bool(re.fullmatch(r"[0-9]{11}", text)) and len(set(text)) > 1 and luhn(text)


def rnc_dominicana(text: str) -> bool:
    """Dominican Republic, RNC of a company: modulo 11. Source: DGII."""
    if not re.fullmatch(r"[1-5][0-9]{8}", text):
        return False
    rest = weighted(text, (7, 9, 8, 6, 5, 4, 3, 2)) % 11
    return int(text[8]) == {0: 2, 1: 1}.get(rest, 11 - rest)


def nit_guatemala(text: str) -> bool:
    """Guatemala, NIT: modulo 11 by position, 10 written K. Source: SAT."""
    if not re.fullmatch(r"[0-9]{4,8}[0-9K]", text):
        return False
    return text[-1] == "0123456789K"[-weighted(text[-2::-1], range(2, 12)) % 11]
