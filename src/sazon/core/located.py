"""YAML that knows where every value stands: line and column survive into error messages.

ruamel.yaml reads YAML 1.2 (`1e-4` is a number, `no` is text) and refuses duplicate keys.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from sazon.core.errors import RecipeError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_CHARACTERS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class LocatedDocument:
    """Plain values and the position of each."""

    name: str
    """File name as the user gave it, for messages."""
    values: dict[str, Any]
    positions: Mapping[tuple[str | int, ...], tuple[int, int]]
    """Path → (line, column), both from 1."""

    def where(self, path: Sequence[str | int]) -> str:
        """`file:line:column`, of the nearest parent where the path itself is not there."""
        known = list(path)
        while known and tuple(known) not in self.positions:
            known.pop()
        line, column = self.positions.get(tuple(known), (1, 1))
        return f"{self.name}:{line}:{column}"


def parse(text: str, *, name: str = "recipe.yaml") -> LocatedDocument:
    """Read YAML text whose top level is a mapping.

    Raises:
        RecipeError: not YAML, a duplicate key, an alias bomb, or no mapping at the top.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > MAX_CHARACTERS:
        raise RecipeError(
            f"the recipe has {len(text):,} characters", where=name, mend="Recipes stay under 1 MB."
        )
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        tree = yaml.load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        problem = (error.problem or "not YAML").split("\n")[0]
        raise RecipeError(
            f"not valid YAML: {problem}", where=spot, mend="Check indentation, colons and quotes."
        ) from error
    except (YAMLError, ValueError, RecursionError, TypeError, OverflowError, AttributeError) as error:
        raise RecipeError(
            "not valid YAML", where=f"{name}:1:1", mend="Check indentation, colons and quotes."
        ) from error
    if tree is None:
        raise RecipeError(
            "the recipe is empty", where=f"{name}:1:1", mend="Write one with: sazon init data.csv"
        )
    if not isinstance(tree, CommentedMap):
        raise RecipeError(
            "the recipe must be a mapping of sections",
            where=f"{name}:1:1",
            mend="Start with `name:` and `data:`.",
        )
    positions: dict[tuple[str | int, ...], tuple[int, int]] = {}
    values = _plain(tree, (), positions, set(), name)
    return LocatedDocument(name=name, values=values, positions=positions)


def _plain(
    node: Any,
    path: tuple[str | int, ...],
    positions: dict[tuple[str | int, ...], tuple[int, int]],
    above: set[int],
    name: str,
) -> Any:
    """Turn ruamel's tree into plain values, noting positions; refuse cycles of aliases."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarbool import ScalarBoolean
    from ruamel.yaml.scalarfloat import ScalarFloat
    from ruamel.yaml.scalarint import ScalarInt

    if isinstance(node, CommentedMap | CommentedSeq):
        if id(node) in above or len(path) > 40 or len(positions) > 100_000:
            raise RecipeError(
                "an alias that contains itself, or nesting without end",
                where=f"{name}:{node.lc.line + 1}:{node.lc.col + 1}",
                mend="Write the values out.",
            )
        above = above | {id(node)}
        positions.setdefault(path, (node.lc.line + 1, node.lc.col + 1))
    if isinstance(node, CommentedMap):
        result: dict[str, Any] = {}
        for key, value in node.items():
            line, column = node.lc.key(key) if key in (node.lc.data or {}) else (0, 0)
            child = (*path, str(key))
            positions[child] = (line + 1, column + 1)
            result[str(key)] = _plain(value, child, positions, above, name)
        return result
    if isinstance(node, CommentedSeq):
        items = []
        for i, value in enumerate(node):
            # A list behind a tag does not know where its items stand.
            line, column = node.lc.item(i) or (node.lc.line, node.lc.col)
            positions[(*path, i)] = (line + 1, column + 1)
            items.append(_plain(value, (*path, i), positions, above, name))
        return items
    if isinstance(node, ScalarBoolean):
        return bool(node)
    if isinstance(node, ScalarInt):
        return int(node)
    if isinstance(node, ScalarFloat):
        return float(node)
    if isinstance(node, str):
        return str(node)
    return node


def problem(document: LocatedDocument, detail: ErrorDetails, known: Sequence[str] = ()) -> RecipeError:
    """One pydantic error as `file:line:column section.field: what. How to mend`.

    Args:
        document: where the values came from.
        detail: one entry of ``ValidationError.errors()``.
        known: names allowed at the spot, for a did-you-mean on unknown fields.
    """
    path = _present(document, detail["loc"])
    name = ".".join(str(p) for p in path)
    kind, given = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]) if path else "", known, n=1, cutoff=0.5)
        mend = f"Did you mean {near[0]!r}?" if near else "Remove it, or see: sazon explain --schema."
        what = "unknown field"
    elif kind == "missing":
        what, mend = "required, but not given", "Add it."
    else:
        # What stands where a key's name is wanted may be the key itself.
        secret = bool(path) and str(path[-1]) == "key"
        shown = "" if secret or isinstance(given, dict | list) else f", got {_short(given)}"
        message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        what = message if kind == "value_error" else f"must be {message}{shown}"
        mend = str((detail.get("ctx") or {}).get("mend", "")) or _mend(detail)
    return RecipeError(what, where=f"{document.where(path)} {name}".strip(), mend=mend)


def _present(document: LocatedDocument, loc: Sequence[str | int]) -> list[str | int]:
    """The segments of a pydantic location that stand in the tree (union tags do not)."""
    node: Any = document.values
    path: list[str | int] = []
    for i, segment in enumerate(loc):
        in_mapping = isinstance(node, dict) and segment in node
        in_list = isinstance(node, list) and isinstance(segment, int) and segment < len(node)
        if in_mapping or in_list:
            node = node[segment]
            path.append(segment)
        elif i == len(loc) - 1 and isinstance(segment, str):
            path.append(segment)
    return path


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _mend(detail: ErrorDetails) -> str:
    context = detail.get("ctx") or {}
    for bound, words in (("gt", "above"), ("ge", "at or above"), ("lt", "below"), ("le", "at or below")):
        if bound in context:
            return f"Use a number {words} {context[bound]}."
    if "expected" in context:
        return f"Use one of: {context['expected']}."
    return {
        "string_type": "Put it in quotes.",
        "int_type": "Write a whole number.",
        "float_type": "Write a number.",
        "bool_type": "Write true or false.",
        "dict_type": "Write a mapping (key: value).",
        "list_type": "Write a list.",
        "tuple_type": "Write a list.",
    }.get(detail["type"], "See: sazon explain --schema.")
