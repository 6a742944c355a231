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
_MOST_DIGITS = 40
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<mark>[\[\]{},:])',
    re.DOTALL,
)
_DECODER = json.JSONDecoder()


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
        PolicyRefused: too deep to be looked into, or no JSON.
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
        PolicyRefused: too deep, no JSON, or two keys of one object became the same.
    """
    return _walked(content, replace, shape, (), 0)


def replaced_in_json(text: str, replace: Replace) -> str:
    """A string with every leaf of the JSON it holds put through `replace`; itself, where it holds none."""
    return _opened(text, replace, (), "value", 0)


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


def _walked(value: Any, replace: Replace, shape: Shape, path: Path, nested: int) -> Any:
    if len(path) > _DEEPEST:
        raise _refused("too_deep")
    shape = fitting(shape, value)
    if isinstance(value, str):
        return _string(value, replace, shape, path, nested)
    if isinstance(value, Mapping):
        return _object(value, replace, shape, path, nested)
    if isinstance(value, list | tuple):
        inner = shape.of if isinstance(shape, Items) else _ANYTHING
        return [_walked(one, replace, inner, (*path, i), nested) for i, one in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        raise _refused("wrong_type")
    if isinstance(shape, Number) and shape.holds(value):
        return value
    text = _plain_number(json.dumps(value))
    new = replace(Leaf(path=path, text=text, place="number"))
    return value if new == text else new


def _string(text: str, replace: Replace, shape: Shape, path: Path, nested: int) -> str:
    if isinstance(shape, Word) and text in shape.vocabulary:
        return text
    place: Place = "name" if isinstance(shape, Text) and shape.name else "value"
    return _opened(text, replace, path, place, nested)


def _object(value: Mapping[Any, Any], replace: Replace, shape: Shape, path: Path, nested: int) -> Any:
    result: dict[str, Any] = {}
    for key, one in value.items():
        if not isinstance(key, str):
            raise _refused("wrong_type")
        inner = shape.known.get(key) if isinstance(shape, Fields) else None
        if isinstance(shape, Open):
            inner = shape.of
        name = key
        if not isinstance(shape, Fields) or inner is None:
            place: Place = "name" if isinstance(shape, Open) and shape.names else "key"
            name = _opened(key, replace, (*path, key), place, nested)
        if name in result:
            raise _refused("same_keys")
        result[name] = _walked(one, replace, inner or _ANYTHING, (*path, key), nested)
    return result


def _opened(text: str, replace: Replace, path: Path, place: Place, nested: int) -> str:
    """A string, opened where it holds JSON; otherwise a leaf itself."""
    if not holds_json(text):
        return replace(Leaf(path=path, text=text, place=place))
    if nested >= _NESTED:
        raise _refused("too_deep")
    pieces, end = [], 0
    for token, inner in _tokens(text, path):
        kind, written = token.lastgroup, token.group()
        if kind == "string":
            said = json.loads(written, strict=False)
            role: Place = "key" if _next_mark(text, token.end()) == ":" else "value"
            new = _opened(said, replace, inner, role, nested + 1)
        else:
            said = _plain_number(written)
            new = replace(Leaf(path=inner, text=said, place="number"))
        if new != said:
            pieces += [text[end : token.start()], quoted(new)]
            end = token.end()
    return "".join([*pieces, text[end:]])


def _tokens(text: str, path: Path) -> Iterator[tuple[re.Match[str], Path]]:
    """Strings and numbers of a JSON text with their paths.

    Tokens, not values: a key given twice keeps both of its values, of which a reader would see one.
    """
    steps: list[str | int] = []
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark == "{":
            steps.append("")
        elif mark == "[":
            steps.append(0)
        elif mark in "]}":
            steps.pop()
        elif mark == "," and steps and isinstance(steps[-1], int):
            steps[-1] += 1
        elif mark not in ",:":
            if _next_mark(text, token.end()) == ":":
                steps[-1] = json.loads(mark, strict=False)
            yield token, (*path, *steps)


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


def _next_mark(text: str, at: int) -> str:
    at = _after_space(text, at)
    return text[at : at + 1]


def quoted(text: str) -> str:
    """A text as a JSON string, in its own letters unless they cannot be written."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def _refused(reason: Literal["too_deep", "wrong_type", "same_keys"]) -> PolicyRefused:
    from sazon.core.words import say

    return PolicyRefused(
        say("sazon.policy", "en", f"shape.{reason}"), where="request", mend="Nothing was sent."
    )
