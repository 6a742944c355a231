"""What this room tells people, as phrases of its own words."""

from __future__ import annotations

from sazon.core.types import Phrase
from sazon.core.words import Value


def told(key: str, **values: Value) -> Phrase:
    """A phrase of `sazon.evaluate`'s words."""
    return Phrase(package="sazon.evaluate", key=key, values=values)
