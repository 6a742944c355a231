"""Words for people, in Spanish and English: one TOML catalogue a package and language.

A package keeps `words/en.toml` and `words/es.toml` beside its code; a test holds the two
to the same keys and the same placeholders.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = ("es", "en")


@cache
def catalogue(package: str, language: Language) -> Mapping[str, str]:
    """All words of a package in one language, keys joined by dots.

    Args:
        package: e.g. ``"sazon.report"``.
        language: ``"es"`` or ``"en"``.
    """
    text = (files(package) / "words" / f"{language}.toml").read_text(encoding="utf-8")
    flat: dict[str, str] = {}

    def walk(prefix: str, node: Mapping[str, object]) -> None:
        for key, value in node.items():
            name = f"{prefix}{key}"
            if isinstance(value, Mapping):
                walk(f"{name}.", value)
            else:
                flat[name] = str(value)

    walk("", tomllib.loads(text))
    return flat


def say(package: str, language: Language, key: str, /, **values: object) -> str:
    """One phrase with its values filled in; an unknown key is a bug and raises KeyError."""
    return catalogue(package, language)[key].format(**values)


def number(value: float, language: Language, *, digits: int = 0) -> str:
    """A number as readers of the language write it (1.234,5 or 1,234.5)."""
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "es" else text
