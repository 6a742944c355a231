"""Rewrite the outputs that the documents show, from a finished run of the demo.

`python -m tools.refresh_readme RUN` carries out the documents' commands on a copy of RUN, where
finished stages are kept, and puts what they print into the blocks marked `<!-- output: … -->`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tools.documents import Block, Session, blocks, documents, prepare


def main() -> int:
    """Refresh every document, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run of `sazon demo`")
    parser.add_argument("documents", type=Path, nargs="*", help="default: all")
    arguments = parser.parse_args()
    for document in [d.resolve() for d in arguments.documents] or documents():
        if any(b.output_of for b in blocks(document)):
            changed = refresh(document, arguments.run)
            print(f"{document.name}: {changed} block(s) changed")
    return 0


def refresh(document: Path, run: Path) -> int:
    """Rewrite the outputs of one document and return how many changed."""
    found = blocks(document)
    last = max(i for i, block in enumerate(found) if block.output_of)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "here"
        language = "es" if document.stem.endswith(".es") else "en"
        prepare(directory, demo_run=run, language=language)
        session = Session(directory=directory, cache=Path(scratch) / "cache")
        try:
            printed = [_printed(session, block) for block in found[: last + 1]]
        finally:
            session.close()
    text, changed = document.read_text(encoding="utf-8"), 0
    for block, output in reversed(list(zip(found, printed, strict=False))):
        if output is not None and output != block.text:
            start, end = block.span
            text, changed = text[:start] + output + text[end:], changed + 1
    document.write_text(text, encoding="utf-8")
    return changed


def _printed(session: Session, block: Block) -> str | None:
    """What belongs into the block; other blocks are carried out, because outputs follow from them."""
    if block.output_of:
        lines = session.output(block.output_of).strip("\n").split("\n")
        return "".join(f"{line.rstrip()}\n" for line in lines)
    if block.language in ("sh", "python") and not block.installs:
        session.carry_out(block)
    return None


if __name__ == "__main__":
    sys.exit(main())
