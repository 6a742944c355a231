"""What a report is made of: a first screen and chapters of blocks, before any HTML or Markdown.

Chapters are built once from the evidence; `html` and `markdown` both draw this same document,
so neither can say what the other does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sazon.core.types import Kind
from sazon.core.words import Language

Tone = Literal["", "good", "bad", "warn", "muted", "plain"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value with all that must stand beside it."""

    text: str
    interval: str = ""
    """The interval as written, without the value."""
    kind: Kind | None = None
    """Shown as a badge: measured, published or assumed."""
    note: str = ""
    """A second, quieter line."""
    tone: Tone = ""
    bar: float | None = None
    """Share in [0, 1] drawn as a bar behind the value."""
    code: bool = False


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: str
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Note:
    """A remark nobody should miss."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading inside a chapter."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Terms with their values."""

    pairs: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose first column names its rows."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chosen: tuple[int, ...] = ()
    """Rows to bring out."""
    mark: str = ""
    """What a row brought out is: the choice, or only ahead."""
    stack: bool = False
    """On a phone each row becomes a card; otherwise the table scrolls sideways."""
    foot: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture, drawn for wide and for narrow screens, with its content in words."""

    name: str
    title: str
    wide: str
    """SVG."""
    narrow: str
    words: str
    """What the picture shows, for who cannot see it (and for Markdown)."""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Code:
    """Something to copy into a terminal."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Long material behind a line that opens it."""

    title: str
    blocks: tuple[Paragraph | Table | Facts, ...]


Block = Paragraph | Note | Heading | Bullets | Facts | Table | Figure | Code | Folded


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One room of the house."""

    name: str
    """Folder name of the room: `data`, `adapt`, …"""
    title: str
    question: str
    """What the chapter answers."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """The whole report in one language."""

    language: Language
    title: str
    eyebrow: str
    status: Literal["decided", "undecided"]
    status_words: str
    verdict: str
    figures: tuple[tuple[str, Cell], ...]
    """The few numbers under the verdict."""
    summary: tuple[Block, ...]
    chapters: tuple[Chapter, ...]
    foot: str
    other_language: str
    """The other language's own name."""
    other_file: str
