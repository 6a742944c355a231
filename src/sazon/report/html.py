"""A document as one HTML file: no scripts, nothing fetched, light and dark, screen and paper.

Charts are inline SVG drawn beforehand (Vega-Altair through vl-convert), not live Vega: the file
then needs no JavaScript at all, so a content policy of `default-src 'none'` holds, it opens from a
mail attachment or an air-gapped disk, prints as it looks, and cannot run what hostile data might
smuggle in.
"""

from __future__ import annotations

from functools import cache, singledispatch
from html import escape
from importlib.resources import files

from sazon.report.document import (
    Block,
    Bullets,
    Cell,
    Chapter,
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

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_LONG_VERDICT = 150
"""Letters above which the verdict is set smaller."""
_EMPTY = frozenset({"meta", "link", "br"})


class Html(str):
    """Text that is markup already; everything else is escaped."""


def tag(name: str, /, *children: str, **attributes: str | bool | None) -> Html:
    """One element; plain children and all attributes are escaped."""
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        written.append(f" {key}" if value is True else f' {key}="{escape(str(value))}"')
    opening = f"<{name}{''.join(written)}>"
    if name in _EMPTY:
        return Html(opening)
    return Html(f"{opening}{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Children one after the other, plain ones escaped."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children))


@cache
def _style() -> str:
    return (files("sazon.report") / "style.css").read_text(encoding="utf-8")


def render(document: Document, voice: Voice) -> str:
    """The whole page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("title", document.title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(_style())),
    )
    body = tag(
        "body",
        tag("a", voice("page.skip"), href="#summary", class_="skip"),
        _bar(document, voice),
        tag("main", _first(document, voice), *(_chapter(c, voice) for c in document.chapters)),
        tag("footer", tag("p", document.foot)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang=document.language)}\n"


def _bar(document: Document, voice: Voice) -> Html:
    links = [tag("a", c.title, href=f"#{c.name}") for c in document.chapters]
    other = "es" if document.language == "en" else "en"
    return tag(
        "header",
        tag("a", "sazón", href="#summary", class_="mark"),
        tag("nav", *links, aria_label=voice("page.chapters")),
        tag(
            "a", document.other_language, href=document.other_file, class_="other", lang=other, hreflang=other
        ),
    )


def _first(document: Document, voice: Voice) -> Html:
    pairs = [tag("div", tag("dt", term), tag("dd", _cell(cell, voice))) for term, cell in document.figures]
    return tag(
        "section",
        tag("p", document.eyebrow, class_="eyebrow"),
        tag("p", document.status_words, class_=f"status {document.status}"),
        tag("h1", document.verdict, class_="long" if len(document.verdict) > _LONG_VERDICT else None),
        tag("dl", *pairs, class_="figures") if pairs else Html(""),
        _legend(voice),
        *(draw(b, voice) for b in document.summary),
        id="summary",
    )


def _legend(voice: Voice) -> Html:
    items = [
        tag("li", _badge(k, voice), " ", tag("b", voice.kind(k)), f" {voice(f'kind.{k}_means')}")
        for k in ("measured", "published", "assumed")
    ]
    return tag("ul", *items, class_="legend", aria_label=voice("kind.legend"))


def _chapter(chapter: Chapter, voice: Voice) -> Html:
    return tag(
        "section",
        tag("p", chapter.name, class_="eyebrow", lang="en"),
        tag("h2", chapter.title),
        tag("p", chapter.question, class_="question"),
        *(draw(b, voice) for b in chapter.blocks),
        id=chapter.name,
        class_="chapter",
    )


# ------------------------------------------------------------------------- blocks


@singledispatch
def draw(block: Block, voice: Voice) -> Html:
    """One block as markup."""
    raise TypeError(f"no markup for {type(block).__name__}")


@draw.register
def _(block: Paragraph, voice: Voice) -> Html:
    return tag("p", block.text, class_="quiet" if block.quiet else None)


@draw.register
def _(block: Note, voice: Voice) -> Html:
    return tag("p", block.text, class_=f"note {block.tone}".strip())


@draw.register
def _(block: Heading, voice: Voice) -> Html:
    return tag("h3", block.text)


@draw.register
def _(block: Bullets, voice: Voice) -> Html:
    return tag("ul", *(tag("li", item) for item in block.items))


@draw.register
def _(block: Code, voice: Voice) -> Html:
    return tag("pre", tag("code", block.text), tabindex="0")


@draw.register
def _(block: Facts, voice: Voice) -> Html:
    pairs = [tag("div", tag("dt", term), tag("dd", _cell(cell, voice))) for term, cell in block.pairs]
    return tag("dl", *pairs, class_="facts")


@draw.register
def _(block: Folded, voice: Voice) -> Html:
    return tag("details", tag("summary", block.title), *(draw(b, voice) for b in block.blocks))


@draw.register
def _(block: Figure, voice: Voice) -> Html:
    described = f"{block.name}-words"
    return tag(
        "figure",
        tag("h3", block.title),
        tag(
            "div",
            Html(block.wide),
            class_="wide",
            role="img",
            aria_label=block.title,
            aria_describedby=described,
        ),
        tag(
            "div",
            Html(block.narrow),
            class_="narrow",
            role="img",
            aria_label=block.title,
            aria_describedby=described,
        ),
        tag("figcaption", block.caption) if block.caption else Html(""),
        tag("p", block.words, id=described, class_="unseen"),
        id=f"figure-{block.name}",
    )


@draw.register
def _(block: Table, voice: Voice) -> Html:
    head = tag(
        "thead",
        tag("tr", *(tag("th", h, scope="col", role="columnheader") for h in block.head), role="row"),
        role="rowgroup",
    )
    rows = [_row(block, i, voice) for i in range(len(block.rows))]
    table = tag(
        "table",
        tag("caption", block.caption),
        head,
        tag("tbody", *rows, role="rowgroup"),
        class_="stack" if block.stack else None,
        role="table",
    )
    foot = tag("p", block.foot, class_="quiet") if block.foot else Html("")
    return join(
        tag("div", table, class_="sheet", role="region", aria_label=block.caption, tabindex="0"), foot
    )


def _row(table: Table, index: int, voice: Voice) -> Html:
    first, *rest = table.rows[index]
    chosen = index in table.chosen
    mark = tag("span", table.mark, class_="choice") if chosen and table.mark else Html("")
    found = [tag("th", _cell(first, voice), mark, scope="row", role="rowheader")]
    for title, cell in zip(table.head[1:], rest, strict=True):
        inner = _cell(cell, voice)
        found.append(tag("td", inner, data_label=title, class_=cell.tone or None, role="cell"))
    return tag("tr", *found, class_="chosen" if chosen else None, role="row")


def _cell(cell: Cell, voice: Voice) -> Html:
    value = tag("code" if cell.code else "span", cell.text, class_="value")
    parts = [value]
    if cell.kind is not None:
        parts.append(_badge(cell.kind, voice))
    if cell.interval:
        parts.append(tag("span", f"({cell.interval})", class_="interval"))
    if cell.note:
        parts.append(tag("span", cell.note, class_="beside"))
    if cell.bar is not None:
        width = f"{100 * min(max(cell.bar, 0.0), 1.0):.1f}%"
        parts.append(tag("span", tag("i", style=f"width:{width}"), class_="bar", aria_hidden="true"))
    spaced: list[str] = []
    for part in parts:
        spaced += [part, " "]
    return tag("span", *spaced[:-1], class_=f"cell {cell.tone}".strip())


def _badge(kind: str, voice: Voice) -> Html:
    word = voice(f"kind.{kind}")
    return tag("abbr", voice(f"kind.{kind}_letter"), class_=f"kind {kind}", title=word, aria_label=word)
