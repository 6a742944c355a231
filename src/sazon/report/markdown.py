"""A document as Markdown: the same chapters, tables and words, without pictures."""

from __future__ import annotations

import re
from functools import singledispatch

from sazon.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Facts,
    Figure,
    Folded,
    Heading,
    Note,
    Paragraph,
    Table,
)
from sazon.report.voice import Voice

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def render(document: Document, voice: Voice) -> str:
    """The whole report; GitHub's table syntax."""
    parts = [
        f"# {plain(document.verdict)}",
        f"{plain(document.eyebrow)} · **{plain(document.status_words)}**",
        "\n".join(f"- {plain(term)}: **{_cell(cell, voice)}**" for term, cell in document.figures),
        *(write(b, voice) for b in document.summary),
        " · ".join(
            f"**{voice(f'kind.{k}_letter')}** {plain(voice.kind(k))}"
            for k in ("measured", "published", "assumed")
        ),
    ]
    for chapter in document.chapters:
        parts += [f"## {plain(chapter.title)}", f"*{plain(chapter.question)}*"]
        parts += [write(b, voice) for b in chapter.blocks]
    parts += ["---", plain(document.foot)]
    return "\n\n".join(p for p in parts if p) + "\n"


def plain(text: str) -> str:
    """Text that Markdown cannot take for markup, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


@singledispatch
def write(block: Block, voice: Voice) -> str:
    """One block as Markdown."""
    raise TypeError(f"no Markdown for {type(block).__name__}")


@write.register
def _(block: Paragraph, voice: Voice) -> str:
    return plain(block.text)


@write.register
def _(block: Note, voice: Voice) -> str:
    return f"> {plain(block.text)}"


@write.register
def _(block: Heading, voice: Voice) -> str:
    return f"### {plain(block.text)}"


@write.register
def _(block: Bullets, voice: Voice) -> str:
    return "\n".join(f"- {plain(item)}" for item in block.items)


@write.register
def _(block: Code, voice: Voice) -> str:
    return "\n".join(f"    {line}" for line in block.text.splitlines())


@write.register
def _(block: Facts, voice: Voice) -> str:
    return "\n".join(f"- {plain(term)}: {_cell(cell, voice)}" for term, cell in block.pairs)


@write.register
def _(block: Folded, voice: Voice) -> str:
    # Its tables carry their own captions.
    return "\n\n".join(write(b, voice) for b in block.blocks)


@write.register
def _(block: Figure, voice: Voice) -> str:
    return f"### {plain(block.title)}\n\n{plain(block.words)}"


@write.register
def _(block: Table, voice: Voice) -> str:
    lines = [_line([plain(h) for h in block.head]), _line(["---"] * len(block.head))]
    for index, row in enumerate(block.rows):
        written = [_cell(c, voice) for c in row]
        if index in block.chosen:
            written[0] = f"**{written[0]}** ←"
        lines.append(_line(written))
    parts = [f"**{plain(block.caption)}**", "\n".join(lines)]
    return "\n\n".join(parts + ([plain(block.foot)] if block.foot else []))


def _line(texts: list[str]) -> str:
    return f"| {' | '.join(t or ' ' for t in texts)} |"


def _cell(cell: Cell, voice: Voice) -> str:
    text = (
        f"`{cell.text}`" if cell.code and "`" not in cell.text and "|" not in cell.text else plain(cell.text)
    )
    if cell.interval:
        text += f" ({plain(cell.interval)})"
    if cell.kind is not None:
        text += f" {plain(voice(f'kind.{cell.kind}_letter'))}"
    return f"{text} · {plain(cell.note)}" if cell.note else text
