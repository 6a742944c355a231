"""Words for people, in Spanish and English: one TOML catalogue a package and language.

A package keeps `words/en.toml` and `words/es.toml` beside its code; a test holds the two
to the same keys and the same placeholders. What travels between packages and is read by people
is a `Phrase`: a key with its values, put into words only where the reader's language is known.

Numbers are written by what the end of their name says they are:

    …_share               a share in percent, without decimals and never rounded to certainty
    …_accuracy, …_rate    a share in percent, one decimal
    …_points, …_ratio     one decimal
    …_level               all its decimals
    …_count               about so many: two figures from 100 on, whole numbers below
    …_money, …_price      an amount in the value `currency`: three figures, or two
    anything else         a whole number

A name that ends in `_key` holds the key of another phrase of the same catalogue, which fills the
placeholder without that ending (`part_key` fills `{part}`). Text stands as it is.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = ("es", "en")
PERCENT: Mapping[Language, str] = {"en": "%", "es": " %"}
Value = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """Something to tell a person, before it is put into words."""

    package: str
    """Whose words it is in, e.g. `sazon.data`."""
    key: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def words(self, language: Language) -> str:
        """In one language, numbers written by their names; an unknown key raises KeyError."""
        return say(self.package, language, self.key, **written(self.package, language, self.values))


def sentences(phrases: Iterable[Phrase], language: Language) -> str:
    """Phrases that are whole sentences, as running text."""
    return " ".join(phrase.words(language) for phrase in phrases)


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


def written(package: str, language: Language, values: Mapping[str, Value]) -> dict[str, str]:
    """Values as text for the placeholders of a phrase, by the naming convention of this module."""
    currency = str(values.get("currency", ""))
    text = {name: _written(name, value, currency, language) for name, value in values.items()}
    for name in values:
        if name.endswith("_key"):
            text[name.removesuffix("_key")] = say(package, language, text[name], **text)
    return text


def _written(name: str, value: Value, currency: str, language: Language) -> str:
    """A value written by what the end of its name says it is."""
    if value is None or isinstance(value, str):
        return value or ""
    unit = name.rpartition("_")[2]
    if unit == "share":
        return _percent(value, language)
    if unit in ("accuracy", "rate"):
        return number(100 * value, language, digits=1) + PERCENT[language]
    if unit == "money":
        return f"{number(_rounded(value), language)} {currency}"
    if unit == "price":
        return f"{number(_rounded(value, 2), language, digits=_digits(value))} {currency}"
    if unit == "count":
        return number(_rounded(value, 2) if value >= 100 else math.ceil(value), language)
    if unit in ("points", "ratio"):
        return number(value, language, digits=1)
    if unit == "level":
        return number(value, language, digits=len(f"{value:g}".partition(".")[2]))
    return number(value, language)


def _percent(share: float, language: Language) -> str:
    """A share in percent; never rounded to certainty."""
    percent = 100 * share
    if 99.5 <= percent < 100 or 0 < percent < 0.5:
        edge = ("> ", 99) if percent > 50 else ("< ", 1)
        return f"{edge[0]}{edge[1]}{PERCENT[language]}"
    return number(percent, language) + PERCENT[language]


def _rounded(value: float, figures: int = 3) -> float:
    if value == 0:
        return 0.0
    return round(value, figures - 1 - math.floor(math.log10(abs(value))))


def _digits(value: float) -> int:
    """Decimals that show two figures of a price."""
    return 0 if abs(value) >= 10 or value == 0 else 1 - math.floor(math.log10(abs(value)))
