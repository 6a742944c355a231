"""Where somebody lives: streets with a number, postcodes beside a place, in Spanish and English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sazon.policy.detect.span import Kind, Span

_WAY = (
    r"c/|c\.|c/\.|calle|cll?\.|avenida|avda?\.?|av\.?|avgda?\.?|avinguda|carrer|paseo|p[ºª°]\.?|pso\."
    r"|plaza|pza\.?"
    r"|plz\.?|pl\.|plaça|carretera|ctra\.?|crta\.?|camino|cno\.?|traves[ií]a|trav\.?|ronda|rda\.?"
    r"|urbanizaci[oó]n"
    r"|urb\.?|pol[ií]gono|callej[oó]n|cra\.?|carrera|kr\.?|diagonal|dg\.|transversal|jir[oó]n|jr\.?"
    r"|rambla|glorieta"
    r"|v[ií]a|bulevar|blvd\.?|boulevard|autopista|autov[ií]a|calzada|prolongaci[oó]n|pasaje|psje\.?"
    r"|r[uú]a|costanilla"
    r"|barrio|barriada|alameda|fraccionamiento"
)
_NAME = r"[^\W\d_][\w.'’ºª°&-]{0,24}+"
_FLOOR = (
    r"(?:[ ,.;-]{1,3}(?:(?:piso|planta|puerta|pta\.?|portal|bloque|blq\.?|bl\.?|esc(?:alera)?\.?"
    r"|depto\.?|dpto\.?"
    r"|departamento|apto\.?|apartamento|int(?:erior)?\.?|oficina|of\.|casa|local|letra|torre|manzana"
    r"|mz\.?|lote|lt\.?"
    r"|edificio|edif\.?|km\.?)[ .]{0,2}[0-9A-Z]{1,5}\b|[0-9]{1,3} ?[ºª°](?: ?[A-Za-z]{1,5}\b\.?)?"
    r"|(?:bajo|[aá]tico|entresuelo|principal|izq(?:uierda|da)?|dcha|derecha|der|dch|centro|ctro)\b\.?"
    r"|[0-9]{1,3}(?: ?[A-Z])?(?![0-9A-Za-z]|[.,][0-9])|[A-Z](?![\w]))){0,4}"
)
_HOUSE = (
    r"(?:[ ,.]{0,3}(?:n ?[ºo°.]{1,2}|n[uú]m(?:ero)?\.?|nro\.?|#|no\.|km\.?) ?[0-9]{1,5}(?:[.,][0-9]{1,3})?"
    r"|[ ,.]{1,3}[0-9]{1,4}|[ ,.]{0,3}(?:s/n|s\.n\.?|sin n[uú]mero)(?!\w))"
    r"(?: ?[-–/y#] ?[0-9]{1,4}){0,2}(?: ?(?:bis|[A-Z])(?!\w))?"
)
_SPANISH = re.compile(
    rf"(?<![\w/])(?:{_WAY})[ ,:]{{0,3}}(?P<name>"
    rf"(?:{_NAME}[ ,]{{0,2}}){{0,8}}?{_NAME})?(?P<house>{_HOUSE})(?![0-9]|[.,][0-9])"
    rf"(?P<floor>{_FLOOR})",
    re.IGNORECASE,
)
_CAPITAL = r"[A-ZÁÉÍÓÚÑÜ][\w'’.ºª-]{1,24}+"
_UNNUMBERED = re.compile(
    rf"(?<![\w/])(?:[Cc]/\.?|Calle|CALLE|Avda?\.?|Av\.|AVDA\.?|Avenida|AVENIDA|Paseo|PASEO|P[ºª]|Plaza"
    rf"|PLAZA|Pza\.?"
    rf"|Ctra\.?|CTRA\.?|Carretera|CARRETERA|Camino|Ronda|Rambla|Glorieta|Traves[ií]a|Urbanizaci[oó]n"
    rf"|Urb\.|Pol[ií]gono"
    rf"|Col\.|Avinguda|Carrer|Jir[oó]n|Jr\.)"
    rf"(?: ?,? ?(?:de|del|la|las|los|el|y|d['’])){{0,3}}[ ,]{{0,2}}{_CAPITAL}"
    rf"(?: (?:(?:de|del|la|las|los|el|y|i) ){{0,3}}{_CAPITAL}){{0,5}}"
)
_ENGLISH = re.compile(
    r"(?<![\w.,/])(?:(?:flat|apt\.?|apartment|unit|suite) ?#?[0-9]{1,4}[A-Za-z]?,? )?[0-9]{1,5}[A-Za-z]? "
    r"(?:[A-Z][A-Za-z'.]{1,20}+ |[0-9]{1,3}(?:st|nd|rd|th) |(?:north|south|east|west|[nsew]\.?) ){1,4}?"
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|way|court|ct|place|square|sq"
    r"|terrace|crescent"
    r"|close|parkway|pkwy|highway|hwy|gardens|mews|hill)(?!\w)\.?"
    r"(?:,? (?:flat|apt\.?|apartment|unit|suite|#) ?#?[0-9]{1,4}[A-Za-z]?)?",
    re.IGNORECASE,
)
_BOX = re.compile(
    r"(?<!\w)(?:apartado(?: de correos| postal)?|apdo\.?|p\.? ?o\.? box) ?[0-9]{1,6}", re.IGNORECASE
)
_HOME = re.compile(
    r"(?<!\w)(?:domicilio|direcci[oó]n|address|vivo en|i live (?:at|on))(?: es"
    r"| is)? ?: ?(?P<place>[^\n\t]{4,80})",
    re.IGNORECASE,
)
_NOT_A_HOUSE = re.compile(
    r" ?(?:min(?:uto)?s?|metros?|m|km|a[nñ]os|euros?|€|eur|horas?|h|d[ií]as?|personas|veces|semanas?"
    r"|meses|%)(?!\w)",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"(?:(?<![\w.])(?P<word>c\.? ?p\.?|c[oó]digo postal|cod\.? postal|postal code|zip(?: code)?|postcode)"
    r"[ :.]{0,3}(?:es |is )?(?:E-?|CP-?)?(?P<code>[0-9]{4,6}(?:-[0-9]{3,4})?)(?![0-9]))"
    r"|(?<![\w.,/#-])(?:E-|D-)?(?P<spain>(?:0[1-9]|[1-4][0-9]"
    r"|5[0-2])[0-9]{3})(?=[ ,.()\-–]{1,3}[A-ZÁÉÍÓÚÑ(]\w)",
    re.IGNORECASE,
)
_BRITISH = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]{1,2}[0-9][A-Z0-9]?) ?[0-9][ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9])"
)


def places(text: str) -> Iterator[Span]:
    """Streets and postcodes of a text."""
    for match in _UNNUMBERED.finditer(text):
        yield _span(*match.span(), "ADDRESS")
    if not any(map(str.isdigit, text)) and "s/n" not in text.lower():
        return
    for match in _SPANISH.finditer(text):
        # "en la calle a 3 minutos": what follows counts something else.
        if not _NOT_A_HOUSE.match(text, match.end("house")) or match["floor"]:
            yield _span(*match.span(), "ADDRESS")
    for pattern in (_ENGLISH, _BOX):
        for match in pattern.finditer(text):
            yield _span(*match.span(), "ADDRESS")
    for match in _POSTCODE.finditer(text):
        group = "code" if match["code"] else "spain"
        if group == "code" or text[match.end() :].lstrip(" ,.()-–")[:1].isupper():
            yield _span(*match.span(group), "POSTCODE")
    for match in _BRITISH.finditer(text):
        yield _span(*match.span(), "POSTCODE")


def _span(start: int, end: int, kind: Kind) -> Span:
    return Span(start=start, end=end, kind=kind, detector="patterns")
