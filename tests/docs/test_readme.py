"""Every code block of the documents does what the document says; see tools/documents.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.documents import ROOT, Block, blocks, documents, masked

from sazon import recipe

ALL = [block for document in documents() for block in blocks(document)]
ENGLISH, SPANISH = ROOT / "README.md", ROOT / "README.es.md"
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def named(found: list[Block]) -> list[object]:
    """Blocks as test parameters that say where they stand."""
    return [pytest.param(block, id=str(block)) for block in found]


@pytest.mark.parametrize(
    "block", named([b for b in ALL if b.language in ("sh", "python") and not b.installs])
)
def test_runs(block: Block, reading: object) -> None:
    reading.through(block)  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", named([b for b in ALL if b.output_of]))
def test_prints_what_it_says(block: Block, reading: object) -> None:
    session = reading.through(block)  # type: ignore[attr-defined]
    assert masked(session.output(block.output_of)) == masked(block.text), (
        "the output has changed its shape; run: python -m tools.refresh_readme RUN"
    )


@pytest.mark.parametrize("block", named([b for b in ALL if b.language == "yaml"]))
def test_is_a_complete_recipe(block: Block) -> None:
    recipe.parse(block.text, name=str(block), root=ROOT)


def test_every_block_says_what_it_is() -> None:
    assert {b.language for b in ALL} <= {"sh", "python", "yaml", "text", ""}
    assert not [str(b) for b in ALL if b.mark and not (b.installs or b.output_of)]


@pytest.mark.parametrize("document", documents(), ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [t for t in targets if not (document.parent / t).exists()]


def structure(document: Path) -> list[str]:
    """Levels of headings, languages of blocks and numbers of table columns, in order."""
    prose = document.read_text(encoding="utf-8")
    for block in reversed(blocks(document)):
        start, end = block.span
        prose = prose[:start] + prose[end:]
    kinds = [m[0] for m in re.finditer(r"^(#+(?= )|```\w+|\|[-|]+\|$)", prose, re.M)]
    return [re.sub(r"[^#`a-z|]", "", kind) for kind in kinds]


def test_the_spanish_readme_is_complete() -> None:
    assert structure(SPANISH) == structure(ENGLISH)


def test_pictures_are_there_and_small() -> None:
    for language in ("en", "es"):
        assert (ROOT / "docs" / "images" / f"report-{language}.png").stat().st_size <= 250_000


def test_masking_keeps_the_words() -> None:
    one = "a (M)  12.8 (9.8–16.6) %   –\n\nCannot tell yet: a, 64% of\nfutures.\nReport: runs/x-1/r.html\n"
    other = "a (M)  7 (9–16.66) %   63.9 %\n\nb: the cheapest in 95% of\nfutures.\nReport: runs/x-2/r.html\n"
    assert masked(one) == masked(other.replace("63.9 %", "–"))
    assert masked(one) != masked(other.replace("Report", "Page").replace("63.9 %", "–"))
    assert masked(one) != masked(one.replace("a (M)", "b (M)"))
    assert masked("left as ⟦NIF_7K2QX9⟧ ⟦AGE_ABC234⟧") == masked("left as ⟦NIF_ABCDEF⟧") != masked("left as")
