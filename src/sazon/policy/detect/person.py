"""When somebody was born and what they are: dates, ages, sex and kin, in Spanish and English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sazon.policy.detect.span import Kind, Span

_MONTH = (
    r"(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre"
    r"|january|february|march|april|may|june|july|august|september|october|november|december"
    r"|ene|feb|mar|abr|jun|jul|ago|sept?|oct|nov|dic|jan|apr|aug|dec)"
)
_YEAR = r"(?:1[89]|20)[0-9]{2}"
_NUMERIC = re.compile(
    rf"(?<![\w/.,-])(?:(?P<first>[0-3]?[0-9])(?P<sep> ?[/.-] ?)(?P<second>[0-3]?[0-9])(?P=sep)"
    rf"(?:{_YEAR}|[0-9]{{2}})"
    rf"|{_YEAR}(?P<iso>[/.-])(?:0?[1-9]|1[0-2])(?P=iso)[0-3]?[0-9](?:T[0-9:.]{{4,15}}Z?)?)(?![\w]"
    rf"|[/.,-][0-9])"
)
_WORDED = re.compile(
    rf"(?<![\w.,])[0-3]?[0-9](?:º|°|er|st|nd|rd|th)?[ -]{{1,2}}(?:de |of )?{_MONTH}(?!\w)\.?"
    rf"(?:,?[ -]{{1,2}}(?:del? |of )?(?:año )?{_YEAR}(?!\w))?",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"(?<!\w){_MONTH}(?!\w)\.?(?:,? (?:del? |of )?(?:(?:este|dicho|mismo) )?(?:año )?{_YEAR}(?!\w)"
    rf"|[ /-]{_YEAR}(?!\w)| [0-3]?[0-9](?:st|nd|rd|th)?(?!\w|[.,:][0-9])(?:,? {_YEAR}(?!\w))?)",
    re.IGNORECASE,
)
_YEAR_ALONE = re.compile(
    rf"(?<!\w)(?:año|en|desde|hasta|in|since|year|a principios de|a finales de|del)(?: el"
    rf"| los)? (?P<year>{_YEAR})"
    rf"(?![\w%€$]|[.,][0-9]| ?(?:mg|ml|g|euros?|€|pesos|personas|kg|ui|c[eé]l))",
    re.IGNORECASE,
)
_BORN = re.compile(r"nac(?:id[oa]|imiento|[ií]|\.|io)|born|birth|\bdob\b|cumple", re.IGNORECASE)
_BIRTH_REACH = 32
_UNIT = r"(?:a[ñn]os?|meses|mes|d[ií]as?|semanas?)"
_SMALL = (
    r"(?:un|una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince"
    r"|(?:dieci|veinti)[a-zéó]{3,7}|veinte|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa)"
)
_AGE = re.compile(
    rf"(?<![\w.,/])(?P<age>[0-9]{{1,3}}(?: ?y ?[0-9]{{1,2}})?[ -]?(?:{_UNIT}|years?[ -]olds?"
    rf"|yrs?[ -]old|yo|y/o)"
    rf"(?: y (?:medio|[0-9]{{1,2}} {_UNIT}))?)(?!\w)",
    re.IGNORECASE,
)
_WHO = (
    r"paciente|var[oó]n|mujer|hombre|niñ[oa]|hij[oa]|herman[oa]|padre|madre|lactante|beb[eé]|señora?|chic[oa]"
    r"|joven|adolescente|muchach[oa]|escolar|neonato|nacid[oa]|femenin[oa]|masculin[oa]|t[ií][oa]"
    r"|prim[oa]|abuel[oa]"
)
_AGE_BEFORE = re.compile(
    r"(?:\bedad(?: actual)?[ :]{0,3}(?:de )?|\b(?:tengo|tiene|tenemos|cumpl[a-zíoó]{1,5}|aged?|i am"
    r"|i'?m|is|soy de) (?:ya )?"
    rf"|(?:\b(?:{_WHO})s?\b[^.;\n]{{0,40}}(?:,| de| con))[ ]?(?:unos )?|\ba los )$",
    re.IGNORECASE,
)
_AGE_AFTER = re.compile(r"(?: de edad|[ -]old)", re.IGNORECASE)
_NOT_AGE_AFTER = re.compile(
    r"[ ,]{1,2}(?:de (?:evoluci[oó]n|antig[uü]edad|experiencia|garant[ií]a|duraci[oó]n|seguimiento"
    r"|tratamiento|contrato"
    r"|permanencia|plazo|forma|ingreso|vida|estancia|hospitalizaci[oó]n)|despu[eé]s|antes|atr[aá]s"
    r"|m[aá]s tarde)",
    re.IGNORECASE,
)
_AGE_FIELD = re.compile(r"\bedad[ :]{1,3}(?P<age>[0-9]{1,3})(?! ?[\w%])", re.IGNORECASE)
_SEX = re.compile(
    r"\bsexo[ :]{0,3}(?P<field>hombre|mujer|var[oó]n|masculino|femenino|[hmvf])\b"
    r"|\b(?P<word>mujer|var[oó]n|hombre|niñ[oa]|masculino|femenin[oa]|chic[oa])(?=,? (?:de "
    r"|con )?(?:raza |etnia |nacionalidad )?"
    r"(?:[a-zé]{3,15} )?(?:de )?[0-9]{1,3} ?(?:a[ñn]os|meses|d[ií]as|semanas|horas))"
    r"|\b(?:paciente|lactante|neonato|gestante)(?: de)?(?: sexo)? (?P<after>mujer|var[oó]n|hombre"
    r"|masculino|femenin[oa])\b"
    r"|\bsex[ :]{1,3}(?P<english>male|female|[mf])\b",
    re.IGNORECASE,
)
_KIN = re.compile(
    r"\b(?:(?:su|mi|la|el|los|sus|mis|las|del|una?|dos|tres|my|his|her) )?"
    r"(?P<kin>padres?|madres?|herman[oa]s?|hij[oa]s?|ti[oa]s?|t[ií][oa]s?|abuel[oa]s?|prim[oa]s"
    r"|espos[oa]|marido|sobrin[oa]s?"
    r"|niet[oa]s?|progenitor(?:es|a)?|c[oó]nyuge|familiares)"
    r"(?: (?:patern|matern)[oa]s?| mayor(?:es)?| menor(?:es)?| gemel[oa]s?)?\b",
    re.IGNORECASE,
)


def dates(text: str) -> Iterator[Span]:
    """Dates, called birth dates where a word says so."""
    for match in _NUMERIC.finditer(text):
        if match["iso"] or _is_date(int(match["first"]), int(match["second"])):
            yield _dated(text, *match.span())
    for pattern in (_WORDED, _MONTH_FIRST):
        for match in pattern.finditer(text):
            yield _dated(text, *match.span())
    for match in _YEAR_ALONE.finditer(text):
        yield _dated(text, *match.span("year"))


def people(text: str) -> Iterator[Span]:
    """Age and sex of a person."""
    for match in _AGE.finditer(text):
        start, end = match.span("age")
        if _NOT_AGE_AFTER.match(text, end):
            continue
        if (
            _AGE_AFTER.match(text, end)
            or "old" in match["age"].lower()
            or _AGE_BEFORE.search(text, max(0, start - 60), start)
        ):
            yield _span(start, end, "AGE")
    for match in _AGE_FIELD.finditer(text):
        yield _span(*match.span("age"), "AGE")
    for match in _SEX.finditer(text):
        yield _span(*match.span(match.lastgroup or 0), "SEX")


def _is_date(first: int, second: int) -> bool:
    return 1 <= min(first, second) <= 12 and 1 <= max(first, second) <= 31


def _dated(text: str, start: int, end: int) -> Span:
    born = _BORN.search(text, max(0, start - _BIRTH_REACH), start)
    # A line break ends what the word speaks of, unless the date is the next thing.
    near = born is not None and "\n" not in text[born.end() : start].strip()
    return _span(start, end, "BIRTH_DATE" if near else "DATE")


def _span(start: int, end: int, kind: Kind) -> Span:
    return Span(start=start, end=end, kind=kind, detector="patterns")
