"""Changes of a text that leave its meaning alone: what people and their keyboards do.

Asking in another language is such a change too, but nobody here translates: the data gives the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

Perturbation = Literal["typos", "no_accents", "upper_case", "lower_case", "noise"]
PERTURBATIONS: tuple[Perturbation, ...] = get_args(Perturbation)
Change = Literal[Perturbation, "swapped_language"]
SWAPPED_LANGUAGE: Literal["swapped_language"] = "swapped_language"

TYPO_SHARE = 1 / 12
"""Share of the letters that are mistyped."""
_ROWS = ("qwertyuiop", "asdfghjklñ", "zxcvbnm")
_NEIGHBOURS = {
    letter: tuple(n for n in (row[i - 1 : i] if i else "", row[i + 1 : i + 2]) if n)
    for row in _ROWS
    for i, letter in enumerate(row)
}
_GREETINGS = (
    ("Hola, buenas tardes. ", ""),
    ("", " Muchas gracias, un saludo."),
    ("Hello, ", ""),
    ("", " Thanks in advance, best regards"),
    ("", " !!!"),
    ("", "\n\nSent from my phone"),
)


def perturb(text: str, how: Perturbation, rng: np.random.Generator) -> str:
    """The text, changed; the same text where the change finds nothing to change.

    Args:
        text: any.
        how: `typos` (a neighbouring key, two letters swapped, one left out or doubled, about every
            twelfth letter), `no_accents` (ñ too), `upper_case`, `lower_case`, `noise` (a greeting or
            a signature around it).
        rng: the stream.
    """
    return _WAYS[how](text, rng)


def _typos(text: str, rng: np.random.Generator) -> str:
    letters, typed, i = list(text), [], 0
    hit = rng.random(len(letters)) < TYPO_SHARE
    kinds = rng.integers(0, 4, len(letters))
    while i < len(letters):
        letter = letters[i]
        if not hit[i] or not letter.isalpha():
            typed.append(letter)
        elif kinds[i] == 0:
            near = _NEIGHBOURS.get(letter.lower(), (letter,))
            other = near[int(rng.integers(len(near)))]
            typed.append(other.upper() if letter.isupper() else other)
        elif kinds[i] == 1 and i + 1 < len(letters):
            typed += [letters[i + 1], letter]
            i += 1
        elif kinds[i] == 2:
            typed += [letter, letter]
        i += 1
    return "".join(typed) if "".join(typed).strip() else text


def _no_accents(text: str, rng: np.random.Generator) -> str:
    parted = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in parted if not unicodedata.combining(c)))


def _upper(text: str, rng: np.random.Generator) -> str:
    return text.upper()


def _lower(text: str, rng: np.random.Generator) -> str:
    return text.lower()


def _noise(text: str, rng: np.random.Generator) -> str:
    before, after = _GREETINGS[int(rng.integers(len(_GREETINGS)))]
    return f"{before}{text}{after}"


_WAYS: dict[Perturbation, Callable[[str, np.random.Generator], str]] = {
    "typos": _typos,
    "no_accents": _no_accents,
    "upper_case": _upper,
    "lower_case": _lower,
    "noise": _noise,
}
