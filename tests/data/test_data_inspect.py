"""Guessing the columns of a file somebody has."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core import located
from sazon.core.errors import DataError
from sazon.data import DataConfig, demo, inspect


def test_the_demo_is_understood() -> None:
    seen = inspect(demo.path())
    assert seen.roles == {
        "input": "text",
        "target": "intent",
        "group": "customer",
        "site": "branch",
        "sensitivity": "data_class",
        "language": "language",
    }
    assert seen.task == "classify"
    assert sum(seen.classes.values()) == seen.rows
    assert set(seen.languages) >= {"es", "en", "mixed"}
    assert all(seen.reasons.values())


def written(folder: Path, columns: list[str], rows: list[list[str]]) -> Path:
    path = folder / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_names_in_spanish_and_an_index_column(tmp_path: Path) -> None:
    rows = [
        [str(i), f"c{i % 30}", "ABC"[i % 3], f"mensaje largo número {i} de un cliente"] for i in range(90)
    ]
    seen = inspect(written(tmp_path, ["id", "cliente", "categoría", "mensaje"], rows))
    assert seen.roles == {"input": "mensaje", "target": "categoría", "group": "cliente"}


def test_free_text_answers_are_a_generate_task(tmp_path: Path) -> None:
    rows = [
        [f"what does the word number {i} mean here?", f"it means the answer {i} to it"] for i in range(40)
    ]
    seen = inspect(written(tmp_path, ["question", "answer"], rows))
    assert (seen.task, seen.roles["input"], seen.roles["target"]) == ("generate", "question", "answer")
    assert seen.classes == {}


def test_numeric_labels_are_classes(tmp_path: Path) -> None:
    rows = [[f"a text about the matter {i}", str(i % 4)] for i in range(40)]
    seen = inspect(written(tmp_path, ["text", "label"], rows))
    assert seen.classes == {"0": 10, "1": 10, "2": 10, "3": 10}


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        (["a", "b"], [["1", "2"], ["3", "4"]], "no column holds text"),
        (["text"], [["hello there"], ["good morning"]], "no column can be the answer"),
        (["text", "label"], [["hello there", "x"], ["good morning", "x"]], "no column can be the answer"),
    ],
)
def test_what_cannot_be_a_task(tmp_path: Path, columns: list[str], rows: list[list[str]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        inspect(written(tmp_path, columns, rows))


T = TypeVar("T")


def tried(action: Callable[[], T]) -> T | DataError:
    """What the action gives, or the error it raises in words."""
    try:
        return action()
    except DataError as error:
        return error


cells = st.one_of(
    st.text(max_size=30), st.integers(-5, 5).map(str), st.sampled_from(["a", "b", "", "es", "public"])
)
names = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(["text", "label", "customer_id", "branch", "y", "no", "ñ: #"]),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    columns = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    row = st.lists(cells, min_size=len(columns), max_size=len(columns))
    return columns, draw(st.lists(row, max_size=15))


@given(made=tables(), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_any_table_is_understood_or_refused_in_words(
    made: tuple[list[str], list[list[str]]], suffix: str, tmp_path_factory: Any
) -> None:
    columns, rows = made
    path = tmp_path_factory.mktemp("any") / f"mine{suffix}"
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        if suffix == ".csv":
            csv.writer(file).writerows([columns, *rows])
        else:
            file.writelines(json.dumps(dict(zip(columns, r, strict=True))) + "\n" for r in rows)
    seen = tried(lambda: inspect(path))
    if isinstance(seen, DataError):
        assert seen.where
        return
    assert {"input", "target"} <= set(seen.roles)
    assert len(set(seen.roles.values())) == len(seen.roles)
    section = located.parse(seen.as_yaml()).values["data"]
    config = DataConfig(**section)
    assert (config.input, config.target, config.task) == (
        seen.roles["input"],
        seen.roles["target"],
        seen.task,
    )
