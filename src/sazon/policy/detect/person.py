"""When somebody was born and what they are: dates, ages, sex and kin, in Spanish and English.

All of it is read in small letters. Where the text speaks of a patient, words such as "varón" or
"su padre" and ages in words count too; elsewhere they are ordinary words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sazon.policy.detect.span import Kind, Span

_MONTH = (
    r"(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre"
    r"|january|february|march|april|may|june|july|august|september|october|november|december"
    r"|ene|feb|mar|abr|jun|jul|ago|sept?|oct|nov|dic|jan|apr|aug|dec)(?!\w)\.?"
)
_YEAR = r"(?:1[89]|20)[0-9]{2}"
_NUMERIC = re.compile(
    rf"[0-9](?<![\w/.,-][0-9])[0-9]?(?P<sep> ?[/.-] ?)[0-3]?[0-9] ?(?P=sep)/?(?:{_YEAR}|[0-9]{{2}})"
    rf"(?!\w|[/.,-][0-9])"
)
_ISO = re.compile(
    rf"{_YEAR}(?<![\w/.,-].{{4}})(?P<sep>[/.-])(?:0?[1-9]"
    rf"|1[0-2])(?P=sep)[0-3]?[0-9](?:t[0-9:.]{{4,15}}z?)?(?!\w|[/.,-][0-9])"
)
_WORDED = re.compile(
    rf"[0-9](?<![\w.,][0-9])[0-9]?(?:º|°|er|st|nd|rd|th)?[ -]{{1,2}}(?:de |of )?{_MONTH}"
    rf"(?:,?[ -]{{1,2}}(?:del? |of )?(?:año )?{_YEAR}(?!\w))?"
)
_MONTH_BEFORE = re.compile(rf"(?<!\w){_MONTH}(?:,? (?:del? |of )?(?:(?:este|dicho|mismo) )?(?:año )?|[ /-])$")
_NUMBER = re.compile(r"[0-9]{1,4}(?![0-9])")
_YEAR_AFTER = re.compile(rf"(?:st|nd|rd|th)?,? {_YEAR}(?!\w)")
_YEAR_WORDS = re.compile(
    r"(?<!\w)(?:(?P<named>años?)|en|desde|hasta|in|since|year|principios de|finales de|del)(?: el| los)? $"
)
_NOT_A_YEAR = re.compile(r"[\w%€$]|[.,][0-9]| ?(?:mg|ml|g|euros?|€|pesos|personas|kg|ui|c[eé]l)")
_BORN = re.compile(r"nac(?:id[oa]|imiento|[ií]|\.|io)|born|birth|\bdob\b|cumple")
_BIRTH_REACH = 32

_UNIT = r"(?:a[ñn]os?|meses|mes|d[ií]as?|semanas?)"
_AGE = re.compile(
    rf"[0-9](?<![\w.,/][0-9])[0-9]{{0,2}}"
    rf"(?: ?y ?[0-9]{{1,2}})?(?:[ -]{{0,2}}{_UNIT}|[ -]?(?:years?[ -]olds?|yrs?[ -]old|yo|y/o))"
    rf"(?: y (?:medio|[0-9]{{1,2}} {_UNIT}))?(?!\w)"
)
_WHO = (
    r"paciente|var[oó]n|mujer|hombre|niñ[oa]|hij[oa]|herman[oa]|padre|madre|lactante|beb[eé]|señora?|chic[oa]"
    r"|joven|adolescente|muchach[oa]|escolar|neonato|nacid[oa]|femenin[oa]|masculin[oa]|t[ií][oa]"
    r"|prim[oa]|abuel[oa]"
)
_AGE_BEFORE = re.compile(
    r"(?:\bedad(?: actual)?[ :]{0,3}(?:de )?|\b(?:tengo|tiene|cumpl[a-zíoó]{1,5}|aged?|i am|i'?m|is"
    r"|soy de) (?:ya )?"
    rf"|(?:\b(?:{_WHO})s?\b[^.;\n]{{0,40}}(?:,| de| con))[ ]?(?:unos )?)$"
)
_AGED = (" de edad", " old", "-old")
_NOT_AGE_AFTER = re.compile(
    r"[ ,]{1,2}(?:de (?:evoluci[oó]n|antig[uü]edad|experiencia|garant[ií]a|duraci[oó]n|seguimiento"
    r"|tratamiento|contrato"
    r"|permanencia|plazo|forma|ingreso|estancia|hospitalizaci[oó]n)|despu[eé]s|antes|atr[aá]s|m[aá]s tarde)"
)
_AGE_FIELD = re.compile(
    r"edad[ :]{1,3}(?P<age>[0-9]{1,3})(?: a(?=[ .]))?(?! {0,2}(?:a[ñn]o|mes|d[ií]as|sem|%)|[0-9])"
)
_SMALL = (
    r"(?:un|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince"
    r"|(?:dieci|veinti)[a-zéó]{3,7}|(?:veinte|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta"
    r"|noventa)(?: y [a-z]{2,6})?)"
)
_WORDED_AGE = re.compile(
    rf" (?P<age>(?:{_SMALL}|[0-9]{{1,2}}) (?:años y medio|{_UNIT})(?: y [a-z]{{2,6}} {_UNIT})?)(?!\w)"
    r"(?! de (?:evol|trat|seg|ingr|dur)| (?:despu|antes|m[aá]s))"
)
_WORDED_BEFORE = re.compile(
    rf"(?:(?:{_WHO})s?(?:,? de)?|\ba los|desde los|\blos|hacia las|edad:?(?: de)?|tiene|con) $"
)
_SEX_FIELD = re.compile(
    r"sexo?[ :]{1,3}(?P<sex>hombre|mujer|var[oó]n|masculino|femenino|male|female|[hmvf])(?!\w)"
)
_SEX_AGED = re.compile(
    r",? (?:de |con )?(?:raza |etnia )?(?:[a-zé]{3,15} )?(?:de )?[0-9]{1,3} ?(?:a[ñn]os|meses|d[ií]as)"
)
_CLINICAL = re.compile(r"paciente|antecedentes|diagn[oó]stic|anamnesis|ingres[oó] ")
_WORD = (
    r"(?:(?P<sex>mujer|var[oó]n|hombre|niñ[oa]|masculino|femenin[oa]|anciana|female|male)"
    r"|(?P<kin>(?:padres?|madres?|herman[oa]s?|hij[oa]s?|t[ií][oa]s?|(?:bis)?abuel[oa]s?|prim[oa]s?"
    r"|espos[oa]|marido"
    r"|sobrin[oa]s?|niet[oa]s?|progenitor(?:es|a)?|c[oó]nyuge|familiar(?:es)?|familia|pareja|gemel[oa]s?)"
    r"(?: (?:patern|matern)[oa]s?| mayor(?:es)?| menor(?:es)?| gemel[oa]s?| varones)?))(?!\w)"
)
_FIRST_WORD, _WORDS = re.compile(_WORD), re.compile(rf"[\s(,.:;/>_-]{_WORD}")
_KIN_COUNT = re.compile(r"(?:dos|tres|cuatro|cinco|seis|siete|[2-9]) $")
_NOT_KIN = re.compile(r"(?:medic[oa] de |médic[oa] de |historia )$")


def dates(low: str) -> Iterator[Span]:
    """Dates, called birth dates where a word says so."""
    for match in _NUMERIC.finditer(low):
        first, second = (int(n) for n in re.split(r"\D+", match.group())[:2])
        if 1 <= min(first, second) <= 12 and 1 <= max(first, second) <= 31:
            yield _dated(low, *match.span())
    for pattern in (_ISO, _WORDED):
        yield from (_dated(low, *m.span()) for m in pattern.finditer(low))
    for match in _NUMBER.finditer(low):
        start, end = match.span()
        if start and low[start - 1] in "0123456789.,":
            continue
        before = low[max(0, start - 30) : start]
        month = _MONTH_BEFORE.search(before) if before[-1:] in (" ", "/", "-") else None
        year = len(match.group()) == 4 and match.group()[:2] in ("18", "19", "20")
        if month and (year or len(match.group()) < 3):
            after = None if year else _YEAR_AFTER.match(low, end)
            yield _dated(low, start - len(before) + month.start(), after.end() if after else end)
        elif year and not _NOT_A_YEAR.match(low, end):
            word = _YEAR_WORDS.search(before)
            if word:
                named = word["named"] == "año"
                yield _dated(low, start - len(before) + word.start() if named else start, end)


def people(low: str) -> Iterator[Span]:
    """Age and sex of a person; kin and words of a patient where the text speaks of one."""
    for match in _AGE.finditer(low):
        start, end = match.span()
        aged = low.startswith(_AGED, end) or "old" in match.group() or match.group()[-2:] in ("yo", "/o")
        if aged or (
            not _NOT_AGE_AFTER.match(low, end) and _AGE_BEFORE.search(low, max(0, start - 60), start)
        ):
            yield _span(start, end, "AGE")
    if "edad" in low:
        yield from (_span(*m.span("age"), "AGE") for m in _AGE_FIELD.finditer(low))
    if "sex" in low:
        yield from (_span(*m.span("sex"), "SEX") for m in _SEX_FIELD.finditer(low) if _begins(low, m.start()))
    patient = _CLINICAL.search(low) is not None
    first = _FIRST_WORD.match(low)
    for match in [*([first] if first else []), *_WORDS.finditer(low)]:
        if match["sex"] and (patient or _SEX_AGED.match(low, match.end())):
            yield _span(*match.span("sex"), "SEX")
        elif match["kin"] and patient:
            yield from _kin(low, *match.span("kin"))
    if patient:
        for match in _WORDED_AGE.finditer(low):
            start = match.start("age")
            if _WORDED_BEFORE.search(low, max(0, start - 24), start):
                yield _span(*match.span("age"), "AGE")


def _kin(low: str, start: int, end: int) -> Iterator[Span]:
    before = low[max(0, start - 12) : start]
    if not _NOT_KIN.search(before):
        counted = _KIN_COUNT.search(before)
        yield _span(start - len(before) + counted.start() if counted else start, end, "FAMILY")


def _begins(low: str, start: int) -> bool:
    return start == 0 or not low[start - 1].isalnum()


def _dated(low: str, start: int, end: int) -> Span:
    born = _BORN.search(low, max(0, start - _BIRTH_REACH), start)
    # A line break ends what the word speaks of, unless the date is the next thing.
    near = born is not None and "\n" not in low[born.end() : start].strip()
    return _span(start, end, "BIRTH_DATE" if near else "DATE")


def _span(start: int, end: int, kind: Kind) -> Span:
    return Span(start=start, end=end, kind=kind, detector="patterns")
