"""Names of people and places, and what goes with them: a small tagger that this project trains and ships."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sazon.policy.detect.span import Span

if TYPE_CHECKING:
    from sazon.policy.detect.names.tagger import Tagger

__all__ = ["find"]


def find(text: str) -> list[Span]:
    """Spans of persons, places, addresses, organisations, ages and dates in Spanish or English text.

    In order and without overlap. Work grows with the length of the text alone. What it finds and how
    often it errs stands in this package's README.
    """
    return _tagger().find(text) if text else []


@cache
def _tagger() -> Tagger:
    """The shipped tagger, read at the first use."""
    import numpy as np

    from sazon.policy.detect.names.tagger import Network, Tagger

    with np.load(files(__name__) / "weights.npz") as arrays:  # type: ignore[arg-type]
        return Tagger(Network.of(arrays))
