"""A paper as Markdown, for people to read, complete and sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sazon.core.words import Language, Phrase, Value, number
from sazon.policy.audit.entry import visible
from sazon.policy.papers.measures import WORDS
from sazon.policy.papers.paper import Block, Cell, Gap, Paper, Statement, Table

_MARKUP = re.compile(r"([\\`*\[\]<>|~])")


def markdown(paper: Paper, language: Language) -> str:
    """The whole paper as a text of its own."""
    made = datetime.fromtimestamp(paper.facts.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"# {_word(f'title.{paper.kind}', language)}",
        "",
        f"> {_word('draft', language, date=made)}",
        "",
        _word(f"law.{paper.kind}", language),
    ]
    for order, section in enumerate(paper.sections, 1):
        lines += ["", f"## {order}. {_word(f'section.{section.key}', language)}"]
        for block in section.blocks:
            lines += ["", *_block(block, language)]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text from outside, so that no character of it is markup or ends a line."""
    return _MARKUP.sub(r"\\\1", visible(text))


def _block(block: Block, language: Language) -> list[str]:
    if isinstance(block, Statement):
        return [_said(block.says, language)]
    if isinstance(block, Gap):
        return [f"**[{_word('to_fill', language, what=_said(block.asks, language))}]**"]
    return _table(block, language)


def _table(table: Table, language: Language) -> list[str]:
    """A table, or that there is none of its kind."""
    heads = [_word(f"column.{key}", language) for key in table.columns]
    if not table.rows:
        return [_word("nothing", language, columns=", ".join(heads).lower())]
    rows = [heads, ["---"] * len(heads), *([_cell(cell, language) for cell in row] for row in table.rows)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _cell(cell: Cell, language: Language) -> str:
    if isinstance(cell, str):
        return plain(cell)
    if isinstance(cell, int):
        return number(cell, language)
    if isinstance(cell, Phrase):
        return _said(cell, language)
    return "; ".join(_said(one, language) for one in cell)


def _said(phrase: Phrase, language: Language) -> str:
    """A phrase whose values come from outside, their markup taken away."""
    values: Mapping[str, Value] = {
        name: plain(value) if isinstance(value, str) and not name.endswith("_key") else value
        for name, value in phrase.values.items()
    }
    return Phrase(package=phrase.package, key=phrase.key, values=values).words(language)


def _word(key: str, language: Language, **values: str) -> str:
    return Phrase(package=WORDS, key=key, values=values).words(language)
