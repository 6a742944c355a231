"""Digests: stable, and different wherever the content is."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sazon.core import digest


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_texts_collide_only_when_equal(a: list[str], b: list[str]) -> None:
    assert (digest.of_text(*a) == digest.of_text(*b)) == (a == b)


def test_json_ignores_key_order() -> None:
    assert digest.of_json({"a": 1, "b": [2]}) == digest.of_json({"b": [2], "a": 1})
    assert digest.of_json({"a": 1}) != digest.of_json({"a": 2})


def test_known_value() -> None:
    assert digest.of_bytes(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_folder_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest.of_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = digest.of_folder(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, digest.of_folder(tmp_path)}) == 3
