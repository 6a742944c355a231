"""The plain form of a text, by which copies are recognised."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """A text without differences of case, spacing and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
