"""Chat messages with marked spans, made from templates: invented, marked synthetic, drawn afresh each time.

A template is a line of `templates/*.txt` with slots. `{given}`, `{surname}`, `{full}` become persons,
`{place}` a place, and so on (`MARKED`); slots such as `{phone}` or `{thing}` are filled and stay unmarked
(`FILLED`). A message is a greeting, some sentences and a signature, each at times left out. Some messages are
those of the demo.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

from tools.train_names import examples, values
from tools.train_names.examples import Text
from tools.train_names.values import Random, one

TEMPLATES = Path(__file__).parent / "templates"
_SLOT = re.compile(r"\{(\w+)\}")
_MONTHS = {
    "es": "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre".split(
        "|"
    ),
    "en": "January|February|March|April|May|June|July|August|September|October|November|December".split("|"),
}
_DAYS = {
    "es": "lunes|martes|miércoles|jueves|viernes|sábado|domingo".split("|"),
    "en": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday".split("|"),
}
_PHONES = {
    "es": ("600 000 000", "600000000", "91 000 00 00", "+34 600 00 00 00"),
    "en": ("07000 000000", "+44 7000 000000", "(555) 000-0000", "555-0000"),
}
_MONEY = {"es": (" euros", "€", " €", ",50 €"), "en": (" euros", " pounds", " dollars")}
_HOURS = {
    "es": ("las 10", "las 9:30", "las 17:00", "la una", "las 5 y media"),
    "en": ("10", "9:30", "5 pm", "noon", "3 o'clock"),
}


@cache
def templates(name: str) -> list[str]:
    """Lines of a template file, without comments."""
    lines = (TEMPLATES / f"{name}.txt").read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _digits(random: Random, form: str) -> str:
    return "".join(str(int(random.integers(10))) if c == "0" else c for c in form)


def _date(random: Random, language: str) -> str:
    day, year = int(random.integers(1, 32)), int(random.integers(1930, 2027))
    month = one(random, _MONTHS[language])
    if language == "es":
        words = [
            f"{day} de {month}",
            f"{day} de {month} de {year}",
            f"{month} de {year}",
            f"{day} {month} {year}",
        ]
    else:
        words = [f"{month} {day}", f"{day} {month}", f"{month} {day}, {year}", f"{day} {month} {year}"]
    number = day % 12 + 1
    return one(random, [*words, f"{day}/{number}/{year}", f"{day:02d}-{number:02d}-{year}"])


def _age(random: Random, language: str) -> str:
    years = int(random.integers(1, 99))
    return one(random, [f"{years} años"] if language == "es" else [f"{years} years old", f"{years}-year-old"])


def _word(random: Random, language: str) -> str:
    """A common word, at times with an ending, right or wrong."""
    endings = {"en": ("s", "ed", "ing", "er", "ly"), "es": ("s", "es", "ndo", "mente", "do", "ba", "ito")}
    word = one(random, values.listed(f"ordinary_{language}"))
    if len(word) < 3 or random.random() < 0.6:
        return word
    return (word[:-1] if word[-1] in "ear" and random.random() < 0.7 else word) + one(
        random, endings[language]
    )


def _sentence_of_words(random: Random, language: str) -> str:
    """Common words in no order, so that none of them is taken for a name; at times Capitalised or SHOUTED."""
    chosen = [_word(random, language) for _ in range(int(random.integers(3, 14)))]
    chance = random.random()
    if chance < 0.12:
        return " ".join(word.capitalize() for word in chosen)
    if chance < 0.25:
        chosen = [word.capitalize() if random.random() < 0.3 else word for word in chosen]
    if chance > 0.9:
        return " ".join(chosen).upper()
    text = " ".join(chosen)
    return text[:1].upper() + text[1:] if random.random() < 0.6 else text


MARKED: dict[str, tuple[str, Callable[[Random, str], str]]] = {
    "given": ("PERSON", lambda r, _: values.given(r)),
    "surname": ("PERSON", lambda r, _: values.surname(r)),
    "surnames": ("PERSON", lambda r, _: f"{values.surname(r)} {values.surname(r)}"),
    "pair": ("PERSON", lambda r, _: f"{values.given(r)} {values.surname(r)}"),
    "full": ("PERSON", lambda r, _: values.full(r)),
    "person": ("PERSON", lambda r, _: values.full(r) if r.random() < 0.5 else values.given(r)),
    "place": ("PLACE", lambda r, _: values.name_of(r, "places")),
    "address": ("ADDRESS", values.address),
    "postcode": ("POSTCODE", lambda r, _: values.postcode(r)),
    "org": ("ORGANISATION", lambda r, language: _organisation(r, language)),
    "job": ("PROFESSION", lambda r, language: one(r, templates(f"jobs_{language}"))),
    "age": ("AGE", _age),
    "date": ("DATE", _date),
    "birth": ("BIRTH_DATE", _date),
}
"""Slots that become spans: kind and how a value is made."""
FILLED: dict[str, Callable[[Random, str], str]] = {
    "phone": lambda r, language: _digits(r, one(r, _PHONES[language])),
    "nif": lambda r, _: _digits(r, "00000000") + one(r, "TRWAGMYFPDXBNJZSQVHLCKE"),
    "mail": lambda r, _: (
        f"{values.name_of(r, 'given').lower().replace(' ', '')}{_digits(r, '00')}@example.com"
    ),
    "num": lambda r, _: str(int(r.integers(1, 3000))),
    "code": lambda r, _: _digits(r, one(r, ["A00000", "000000", "REF-0000", "00/00000", "X-000"])),
    "money": lambda r, language: f"{int(r.integers(1, 900))}{one(r, _MONEY[language])}",
    "hour": lambda r, language: one(r, _HOURS[language]),
    "day": lambda r, language: one(r, _DAYS[language]),
    "month": lambda r, language: one(r, _MONTHS[language]),
    "words": _sentence_of_words,
    "brand": lambda r, _: one(r, templates("brands")),
    "thing": _word,
    "eponym": lambda r, _: values.name_of(r, "surnames"),
}
"""Slots that are filled and stay outside of spans."""


def _organisation(random: Random, language: str) -> str:
    form = one(random, templates(f"orgs_{language}"))
    return "".join(characters for characters, _ in filled(form, random, language))


def filled(template: str, random: Random, language: str) -> Text:
    """A template with its slots filled."""
    text: Text = []
    for i, part in enumerate(_SLOT.split(template.replace("{given} {surname}", "{pair}"))):
        if i % 2 == 0:
            text.append((part, ""))
        elif part in MARKED:
            kind, make = MARKED[part]
            text.append((make(random, language), kind))
        else:
            text.append((FILLED[part](random, language), ""))
    return [piece for piece in text if piece[0]]


@cache
def front_desk() -> list[Text]:
    """The invented messages of the demo, marked by `templates/front_desk.txt`."""
    kinds: dict[str, str] = {}
    for line in templates("front_desk"):
        kind, _, names = line.partition(": ")
        for name in names.split(", "):
            kinds[name] = kind
            if kind == "PERSON":
                parts = (part for part in name.split() if part[0].isupper())
                kinds |= {part: kind for part in parts if part not in ("El", "Company")}
    inner = "|".join(re.escape(name) for name in sorted(kinds, key=len, reverse=True))
    pattern = re.compile(rf"\b({inner}|\d{{1,3}} (?:años|years? old))\b")
    with resources.files("sazon.data.demo").joinpath("front_desk.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    return [
        [(part, kinds.get(part, "AGE") if i % 2 else "") for i, part in enumerate(pattern.split(t)) if part]
        for t in texts
    ]


def message(random: Random) -> Text:
    """One message, in Spanish or English, as somebody would type it."""
    language = "es" if random.random() < 0.6 else "en"

    def sentence(name: str) -> Text:
        return filled(one(random, templates(f"{name}_{language}")), random, language)

    kind = random.random()
    if random.random() < 0.12:
        text = examples.joined([one(random, front_desk()) for _ in range(int(random.integers(1, 3)))], "\n")
        text = examples.swapped(text, random) if random.random() < 0.5 else text
        return examples.styled(text, random, plain=0.6)
    if kind < 0.15:
        return examples.styled([(_sentence_of_words(random, language), "")], random, plain=0.8)
    parts: list[Text] = []
    if random.random() < 0.35:
        parts.append(sentence("greetings"))
    for _ in range(int(random.integers(1, 4))):
        parts.append(sentence("without" if kind < 0.5 or random.random() < 0.35 else "with"))
    if kind > 0.5 and random.random() < 0.35:
        parts.append(sentence("signatures"))
    text = examples.joined(parts, one(random, [" ", " ", ". ", "\n", "\n\n", ", "]))
    return examples.styled(text, random, plain=0.45)
