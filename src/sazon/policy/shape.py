"""A small language for the shape of a request: what in it is structure and what is content.

Structure is closed: words out of a vocabulary, names of fields, switches, numbers too short to be
anybody's. Everything else is content. One description serves both questions: may this request be
understood at all (`objection`), and which of its strings need looking into (`policy.leaves`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sazon.core.words import Language, say

WORDS = "sazon.policy"
Reason = Literal[
    "unknown_field", "missing_field", "wrong_type", "not_a_word", "out_of_range", "too_many", "too_deep",
    "too_large", "not_unicode", "media", "token_ids", "kept", "other_model", "same_keys",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """Why a request is not understood, and where: places are told by known names and numbers only."""

    reason: Reason
    where: str

    def words(self, language: Language) -> str:
        """The reason as a sentence."""
        return say(WORDS, language, f"shape.{self.reason}")


@dataclass(frozen=True, slots=True)
class Word:
    """A string out of a closed vocabulary: structure."""

    vocabulary: frozenset[str]


@dataclass(frozen=True, slots=True)
class Text:
    """Any string: content."""

    name: bool = False
    """A name that providers take only in letters, digits, `_` and `-`."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a closed range, whole or with at most `decimals` decimals: structure.

    Ranges end below a million: a longer number could be somebody's.
    """

    low: float
    high: float
    decimals: int = 0

    def holds(self, value: object) -> bool:
        """Whether a value is such a number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        # A number that is none compares with nothing, so it is in no range.
        return self.low <= value <= self.high and round(value, self.decimals) == value


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false, of which some may not be."""

    allowed: frozenset[bool] = frozenset({True, False})


@dataclass(frozen=True, slots=True)
class Nothing:
    """Only null."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON; its strings, numbers and keys are content."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A known field nobody can look into; null alone passes."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Items:
    """A list of one shape."""

    of: Shape
    most: int = 100_000


@dataclass(frozen=True, slots=True)
class Open:
    """An object whose keys are content."""

    of: Shape
    most: int = 100_000
    names: bool = False
    """Its keys are names, as of `Text`."""


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with known names; a field that is not required may be null."""

    known: Mapping[str, Shape]
    required: frozenset[str] = frozenset()
    closed: bool = True
    """Whether other names are refused; where not, they and what they hold are content."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose fields depend on the word in one of them."""

    tag: str
    options: Mapping[str, Fields]
    otherwise: Reason = "not_a_word"
    """What is wrong with another word there."""


@dataclass(frozen=True, slots=True)
class Either:
    """The first of several shapes that a value's type fits."""

    options: tuple[Shape, ...]


Shape = Word | Text | Number | Flag | Nothing | Anything | Forbidden | Items | Open | Fields | Tagged | Either


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large a request may be."""

    depth: int = 64
    values: int = 200_000
    """Strings, numbers, objects, lists and keys together."""
    characters: int = 4_000_000


def fitting(shape: Shape, value: object) -> Shape:
    """The shape a value is held to, once its type and its tag are known."""
    if isinstance(shape, Either):
        chosen = next((s for s in shape.options if _takes(s, value)), shape.options[0])
        return fitting(chosen, value)
    if isinstance(shape, Tagged) and isinstance(value, Mapping):
        word = value.get(shape.tag)
        known = shape.options.get(word) if isinstance(word, str) else None
        return known if known is not None else shape
    return shape


def _takes(shape: Shape, value: object) -> bool:
    if isinstance(shape, Word | Text):
        return isinstance(value, str)
    if isinstance(shape, Items):
        return isinstance(value, list | tuple)
    if isinstance(shape, Open | Fields | Tagged):
        return isinstance(value, Mapping)
    return isinstance(value, bool) if isinstance(shape, Flag) else value is None


def objection(value: Any, shape: Shape, *, size: Size | None = None) -> Objection | None:
    """Why a value does not have a shape; None where it does.

    Args:
        value: JSON, as Python reads it.
        shape: what it is held to.
        size: how large it may be.
    """
    return too_much(value, size or Size()) or _objection(value, shape, "")


def too_much(value: Any, size: Size) -> Objection | None:
    """Whether a value is too deep, too large, or no JSON that can be written as UTF-8."""
    waiting, values, characters = [(value, 1)], 0, 0
    while waiting:
        one, depth = waiting.pop()
        values += 1
        if isinstance(one, str):
            characters += len(one)
            if not _unicode(one):
                return Objection(reason="not_unicode", where="")
        elif isinstance(one, Mapping):
            waiting.extend((inner, depth + 1) for pair in one.items() for inner in pair)
        elif isinstance(one, list | tuple):
            waiting.extend((inner, depth + 1) for inner in one)
        elif one is not None and not isinstance(one, bool | int | float):
            return Objection(reason="wrong_type", where="")
        if depth > size.depth:
            return Objection(reason="too_deep", where="")
        if values > size.values or characters > size.characters:
            return Objection(reason="too_large", where="")
    return None


def _unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _objection(value: Any, shape: Shape, where: str) -> Objection | None:
    shape = fitting(shape, value)
    if isinstance(shape, Anything):
        return None
    if isinstance(shape, Fields | Tagged | Open) and isinstance(value, Mapping):
        return _in_object(value, shape, where)
    if isinstance(shape, Items) and isinstance(value, list | tuple):
        if len(value) > shape.most:
            return Objection(reason="too_many", where=where)
        inside = (_objection(one, shape.of, f"{where}[{i}]") for i, one in enumerate(value))
        return _first(inside)
    reason = _plain_reason(value, shape)
    return Objection(reason=reason, where=where) if reason else None


def _plain_reason(value: object, shape: Shape) -> Reason | None:
    """What is wrong with a value that holds no others."""
    if isinstance(shape, Word) and isinstance(value, str):
        return None if value in shape.vocabulary else "not_a_word"
    if isinstance(shape, Number) and isinstance(value, int | float) and not isinstance(value, bool):
        return None if shape.holds(value) else "out_of_range"
    if isinstance(shape, Flag) and isinstance(value, bool):
        return None if value in shape.allowed else "kept"
    if isinstance(shape, Forbidden):
        return shape.reason
    fits = isinstance(value, str) if isinstance(shape, Text) else value is None
    return None if fits and isinstance(shape, Text | Nothing) else "wrong_type"


def _in_object(value: Mapping[str, Any], shape: Fields | Tagged | Open, where: str) -> Objection | None:
    if isinstance(shape, Open):
        if len(value) > shape.most:
            return Objection(reason="too_many", where=where)
        return _first(_objection(one, shape.of, f"{where}.*".lstrip(".")) for one in value.values())
    if isinstance(shape, Tagged):
        missing = shape.tag not in value
        reason: Reason = "missing_field" if missing else shape.otherwise
        return Objection(reason=reason, where=f"{where}.{shape.tag}".lstrip("."))
    missing_names = sorted(name for name in shape.required if value.get(name) is None)
    if missing_names:
        return Objection(reason="missing_field", where=f"{where}.{missing_names[0]}".lstrip("."))
    for name, one in value.items():
        inner = shape.known.get(name)
        if inner is None and shape.closed:
            # Its name is the client's own text and is not repeated.
            return Objection(reason="unknown_field", where=where)
        if inner is None or one is None:
            continue
        found = _objection(one, inner, f"{where}.{name}".lstrip("."))
        if found is not None:
            return found
    return None


def _first(found: Iterable[Objection | None]) -> Objection | None:
    return next((one for one in found if one is not None), None)
