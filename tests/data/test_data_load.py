"""Reading: right or a clear error, all problems at once, never the text of an input."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import DataError, EnvironmentLacks
from sazon.core.types import DataClass
from sazon.data import DataConfig, Loaded, load

CONFIG: dict[str, Any] = {"input": "text", "target": "label"}


def loaded(folder: Path, content: bytes | str, *, name: str = "train.csv", **fields: Any) -> Loaded:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(
        DataConfig(**({"train": name} | CONFIG | fields)), root=folder, offline=True, cache=folder / "cache"
    )


def refused(folder: Path, content: bytes | str, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        loaded(folder, content, **options)
    return caught.value


T = TypeVar("T")


def tried(action: Callable[[], T]) -> T | DataError:
    """What the action gives, or the error it raises in words."""
    try:
        return action()
    except DataError as error:
        return error


# ------------------------------------------------------------------------ what works


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('text,label\n"two\nlines",a\nhola,b\n', ["two\nlines", "hola"]),
        ('text,label\r\n"two\r\nlines",a\r\nhola,b\r\n', ["two\r\nlines", "hola"]),
        ("\ufefftext,label\nhi,a\nho,b\n", ["hi", "ho"]),
        ('text,label\n"say ""hi"", now",a\n👩‍⚕️🦷,b\n', ['say "hi", now', "👩‍⚕️🦷"]),
        ("text;label\nhola, buenas;a\nadiós;b\n", ["hola, buenas", "adiós"]),
        ("text\tlabel\nhola\ta\nadiós\tb\n", ["hola", "adiós"]),
        ("\ntext,label\n\nhi,a\n\nho,b\n\n", ["hi", "ho"]),
        (",text,label\n0,hi,a\n1,ho,b\n", ["hi", "ho"]),
        (" text , label \nhi,a\nho,b", ["hi", "ho"]),
        ("text,label\n" + "x" * 100_000 + ",a\n" + "y" * 300_000 + ",b\n", ["x" * 100_000, "y" * 300_000]),
    ],
)
def test_csv_as_people_write_it(tmp_path: Path, content: str, texts: list[str]) -> None:
    train = loaded(tmp_path, content).train
    assert train.inputs == texts
    assert train.targets == ["a", "b"]


def test_a_label_may_hold_a_comma(tmp_path: Path) -> None:
    train = loaded(tmp_path, 'text,label\nhi,"one, two"\nho,three\n').train
    assert train.labels == ("one, two", "three")


def test_jsonl_keeps_line_separators_inside_a_text(tmp_path: Path) -> None:
    rows = "".join(
        json.dumps({"text": t, "label": n}, ensure_ascii=False) + "\n"
        for n, t in enumerate(("a\u2028b", "two\nlines"))
    )
    train = loaded(tmp_path, rows, name="train.jsonl").train
    assert train.inputs == ["a\u2028b", "two\nlines"]
    assert train.targets == ["0", "1"]


def test_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["hi", "ho"], "label": [3, 4]}).write_parquet(tmp_path / "t.parquet")
    config = DataConfig(train="t.parquet", **CONFIG)
    train = load(config, root=tmp_path, offline=True, cache=tmp_path).train
    assert train.targets == ["3", "4"]


def test_every_role_is_read(tmp_path: Path) -> None:
    train = loaded(
        tmp_path,
        "text,label,who,where,how,lang,other\nhi,a,c1,north,Special,en-GB, hola \nho,b,,,,,\n",
        group="who",
        site="where",
        sensitivity="how",
        language="lang",
        translation="other",
    ).train
    first, second = train.examples
    assert (first.group, first.subject, first.site, first.language) == ("c1", "c1", "north", "en")
    assert first.sensitivity is DataClass.SPECIAL
    assert (second.group, second.site, second.sensitivity, second.language) == (None,) * 4
    assert (first.translation, second.translation) == ("hola", None)


texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=80
).filter(str.strip)


@given(rows=st.lists(st.tuples(texts, st.sampled_from(["a", "b, c", 'd"', "é"])), min_size=1, max_size=20))
def test_whatever_csv_writes_is_read_back(rows: list[tuple[str, str]], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    config = DataConfig(train="t.csv", **CONFIG)
    read = tried(lambda: load(config, root=folder, offline=True, cache=folder).train)
    if isinstance(read, DataError):
        assert "numbers only" in read.what
        return
    assert list(zip(read.inputs, read.targets, strict=True)) == rows
    assert len(set(read.ids)) == len(rows)


# ------------------------------------------------------------------------------- ids


def test_ids_are_stable_and_copies_get_their_own(tmp_path: Path) -> None:
    one = loaded(tmp_path, "text,label\nhi,a\nho,b\nhi,a\n").train
    other = loaded(tmp_path, "text,label\nho,b\nhi,a\nhi,a\nnew,a\n").train
    assert len(set(one.ids)) == 3
    assert set(one.ids) < set(other.ids)
    assert all(len(i) == 16 for i in one.ids)


def test_ids_of_the_test_do_not_depend_on_train(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nhi,a\nho,b\n")
    alone = loaded(tmp_path, "text,label\nelse,a\nother,b\n", test="test.csv").test
    copied = loaded(tmp_path, "text,label\nhi,a\nho,b\n", test="test.csv")
    assert alone is not None
    assert copied.test is not None
    assert alone.ids == copied.test.ids
    assert not set(copied.test.ids) & set(copied.train.ids)


# ------------------------------------------------------------------------ bad input

SECRET = "mi rodilla derecha"


@pytest.mark.parametrize(
    ("content", "where", "words"),
    [
        (b"", "train.csv", "empty"),
        (b" \n\n", "train.csv", "empty"),
        (b"\xef\xbb\xbf", "train.csv", "empty"),
        (b"text,label\n", "train.csv", "only a header"),
        (f"text,label\n{SECRET} ma\u00f1ana,a\n".encode("latin-1"), "train.csv:2", "not valid UTF-8"),
        ("text,label\nhi,a\n".encode("utf-16"), "train.csv:1", "UTF-16"),
        (b"text,label\nhi,a\nh\x00o,b\n", "train.csv:3", "NUL"),
        (f"text,label\nhi,a\n{SECRET}, izquierda,a\n".encode(), "train.csv:3", "3 cells"),
        (f"text,label\n{SECRET}\nhi,a\n".encode(), "train.csv:2", "1 cells"),
        (f'text,label\nhi,a\n"{SECRET},b\nho,b\n'.encode(), "train.csv:3", "not valid CSV"),
        (b"text,label,label\nhi,a,b\n", "train.csv:1", "more than once"),
        (b"text,lable\nhi,a\n", "train.csv:1", "no column 'label'"),
        (f"text,label\nhi,a\n  ,b\n{SECRET},\n".encode(), "train.csv:3", "is empty"),
        (b"text,label\n1,a\n2,b\n", "train.csv:2", "numbers only"),
        (f"{SECRET} me duele mucho al bajar la escalera,a\nhola,b\n".encode(), "train.csv:1", "no column"),
    ],
)
def test_bad_csv_says_where_and_what_and_no_text(
    tmp_path: Path, content: bytes, where: str, words: str
) -> None:
    error = refused(tmp_path, content)
    first = error.problems[0] if error.problems else error
    assert first.where == where
    assert words in first.what
    assert first.mend
    assert SECRET not in f"{error} {error.problems}"


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    error = refused(tmp_path, "text,lable\nhi,a\n")
    assert "Did you mean 'lable'?" in error.mend


def test_all_problems_of_all_files_at_once(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\n,a\nho,b\n,a\n")
    error = refused(tmp_path, "text,klass\nhi,a\n", test="test.csv", group="who")
    assert {p.where for p in error.problems} == {"test.csv:1", "train.csv:1"}
    (tmp_path / "test.csv").write_text("text,label\n,a\nho,\n,a\n")
    error = refused(tmp_path, "text,klass\nhi,a\n", test="test.csv")
    assert [p.where for p in error.problems] == ["test.csv:2", "test.csv:3", "train.csv:1"]
    assert "2 rows: lines 2, 4" in error.problems[0].what


def test_many_ragged_rows_are_counted_not_listed(tmp_path: Path) -> None:
    error = refused(tmp_path, "text,label\n" + "a,b,c\n" * 500)
    assert len(error.problems) == 21
    assert "480 more" in error.problems[-1].what


def test_an_unknown_sensitivity_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, "text,label,s\nhi,a,secret\n", sensitivity="s")
    assert "public, internal, personal, special" in error.mend


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not valid JSON"),
        ('{"text": 3, "label": "a"}', "a number, not text"),
        ('{"text": ["x"], "label": "a"}', "a list, not text"),
        ('{"text": "x", "label": null}', "is empty"),
        ('{"text": "x", "label": 0.5}', "a number, not text"),
        ('{"text": "half \\ud83d", "label": "a"}', "half a character"),
        ('{"text": "x\\u0000", "label": "a"}', "NUL"),
        ('{"\\ud83d": "x", "label": "a"}', "half a character"),
    ],
)
def test_bad_jsonl(tmp_path: Path, line: str, words: str) -> None:
    error = refused(tmp_path, '{"text": "hi", "label": "a"}\n' + line + "\n", name="train.jsonl")
    assert words in error.what


def test_bad_parquet_and_unknown_endings(tmp_path: Path) -> None:
    assert "Parquet" in refused(tmp_path, b"PAR1 not really", name="t.parquet", train="t.parquet").what
    assert "format" in refused(tmp_path, b"x", name="t.xlsx", train="t.xlsx").what


@pytest.mark.parametrize("path", ["absent.csv", "absent.parquet", "~nobody-here/a.csv", "a" * 5000 + ".csv"])
def test_a_file_that_cannot_be_there(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError):
        load(DataConfig(train=path, **CONFIG), root=tmp_path, offline=True, cache=tmp_path)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DataError, match="folder"):
        load(DataConfig(train="t.csv", **CONFIG), root=tmp_path, offline=True, cache=tmp_path)


@given(content=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
def test_any_bytes_are_read_or_refused_in_words(content: bytes, suffix: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / f"t{suffix}").write_bytes(content)
    config = DataConfig(train=f"t{suffix}", **CONFIG)
    read = tried(lambda: load(config, root=folder, offline=True, cache=folder))
    assert isinstance(read, Loaded) or read.where


def test_offline_never_downloads(tmp_path: Path) -> None:
    for path, extra in (("https://example.com/a.csv", {"sha256": "0" * 64}), ("hf://org/name@abc", {})):
        with pytest.raises(EnvironmentLacks, match="offline"):
            load(
                DataConfig(train={"path": path, **extra}, **CONFIG),
                root=tmp_path,
                offline=True,
                cache=tmp_path,
            )
