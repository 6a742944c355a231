"""Near duplicates: the fast join finds exactly what comparing all pairs finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.data import duplicates
from sazon.data.duplicates import near_rows, repeated_rows
from sazon.data.plain import plain


def jaccard(one: str, other: str) -> float:
    def grams(text: str) -> set[str]:
        return {text[i : i + 5] for i in range(len(text) - 4)} or {text}

    a, b = grams(plain(one)), grams(plain(other))
    return len(a & b) / len(a | b)


words = st.lists(st.sampled_from(["cita", "card", "hola", "no", "mañana", "👍", "x"]), max_size=8).map(
    " ".join
)


@given(
    rows=st.lists(words, max_size=12),
    others=st.lists(words, max_size=12),
    threshold=st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]),
)
def test_the_same_as_comparing_all_pairs(rows: list[str], others: list[str], threshold: float) -> None:
    expected = [any(jaccard(r, o) >= threshold - 1e-9 for o in others) for r in rows]
    assert near_rows(rows, others, threshold).tolist() == expected
    expected = [
        any(jaccard(r, o) >= threshold - 1e-9 for j, o in enumerate(rows) if i != j)
        for i, r in enumerate(rows)
    ]
    assert repeated_rows(rows, threshold).tolist() == expected


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vocabulary = np.array("cita card hola mañana doctor seguro invoice please".split())
    rows, others = ([" ".join(rng.choice(vocabulary, 5)) for _ in range(n)] for n in (80, 50))
    whole = near_rows(rows, others, 0.6), repeated_rows(rows, 0.6)
    monkeypatch.setattr(duplicates, "BLOCK_CHARACTERS", 300)
    assert len(duplicates._blocks(rows)) > 3
    blocked = near_rows(rows, others, 0.6), repeated_rows(rows, 0.6)
    assert [m.tolist() for m in whole] == [m.tolist() for m in blocked]
    assert 0 < whole[0].sum() < 80


def test_known_similarities() -> None:
    # 6 of 8 distinct 5-grams are shared: J = 0.75.
    assert jaccard("abcdefghijk", "abcdefghijX") == pytest.approx(6 / 8)
    assert near_rows(["abcdefghijk"], ["abcdefghijX"], 0.75).all()
    assert not near_rows(["abcdefghijk"], ["abcdefghijX"], 0.76).any()
    assert near_rows(["¡HOLA   doctor!"], ["¡hola doctor!"], 1.0).all()


def test_long_texts_and_copies_stay_cheap() -> None:
    rng = np.random.default_rng(0)
    alphabet = np.array(list("abcdefghij klmnop"))
    long = "".join(rng.choice(alphabet, 100_000))
    rows = [long, "short", *(["the same again and again"] * 5_000)]
    marked = near_rows(rows, [long[:-3] + "xyz", "the same again and again"] * 2_000, 0.9)
    assert marked[0]
    assert not marked[1]
    assert marked[2:].all()
