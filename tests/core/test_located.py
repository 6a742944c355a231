"""YAML with positions: what is wrong, and exactly where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core import located
from sazon.core.errors import RecipeError


def test_yaml_is_read_as_version_1_2() -> None:
    values = located.parse("a: 1e-4\nb: no\nc: [1, 2.5, yes]\n").values
    assert values == {"a": 1e-4, "b": "no", "c": [1, 2.5, "yes"]}


def test_positions_of_nested_values() -> None:
    document = located.parse("a:\n  b: 1\n  c: {d: 2}\ne:\n  - f: 3\n", name="r.yaml")
    assert document.where(("a", "b")) == "r.yaml:2:3"
    assert document.where(("a", "c", "d")) == "r.yaml:3:7"
    assert document.where(("e", 0, "f")) == "r.yaml:5:5"
    assert document.where(("a", "missing")) == "r.yaml:1:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "duplicate key"),
        ("a: [1, 2\n", "not valid YAML"),
        ("- 1\n- 2\n", "must be a mapping"),
        ("", "empty"),
        ("just text", "must be a mapping"),
        ("a: !!python/object/apply:os.system ['true']\nb: [", "not valid YAML"),
        ("\t a: 1", "not valid YAML"),
    ],
)
def test_bad_yaml_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        located.parse(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document = located.parse(text)
    except RecipeError:
        return
    assert isinstance(document.values, dict)
