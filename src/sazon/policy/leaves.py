"""Every string of a request, keys included, wherever it hides, and the request put back together.

    check_shape(request, models={"big-1"})
    found = leaves(request)                              what a detector must see, in order
    clean = replaced(request, lambda leaf: …)            the same request with other texts

Numbers count too where they are content: an identifier may come as a number. JSON inside a string (a
tool's arguments, its results) is opened, its own leaves walked, and put back as JSON; what no leaf
changed stays as it was to the last character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from sazon.core.errors import PolicyRefused
from sazon.policy.chat import CHAT
from sazon.policy.shape import (
    Anything,
    Fields,
    Items,
    Number,
    Objection,
    Open,
    Reason,
    Shape,
    Size,
    Text,
    Word,
    fitting,
    objection,
)

Place = Literal["value", "key", "number", "name"]
"""`number`: content that came as a number; `name`: a value or key that must stay a plain identifier."""
Path = tuple[str | int, ...]
_ANYTHING = Anything()
_DEEPEST = 64
_NESTED = 8
_MOST = 500_000
"""Leaves, and marks of the JSON inside strings, of one request."""
_MOST_DIGITS = 40
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<mark>[\[\]{},:])',
    re.DOTALL,
)
_DECODER = json.JSONDecoder()
_LOOSE = json.JSONDecoder(strict=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """One text of a request and where it stands."""

    path: Path = field(repr=False)
    """Keys and positions from the root; through JSON in a string the path goes on. Keys are content."""
    text: str = field(repr=False)
    place: Place = "value"


Replace = Callable[[Leaf], str]


def check_shape(content: Any, *, models: Collection[str] | None = None, size: Size | None = None) -> None:
    """Refuse a chat request that is not understood in every part.

    Unknown fields, words outside a closed vocabulary, images, audio and files, arrays of token ids,
    numbers out of range or long enough to be somebody's, and requests too deep or too large.

    Args:
        content: the request, as `json.loads` gives it.
        models: names the model may have; None leaves the name unchecked (it is a leaf then, as always).
        size: how large it may be.

    Raises:
        PolicyRefused: naming the place by known fields and numbers, never by what was sent.
    """
    found = objection(content, CHAT, size=size)
    if found is None and models is not None and content["model"] not in models:
        found = Objection(reason="other_model", where="model")
    if found is not None:
        raise PolicyRefused(
            found.words("en"), where=found.where or "request", mend="Nothing was sent. Change that part."
        )


def leaves(content: Any, shape: Shape = CHAT) -> tuple[Leaf, ...]:
    """Every text of a request that is not structure, in the order of the request.

    What does not fit the shape is content: a request that was never checked hides nothing.

    Args:
        content: JSON, as Python reads it.
        shape: what in it is structure; `Anything()` for none.

    Raises:
        PolicyRefused: too deep or too large to be looked into, or no JSON.
    """
    found: list[Leaf] = []

    def keep(leaf: Leaf) -> str:
        found.append(leaf)
        return leaf.text

    replaced(content, keep, shape)
    return tuple(found)


def replaced(content: Any, replace: Replace, shape: Shape = CHAT) -> Any:
    """The same request with every leaf's text put through `replace`; structure stays.

    A number whose text changes becomes a string.

    Raises:
        PolicyRefused: too deep, too large, no JSON, or two keys of one object became the same.
    """
    return _Walk(replace).value(content, shape)


def replaced_in_json(text: str, replace: Replace) -> str:
    """A string with every leaf of the JSON it holds put through `replace`; itself, where it holds none."""
    return _Walk(replace).text(text, (), "value")


def holds_json(text: str) -> bool:
    """Whether a string holds JSON documents (one, or several as in JSON lines) and nothing else."""
    end = _after_space(text, 0)
    if text[end : end + 1] not in ("{", "[", '"'):
        return False
    try:
        while end < len(text):
            _, end = _DECODER.raw_decode(text, end)
            end = _after_space(text, end)
    except RecursionError:
        raise _refused("too_deep") from None
    except ValueError:
        return False
    return True


class _Walk:
    """One way through a request; counts what it meets, so that its time is bounded."""

    def __init__(self, replace: Replace) -> None:
        self._replace = replace
        self._left = _MOST

    def value(self, value: Any, shape: Shape, path: Path = ()) -> Any:
        """A value of any kind, put back together."""
        if len(path) > _DEEPEST:
            raise _refused("too_deep")
        shape = fitting(shape, value)
        if isinstance(value, str):
            if isinstance(shape, Word) and value in shape.vocabulary:
                return value
            return self.text(value, path, "name" if isinstance(shape, Text) and shape.name else "value")
        if isinstance(value, Mapping):
            return self._object(value, shape, path)
        if isinstance(value, list | tuple):
            inner = shape.of if isinstance(shape, Items) else _ANYTHING
            return [self.value(one, inner, (*path, i)) for i, one in enumerate(value)]
        if value is None or isinstance(value, bool):
            return value
        if not isinstance(value, int | float):
            raise _refused("wrong_type")
        if isinstance(shape, Number) and shape.holds(value):
            return value
        text = _plain_number(json.dumps(value))
        new = self._leaf(text, path, "number")
        return value if new == text else new

    def text(self, text: str, path: Path, place: Place, nested: int = 0) -> str:
        """A string, opened where it holds JSON; otherwise a leaf itself."""
        if not holds_json(text):
            return self._leaf(text, path, place)
        if nested >= _NESTED:
            raise _refused("too_deep")
        pieces, end = [], 0
        for token, said, inner, role in self._tokens(text, path):
            if role == "number":
                new = self._leaf(said, inner, role)
            else:
                new = self.text(said, inner, role, nested + 1)
            if new != said:
                pieces += [text[end : token.start()], quoted(new)]
                end = token.end()
        return "".join([*pieces, text[end:]])

    def _leaf(self, text: str, path: Path, place: Place) -> str:
        self._count()
        return self._replace(Leaf(path=path, text=text, place=place))

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _refused("too_large")

    def _object(self, value: Mapping[Any, Any], shape: Shape, path: Path) -> dict[str, Any]:
        known = shape.known if isinstance(shape, Fields) else {}
        others: Shape = shape.of if isinstance(shape, Open) else _ANYTHING
        place: Place = "name" if isinstance(shape, Open) and shape.names else "key"
        result: dict[str, Any] = {}
        for key, one in value.items():
            if not isinstance(key, str):
                raise _refused("wrong_type")
            name = key if key in known else self.text(key, (*path, key), place)
            if name in result:
                raise _refused("same_keys")
            result[name] = self.value(one, known.get(key, others), (*path, key))
        return result

    def _tokens(self, text: str, path: Path) -> Iterator[tuple[re.Match[str], str, Path, Place]]:
        """Strings and numbers of a JSON text: what they say, their paths and places.

        Tokens, not values: a key given twice keeps both of its values, of which a reader would see one.
        """
        steps: list[str | int] = []
        for token in _TOKEN.finditer(text):
            self._count()
            mark = token.group()
            if mark == "{":
                steps.append("")
            elif mark == "[":
                steps.append(0)
            elif mark in ("]", "}"):
                steps.pop()
            elif mark == ",":
                if isinstance(steps[-1], int):
                    steps[-1] += 1
            elif mark[0] != '"':
                if mark != ":":
                    yield token, _plain_number(mark), (*path, *steps), "number"
            else:
                said = _LOOSE.decode(mark) if "\\" in mark else mark[1:-1]
                is_key = text.startswith(":", _after_space(text, token.end()))
                if is_key:
                    steps[-1] = said
                yield token, said, (*path, *steps), "key" if is_key else "value"


def _plain_number(written: str) -> str:
    """A whole number in its digits alone: 4.111e3 and 4111.0 are 4111, and may be somebody's."""
    if "." not in written and "e" not in written and "E" not in written:
        return written
    number = Decimal(written)
    whole = number.is_finite() and number.adjusted() < _MOST_DIGITS and number == number.to_integral_value()
    return str(int(number)) if whole else written


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def quoted(text: str) -> str:
    """A text as a JSON string, in its own letters unless they cannot be written."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def _refused(reason: Reason) -> PolicyRefused:
    """Said without the path: keys are content."""
    found = Objection(reason=reason, where="request")
    return PolicyRefused(found.words("en"), where=found.where, mend="Nothing was sent.")
