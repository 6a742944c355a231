"""Scorers: pure functions of an output and a target, to [0, 1]."""

from __future__ import annotations

import unicodedata
from collections import Counter


def exact(output: str, target: str) -> float:
    """1 where the output is the target, character by character."""
    return float(output == target)


def normalised_exact(output: str, target: str) -> float:
    """1 where they agree but for case, accents' encoding, and surrounding or repeated space."""
    return float(_normal(output) == _normal(target))


def token_f1(output: str, target: str) -> float:
    """Harmonic mean of precision and recall over the words of output and target, with repeats.

    Two empty texts agree. Source: Rajpurkar et al. 2016 (SQuAD), without its English articles rule.
    """
    given, wanted = Counter(_normal(output).split()), Counter(_normal(target).split())
    if not given or not wanted:
        return float(given == wanted)
    shared = (given & wanted).total()
    return 2 * shared / (given.total() + wanted.total())


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
