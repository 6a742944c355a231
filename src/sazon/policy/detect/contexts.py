"""Words that say what the number after them is, in Spanish and English, always both."""

from __future__ import annotations

import re

from sazon.policy.detect.span import Kind

_REACH = 44
"""Characters before a number in which its word may stand."""
_NUMBER = r"(?:(?:n[uú]m(?:ero)?|nro|no|n)?[.º°]{0,2} ?(?:de )?)?"
_WORDS: dict[Kind, str] = {
    "NIF": r"dni|d\.n\.i|nif|n\.i\.f|documento(?: nacional)?(?: de identidad)?",
    "NIE": r"nie|n\.i\.e|tie",
    "CIF": r"cif|c\.i\.f",
    "NSS": r"nass|nuss|nss|n\.s\.s|seguridad social|seg\.? social|afiliaci[oó]n",
    "NATIONAL_ID": (
        r"rut|run|cuit|cuil|curp|rfc|cpf|cnpj|c[eé]dula|c\.?c|c\.i|nit|ruc|rif|dui|ssn|social security"
        r"|nino|national insurance|nhs|clave de elector|ine|id card|identity card|tax id"
    ),
    "RECORD": (
        r"nhc|historia(?: cl[ií]nica)?|n\.?h\.?c|episodio|expediente|exp|p[oó]liza|pedido|cliente|socia?o?"
        r"|contrato|referencia|ref|localizador|reserva|caso|tarjeta sanitaria|cip|sip|siniestro|factura"
        r"|medical record|mrn|patient(?: id| number| no)?|policy|case|order|booking|reference"
        r"|customer(?: id)?"
        r"|tr[aá]mite|radicado|folio|ticket|incidencia|matr[ií]cula escolar|registro"
    ),
    "LICENCE": (
        r"col|coleg|colegiad[oa]|colegiaci[oó]n|c[eé]dula profesional|permiso de conducir"
        r"|carn[eé]t? de conducir"
        r"|licencia(?: de conducir)?|driver'?s? licen[cs]e|driving licen[cs]e|licen[cs]e"
    ),
    "PASSPORT": r"pasaporte|passport|pasap",
    "PLATE": r"matr[ií]cula|patente|placa|licen[cs]e plate|number plate|plate",
    "PHONE": (
        r"tel[eé]?f?o?n?o?s?|tlfn?o?|tfn?o?|telf|m[oó]vil(?:es)?|celular|celu|cel|wh?ats?app?|guasap"
        r"|wasap|wsp|fax"
        r"|fijo|ll[aá]m[ae]n?me|llamar(?:me)?|ll[aá]ma(?:d|r)?|phone|mobile|cell|call(?: me)?|text me|ring me"
        r"|marca(?:r|d)?|busca"
    ),
    "ACCOUNT": r"cuenta|cta|ccc|iban|clabe|cbu|cvu|account|acct|sort code|bizum",
    "CARD": r"tarjeta|card|visa|mastercard|amex|d[eé]bito|cr[eé]dito",
}
_CONTEXT = re.compile(
    r"(?<![^\W\d_ºª])(?:"
    + "|".join(f"(?P<{kind}>(?:{words}))" for kind, words in _WORDS.items())
    + r")(?![^\W\d_])"
)
_DIGIT = re.compile(r"[0-9]")
LEAST_DIGITS: dict[Kind, int] = {
    "NIF": 6, "NIE": 6, "CIF": 6, "NSS": 7, "NATIONAL_ID": 6, "RECORD": 4, "LICENCE": 4, "PASSPORT": 5,
    "PLATE": 3, "PHONE": 6, "ACCOUNT": 8, "CARD": 12,
}  # fmt: skip
"""So many digits at least a number has that its word makes one of a kind."""


def context_before(text: str, start: int) -> tuple[Kind | None, int]:
    """What the nearest word before a number calls it, and where that word ends."""
    begin = max(0, start - _REACH)
    # What stands before another number speaks of that one.
    other = _DIGIT.findall(text, begin, start)
    if other:
        begin = text.rfind(other[-1], begin, start) + 1
    before = text[begin:start].lower()
    if len(before) != start - begin:
        before = text[begin:start]
    words = list(_CONTEXT.finditer(before))
    if not words:
        return None, start
    kind: Kind = words[-1].lastgroup  # type: ignore[assignment]
    return kind, begin + words[-1].end()
