"""Where somebody lives: streets with a number, postcodes beside a place, in Spanish and English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sazon.policy.detect.span import Kind, Span

_WAY = (
    r"c/ ?|c\.|cl\.|calle?|carrer|cll\.?|carr(?:etera|era|\.)|cra\.?|ctra\.?|crta\.?|camino|cno\.?"
    r"|calzada|callej[oó]n"
    r"|costanilla|cuesta|avda\.?|av(?:enida|inguda|gda\.?|\.|,)?|alameda|autopista|autov[ií]a|paseo"
    r"|passeig|p[ºª°]\.?"
    r"|p\.º|pso\.|pla(?:za|ça)|pza\.?|plz\.?|pl\.|pol[ií]gono|prolongaci[oó]n|pasaje|psje\.?|praza"
    r"|traves[ií]a"
    r"|trav\.?|transversal|ronda|rda\.?|rambla|r[uú]a|urbanizaci[oó]n|urb\.?|kr\.?|diagonal|dg\."
    r"|jir[oó]n|jr\.?"
    r"|glorieta|gran v[ií]a|v[ií]a|bulevar|blvd\.?|boulevard|barrio|barriada|fraccionamiento|cerrada"
    r"|sector|parque"
)
_START = re.compile(
    r"[\s(.,:;\"'>_-](?:c/|c\.|cl\.|calle|carrer|cll|carr|cra|ctra|crta|camino|cno|calzada|costan|av"
    r"|alameda|autop|autov|paseo|passeig"
    r"|p[ºª°]|p\.º|pso\.|pla[zç]|pza|plz|pl\.|pol[ií]g|prolong|pasaje|psje|praza|traves|trav|transv"
    r"|ronda|rda|rambla|r[uú]a "
    r"|urb|kr|diagonal|dg\.|jir[oó]n|jr|glorieta|gran v|v[ií]a |bulevar|blvd|boulev|barri|fraccion"
    r"|cerrada|sector|parque)"
)
"""Where a way may begin; a quick look before `_SPANISH`."""
_NAME = r"(?:[^\W\d_][\w.'’ºª°&-]{0,24}+|[0-9]{1,2} de (?=[a-z]))"
_END = r"(?![^\W_])"
_FLOOR = (
    rf"(?:[ ,.;–-]{{1,4}}(?:(?:piso|planta|puerta|pta\.?|portal|bloque|blq\.?|bl\.?|esc(?:alera)?\.?"
    rf"|depto\.?|dpto\.?"
    rf"|departamento|apto\.?|apartamento|int(?:erior)?\.?|oficina|of\.|casa|local|letra|torre|manzana"
    rf"|mz\.?|lote|lt\.?"
    rf"|edificio|edif\.?|km\.?)[ .]{{0,2}}[0-9a-z]{{1,5}}{_END}"
    rf"|[0-9]{{1,3}} ?(?:\.?[ºª°o]|[mvt]o|er|ra){_END}(?: ?piso)?(?:[ .]{{0,2}}(?:izq(?:uierda|da)?"
    rf"|dcha?|der(?:echa)?"
    rf"|centro|ctro|ext|int|[a-z]){_END}\.?)?"
    rf"|(?:bajo|[aá]tico|entresuelo|principal|s[oó]tano|izq(?:uierda|da)?|dcha?|der(?:echa)?|centro"
    rf"|ctro){_END}\.?"
    rf"|[0-9]{{1,3}}(?: ?[a-z]{_END})?(?![0-9a-z]|[.,/][0-9])|[a-z]{_END})){{0,5}}"
)
_HOUSE = (
    r"(?:[ ,.]{0,3}(?:n ?\.?[ºo°.]{1,2}|n[uú]m(?:ero)?\.?|nro\.?|#|no\.|km\.?) ?[0-9]{1,5}(?:[.,][0-9]{1,3})?"
    r"|[ ,.]{1,3}[0-9]{1,4}|[ ,.]{0,3}(?:s/n|s\.n\.?|sin n[uú]mero)(?!\w))"
    rf"(?: ?[-–/y#] ?[0-9]{{1,4}}){{0,2}}(?: ?(?:bis|[a-z]){_END})?"
)
_SPANISH = re.compile(
    rf"(?:{_WAY})[ ,:]{{0,3}}(?:(?:{_NAME}[ ,]{{0,2}}){{0,8}}?{_NAME})?(?P<house>{_HOUSE})"
    rf"(?![0-9]|[.,][0-9])(?P<floor>{_FLOOR})"
)
_CAPITAL = r"[A-ZÁÉÍÓÚÑÜ][\w'’.ºª-]{1,24}+"
# Alternatives begin with a letter, not with a choice: the search then passes over all others at once.
_UNNUMBERED = re.compile(
    rf"(?:c/\.?|C/\.?|Calle|CALLE|Avda?\.?|Av\.|AVDA\.?|Avenida|AVENIDA|Paseo|PASEO|P[ºª]|Plaza|PLAZA|Pza\.?"
    rf"|Ctra\.?|CTRA\.?|Carretera|CARRETERA|Camino|Ronda|Rambla|Glorieta|Traves[ií]a|Urbanizaci[oó]n"
    rf"|Urb\.|Pol[ií]gono"
    rf"|Col\.|Avinguda|Carrer|Jir[oó]n|Jr\.)"
    rf"(?: ?,? ?(?:de|del|la|las|los|el|y|d['’])){{0,3}}[ ,]{{0,2}}{_CAPITAL}"
    rf"(?: (?:(?:de|del|la|las|los|el|y|i) ){{0,3}}{_CAPITAL}){{0,5}}"
)
_ENGLISH = re.compile(
    r"[0-9](?<![\w.,/][0-9])[0-9]{0,4}[a-z]? "
    r"(?:[a-z][a-z'.]{1,20}+ |[0-9]{1,3}(?:st|nd|rd|th) ){1,4}?"
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|way|court|ct|place|square|sq"
    r"|terrace|crescent"
    r"|close|parkway|pkwy|highway|hwy|gardens|mews|hill)(?!\w)\.?"
    r"(?:,? (?:flat|apt\.?|apartment|unit|suite|#) ?#?[0-9]{1,4}[a-z]?)?"
)
_STREETS = (
    "st", "av", "road", "rd", "lane", "ln", "dr", "blvd", "boulevard", "way", "court", "ct", "place", "sq",
    "terrace", "crescent", "close", "hwy", "highway", "pkwy", "gardens", "mews", "hill",
)  # fmt: skip
_BOX = re.compile(r"(?:apartado(?: de correos| postal)?|apdo\.?|p\.? ?o\.? ?box) ?[0-9]{1,6}")
_HOME = re.compile(r"(?:domicilio|direcci[oó]n|address)(?: es| is)? ?: {0,3}(?P<place>[^\n\t]{3,80})")
_NOT_A_HOUSE = re.compile(
    r" ?(?:min(?:uto)?s?|metros?|m|km|a[nñ]os|euros?|€|eur|horas?|h|d[ií]as?|personas|veces|semanas?"
    r"|meses|%)(?!\w)"
)
_CODE = re.compile(r"[0-9](?<![^\W_][0-9])[0-9]{3,6}(?![0-9])")
_FIVE = re.compile(r"(?:0[1-9]|[1-4][0-9]|5[0-2])[0-9]{3}(?![0-9])")
_CODE_WORD = re.compile(
    r"(?:(?<![^\W_])(?:c\.? ?p\.?|c[oó]digo postal|cod\.? postal|postal code|zip(?: code)?|postcode)"
    r"|localidad/ provincia)[ :.]{0,4}(?:es |is )?(?:cp ?-?|[ed][ -]?)?$"
)
_BEFORE_CODE = re.compile(r"(?:^|[\s(,;:.]|[^\d]-|–)(?:[ed][ -]?)?$")
_AFTER_CODE = re.compile(r"[ ,.()\-–]{1,3}(?:[A-ZÁÉÍÓÚÑ]\w|(?:e-?mail|correo|tel|tf|a )\b)")
_LETTERED = re.compile(
    r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]?[0-9](?:[A-Z0-9]? ?[0-9][ABD-HJLNP-UW-Z]{2}"
    r"|[0-9]{3}[A-Z]{3})(?![A-Za-z0-9])"
)
"""Postcodes of the United Kingdom (SW1A 1AA) and of Argentina (C1059ABG)."""


def streets(text: str, low: str) -> Iterator[Span]:
    """Streets, boxes and declared homes; `low` is the text in small letters."""
    yield from (_span(*m.span(), "ADDRESS") for m in _UNNUMBERED.finditer(text) if _begins(low, m.start()))
    for begin in (0, *(start.start() + 1 for start in _START.finditer(low))):
        match = _SPANISH.match(low, begin)
        # "en la calle a 3 minutos": what follows counts something else.
        if match and (match["floor"] or not _NOT_A_HOUSE.match(low, match.end("house"))):
            yield _span(*match.span(), "ADDRESS")
    if any(f" {street}" in low for street in _STREETS):
        yield from (_span(*m.span(), "ADDRESS") for m in _ENGLISH.finditer(low))
    if "box" in low or "apartado" in low or "apdo" in low:
        yield from (_span(*m.span(), "ADDRESS") for m in _BOX.finditer(low))
    if "domicilio" in low or "direcc" in low or "address" in low:
        for match in _HOME.finditer(low):
            start, end = match.span("place")
            place = text[start:end].split(". ")[0].split("@")[0].rstrip(" .,;")
            if any(map(str.isdigit, place)) and "mail" not in low[max(0, match.start() - 10) : end]:
                yield _span(start, start + len(place), "ADDRESS")


def postcodes(text: str, low: str) -> Iterator[Span]:
    """Postcodes beside their word, before a place, or of a form of their own."""
    for match in _CODE.finditer(low):
        before = low[max(0, match.start() - 34) : match.start()]
        spanish = _FIVE.fullmatch(match.group()) and _BEFORE_CODE.search(before)
        if _CODE_WORD.search(before) or (spanish and _AFTER_CODE.match(text, match.end())):
            yield _span(*match.span(), "POSTCODE")
    yield from (_span(*m.span(), "POSTCODE") for m in _LETTERED.finditer(text))


def _begins(low: str, start: int) -> bool:
    return start == 0 or not (low[start - 1].isalnum() or low[start - 1] in "/_")


def _span(start: int, end: int, kind: Kind) -> Span:
    return Span(start=start, end=end, kind=kind, detector="patterns")
