"""Write the report's files, each aside first and then renamed into place."""

from __future__ import annotations

import os
from pathlib import Path

from sazon.core.words import LANGUAGES, Language
from sazon.report import html, machine, markdown
from sazon.report.compose import compose
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice


def write(evidence: Evidence, directory: Path, *, language: Language) -> None:
    """Write `report.html`, `report.md`, `report.json`, and the other language beside them.

    `report.html` and `report.md` are in `language`; the same report in the other language is
    `report.es.html` or `report.en.html`, and each page links to its twin.

    Args:
        evidence: all that may be said.
        directory: made if missing.
        language: of `report.html` and `report.md`.

    Raises:
        OSError: a file cannot be written; none is left half-written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    other: Language = next(one for one in LANGUAGES if one != language)
    pages = {language: "report.html", other: f"report.{other}.html"}
    for one, twin in ((language, other), (other, language)):
        voice = Voice(language=one, currency=evidence.currency)
        document = compose(evidence, voice, other=twin, other_file=pages[twin])
        _put(directory / pages[one], html.render(document, voice))
        if one == language:
            _put(directory / "report.md", markdown.render(document, voice))
    _put(directory / "report.json", machine.render(evidence))


def _put(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
