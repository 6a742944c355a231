"""A Spanish report is Spanish throughout, an English one English: nothing is left in the other language."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest

import sazon
from sazon import decide
from sazon.core.types import Estimate, Finding, Phrase, Reason
from sazon.core.words import LANGUAGES, Value, catalogue
from sazon.report import write
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice
from sazon.testing.evidence import sample_evidence

SOURCE = Path(sazon.__file__).parent
PACKAGES = sorted(f"sazon.{p.parent.name}" for p in SOURCE.glob("*/words"))
TOLD = {
    "sazon.data": ("saw", "mend", "how"),
    "sazon.adapt": ("note",),
    "sazon.federate": ("note",),
    "sazon.evaluate": ("notes", "certificate"),
    "sazon.pipeline": ("check",),
}
"""Package → parts of its catalogue that travel to the report as phrases."""
LONG = 25
KEYS = {"part": "part.test", "one": "part.train", "other": "part.test", "manner": "manner.groups_by_class"}
NUMBERS = {"share": 0.5, "accuracy": 0.5, "rate": 0.5, "level": 0.85, "ratio": 2.5}
TEXTS = {"names", "base", "bases", "language", "languages", "counts", "group", "order"} | {
    "reference", "candidate", "cloud", "local", "name", "choice", "runner_up", "driver", "gate",
}  # fmt: skip


def value_of(name: str, *, package: str) -> tuple[str, Value]:
    """A value for a placeholder, under the name that its room would give it."""
    if package == "sazon.data" and name in KEYS:
        return f"{name}_key", KEYS[name]
    if name in TEXTS or (name == "other" and package == "sazon.decide"):
        return name, f"‹{name}›"
    return name, NUMBERS.get(name.rpartition("_")[2], 1234)


def values_of(package: str, key: str) -> dict[str, Value]:
    names = [n for _, n, _, _ in Formatter().parse(catalogue(package, "en")[key]) if n]
    values = dict(value_of(n, package=package) for n in names)
    return values | ({"group": "‹group›"} if "manner_key" in values else {})


def phrases(package: str, part: str) -> tuple[Phrase, ...]:
    keys = [key for key in catalogue(package, "en") if key.partition(".")[0] == part]
    assert keys
    return tuple(Phrase(package=package, key=key, values=values_of(package, key)) for key in keys)


def reasons() -> list[Reason]:
    keys = [k for k in catalogue("sazon.decide", "en") if k.partition(".")[0] in ("reason", "flip")]
    return [Reason(key=k, values={**values_of("sazon.decide", k), "currency": "EUR"}) for k in keys]


def why_undefined() -> list[str]:
    """Every fixed reason for which the source code leaves an estimate undefined."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Estimate.none"):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return sorted(found)


@pytest.fixture(scope="module")
def everything() -> Evidence:
    """The sample evidence with every finding, note, certificate, reason and flip there is."""
    full = sample_evidence()
    saw, mends = phrases("sazon.data", "saw"), phrases("sazon.data", "mend")
    findings = [
        Finding(level="warning", says=says, mends=mends[i % len(mends)]) for i, says in enumerate(saw)
    ]
    findings += [Finding(level="note", says=p) for p in phrases("sazon.pipeline", "check")]
    notes = (*phrases("sazon.adapt", "note"), *phrases("sazon.federate", "note"))
    certificates = phrases("sazon.evaluate", "certificate")
    candidates = list(full.candidates)
    candidates[3] = replace(candidates[3], notes=notes)
    hybrid = candidates[-1]
    assert hybrid.certificate is not None
    candidates[-1] = replace(hybrid, notes=phrases("sazon.evaluate", "notes"))
    for i, says in enumerate(certificates):
        bound = replace(hybrid.certificate, says=says)
        candidates.append(replace(hybrid, name=f"hybrid{i}", certificate=bound))
    said = reasons()
    undefined = {f"‹{i}›": Estimate.none(why) for i, why in enumerate(why_undefined())}
    recall = dict(full.evaluation.recall) | {full.decision.choice or "": undefined}
    return replace(
        full,
        data=replace(full.data, how_split=phrases("sazon.data", "how")),
        findings=tuple(findings),
        candidates=tuple(candidates),
        evaluation=replace(full.evaluation, notes=phrases("sazon.evaluate", "notes"), recall=recall),
        reasons={k: tuple(decide.phrase(r, k) for r in said) for k in LANGUAGES},
    )


class Shown(HTMLParser):
    """What people read and hear: text outside code and style, and labels of pictures."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.silent = 0
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.silent += tag in ("style", "code")
        self.parts += [v for k, v in attrs if k in ("aria-label", "title") and v]

    def handle_endtag(self, tag):
        self.silent -= tag in ("style", "code")

    def handle_data(self, data):
        if not self.silent:
            self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())


def fragments(package: str, language: str) -> dict[str, str]:
    """Every long text between placeholders of a catalogue, with its key."""
    found = {}
    for key, template in catalogue(package, language).items():
        for text, _, _, _ in Formatter().parse(template):
            piece = " ".join(text.split())
            if len(piece) > LONG:
                found[piece] = f"{package}:{key}"
    return found


@pytest.mark.parametrize(("language", "other"), [("es", "en"), ("en", "es")])
def test_nothing_stands_in_the_other_language(everything, language, other, tmp_path):
    write(everything, tmp_path, language=language)
    shown = Shown((tmp_path / "report.html").read_text("utf-8")).text
    markdown = " ".join((tmp_path / "report.md").read_text("utf-8").replace("\\", "").split())
    strange = {}
    for package in PACKAGES:
        own = fragments(package, language)
        foreign = {t: k for t, k in fragments(package, other).items() if t not in own}
        strange |= {t: k for t, k in foreign.items() if t in shown or t in markdown}
    assert strange == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_that_travels_is_shown(everything, language, tmp_path):
    """The test above would also pass if nothing were said at all."""
    write(everything, tmp_path, language=language)
    shown = Shown((tmp_path / "report.html").read_text("utf-8")).text
    for package, parts in TOLD.items():
        for part in parts:
            for phrase in phrases(package, part):
                assert " ".join(phrase.words(language).split()) in shown, (package, phrase.key)


@pytest.mark.parametrize("why", why_undefined())
def test_every_reason_for_an_undefined_number_is_told_in_spanish(why):
    spanish, english = (Voice(language=k, currency="EUR").told(why) for k in ("es", "en"))
    assert english == why
    assert spanish != why


def test_json_keeps_key_values_and_both_languages(everything, tmp_path):
    write(everything, tmp_path, language="es")
    told = json.loads((tmp_path / "report.json").read_text("utf-8"))
    first = everything.findings[0].says
    assert told["findings"][0]["says"] == {
        "package": "sazon.data",
        "key": first.key,
        "values": dict(first.values),
        "es": first.words("es"),
        "en": first.words("en"),
    }


def test_every_phrase_in_the_code_has_words():
    """A key that is written in the code and missing in the catalogue would fail only when it is told."""
    calls = {"_saw": ("data", "saw."), "_mend": ("data", "mend."), "_how": ("data", "how.")} | {
        "note": ("adapt", "note."), "_note": ("federate", "note."), "told": ("evaluate", ""),
    }  # fmt: skip
    asked = set()
    for path in SOURCE.rglob("*.py"):
        for name, key in re.findall(r"\b(_?\w+)\(\s*\"([a-z_.]+)\"", path.read_text("utf-8")):
            room, start = calls.get(name, ("", ""))
            if path.parent.name == room:
                asked.add((f"sazon.{room}", start + key))
    asked -= {("sazon.data", "how.cut_")}  # the names of the splits follow
    assert len(asked) > 35
    assert {(p, k) for p, k in asked if k not in catalogue(p, "en")} == set()
