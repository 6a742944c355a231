"""Texts with their spans, as pieces; MEDDOCAN; and the changes that make more texts of one."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from tools.train_names.values import Random, address, full, listed, name_of, postcode

Piece = tuple[str, str]
"""Characters and their kind, "" outside of spans."""
Text = list[Piece]

KIND_OF = {
    "NOMBRE_SUJETO_ASISTENCIA": "PERSON", "NOMBRE_PERSONAL_SANITARIO": "PERSON", "TERRITORIO": "PLACE",
    "PAIS": "PLACE", "CALLE": "ADDRESS", "HOSPITAL": "ORGANISATION", "CENTRO_SALUD": "ORGANISATION",
    "INSTITUCION": "ORGANISATION", "PROFESION": "PROFESSION", "FAMILIARES_SUJETO_ASISTENCIA": "FAMILY",
    "SEXO_SUJETO_ASISTENCIA": "SEX", "EDAD_SUJETO_ASISTENCIA": "AGE", "FECHAS": "DATE",
}  # fmt: skip
"""Labels of MEDDOCAN that are learned."""
_BIRTH = re.compile(r"(?i)(?:nacimiento|nacid[oa]|born|birth)\W[^\n]{0,20}$")
_FIELD = re.compile(r"(?m)^[^\n:]{2,40}: *")


def kind_of(label: str, before: str, value: str) -> str:
    """The kind that a span of MEDDOCAN has here, "" if it is not looked for."""
    kind = KIND_OF.get(label, "")
    if kind == "PLACE" and value.replace(" ", "").isdecimal():
        return "POSTCODE"
    return "BIRTH_DATE" if kind == "DATE" and _BIRTH.search(before[-45:]) else kind


def meddocan(path: Path) -> list[Text]:
    """The documents of a MEDDOCAN file (`{"id", "text", "spans"}` a line)."""
    documents = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        text, at, pieces = row["text"], 0, []
        for span in sorted(row["spans"], key=lambda s: s["start"]):
            start, end = span["start"], span["end"]
            kind = kind_of(span["label"], text[:start], text[start:end])
            if kind and start >= at:
                pieces += [(text[at:start], ""), (text[start:end], kind)]
                at = end
        documents.append([piece for piece in [*pieces, (text[at:], "")] if piece[0]])
    return documents


def lines(text: Text) -> list[Text]:
    """The lines of a text, without their ends."""
    found: list[Text] = [[]]
    for characters, kind in text:
        first, *others = characters.split("\n") if not kind else [characters]
        found[-1].append((first, kind))
        found += [[(part, kind)] for part in others]
    return [[piece for piece in line if piece[0]] for line in found if any(c.strip() for c, _ in line)]


def joined(parts: Iterable[Text], between: str) -> Text:
    """Several texts as one."""
    found: Text = []
    for part in parts:
        found += [(between, ""), *part] if found else part
    return found


# ------------------------------------------------------------------ changes


def swapped(text: Text, random: Random) -> Text:
    """Other persons, places and addresses in the same text."""

    def other(characters: str, kind: str) -> str:
        words = characters.split()
        if kind == "PERSON" and len(words) == 1:
            return name_of(random, "given" if characters in listed("given") else "surnames")
        if kind == "PERSON":
            return full(random)
        if kind == "PLACE":
            return name_of(random, "places")
        if kind == "POSTCODE":
            return postcode(random)
        if kind == "ADDRESS" and random.random() < 0.5:
            return address(random)
        return characters

    return [(other(characters, kind), kind) for characters, kind in text]


def cut(document: Text, random: Random) -> Text:
    """Some lines of a document, many without the name of their field, at times run together."""
    every = lines(document)
    start = int(random.integers(len(every)))
    kept = every[start : start + int(random.integers(1, 12))]
    if random.random() < 0.3:
        kept = [every[int(i)] for i in random.permutation(len(every))[: len(kept)]]
    if random.random() < 0.6:
        kept = [
            [(_FIELD.sub("", c) if not i and not k else c, k) for i, (c, k) in enumerate(line)]
            for line in kept
        ]
    return joined(kept, "\n" if random.random() < 0.7 else " ")


def unaccented(characters: str) -> str:
    """Without accents; ñ is kept."""
    kept = characters.replace("ñ", "\0").replace("Ñ", "\1")
    plain = "".join(c for c in unicodedata.normalize("NFD", kept) if not unicodedata.combining(c))
    return plain.replace("\0", "ñ").replace("\1", "Ñ")


def mistyped(characters: str, random: Random, share: float) -> str:
    """With letters swapped, doubled, left out or replaced in some share of the longer words."""

    def wrong(match: re.Match[str]) -> str:
        word = match.group()
        if random.random() > share:
            return word
        at, how = int(random.integers(1, len(word) - 1)), int(random.integers(4))
        if how == 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if how == 1:
            return word[:at] + word[at] + word[at:]
        letter = chr(97 + int(random.integers(26))) if how == 2 else ""
        return word[:at] + letter + word[at + 1 :]

    return re.sub(r"[^\W\d_]{4,}", wrong, characters)


def styled(text: Text, random: Random, *, plain: float = 0.5) -> Text:
    """As people type: lower case, no accents, capitals, typing errors; with probability `plain` as it is."""
    if random.random() < plain:
        return text
    chance, errors = random.random(), random.random() < 0.3
    bare = random.random() < 0.6

    def change(characters: str) -> str:
        if bare:
            characters = unaccented(characters)
        if errors:
            characters = mistyped(characters, random, 0.12)
        return characters.lower() if chance < 0.65 else characters.upper() if chance < 0.8 else characters

    return [(change(characters), kind) for characters, kind in text]
