"""The shipped task is what its data card says: written one by one, bilingual, with valid identifiers."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from sazon.core.types import DataClass, Dataset
from sazon.data import check, demo, load, split

NIF_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
NIF = re.compile(r"(?<![\w])([XYZ]?)(\d{7,8})[- ]?([A-Z])(?![\w])", re.IGNORECASE)


@cache
def data() -> Dataset:
    return load(demo.config(), root=Path(), offline=True, cache=Path()).train


def test_columns_and_size() -> None:
    header = demo.path().read_text("utf-8").split("\n", 1)[0].strip()
    assert header == "text,intent,customer,branch,language,data_class"
    assert len(data()) >= 1000


def test_intents_and_branches() -> None:
    assert 12 <= len(data().labels) <= 14
    branches = {e.site for e in data().examples}
    assert len(branches) == 3
    assert None not in branches
    mixes = {
        b: Counter(e.target for e in data().examples if e.site == b).most_common(3)
        for b in sorted(branches, key=str)
    }
    assert len({tuple(label for label, _ in mix) for mix in mixes.values()}) > 1, "the branches differ"


def test_about_half_is_spanish() -> None:
    languages = Counter(e.language for e in data().examples)
    assert set(languages) == {"es", "en", "mixed"}
    assert 0.4 <= languages["es"] / len(data()) <= 0.6
    assert languages["mixed"] >= 50


def test_every_row_says_how_sensitive_it_is() -> None:
    classes = Counter(e.sensitivity for e in data().examples)
    assert None not in classes
    assert classes[DataClass.SPECIAL] >= 100


def test_customers_come_back_and_stay_at_their_branch() -> None:
    assert all(e.group for e in data().examples)
    messages = Counter(e.group for e in data().examples)
    assert sum(n > 1 for n in messages.values()) >= 100


def test_no_two_texts_share_more_than_60_percent_of_their_5_grams() -> None:
    texts = [t.lower() for t in data().inputs]
    grams = [{t[i : i + 5] for i in range(len(t) - 4)} or {t} for t in texts]
    column = {g: i for i, g in enumerate(sorted(set().union(*grams)))}
    rows = np.repeat(np.arange(len(grams)), [len(g) for g in grams])
    columns = np.array([column[g] for text in grams for g in text])
    matrix = csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(len(grams), len(column)))
    shared = (matrix @ matrix.T).tocoo()
    sizes = np.array([len(g) for g in grams])
    share = shared.data / np.minimum(sizes[shared.row], sizes[shared.col])
    alike = (share > 0.6) & (shared.row < shared.col)
    assert not alike.any(), [
        (data().ids[i], data().ids[j]) for i, j in zip(shared.row[alike], shared.col[alike], strict=True)
    ]


def nif_is_valid(match: re.Match[str]) -> bool:
    prefix, digits, letter = match.groups()
    number = ("XYZ".index(prefix.upper()) if prefix else "", digits)
    return NIF_LETTERS[int("".join(map(str, number))) % 23] == letter.upper()


def test_the_checksum_of_known_identifiers() -> None:
    for known in ("12345678Z", "00000000T", "X1234567L", "Y0000000Z"):
        match = NIF.search(known)
        assert match is not None
        assert nif_is_valid(match), known


def test_identifiers_stand_in_part_of_the_texts_and_are_valid() -> None:
    found = [m for t in data().inputs for m in NIF.finditer(t)]
    valid = [m for m in found if nif_is_valid(m)]
    assert len(valid) >= 20
    assert len(valid) >= 0.9 * len(found)


def test_the_check_finds_nothing_wrong() -> None:
    loaded = load(demo.config(), root=Path(), offline=True, cache=Path())
    assert [f for f in check(loaded) if f.level != "note"] == []


@pytest.mark.parametrize("cascade", [False, True])
def test_it_can_be_split(cascade: bool) -> None:
    loaded = load(demo.config(), root=Path(), offline=True, cache=Path())
    made = split(loaded, cascade=cascade, rng=np.random.default_rng(0))
    assert made.test.labels == loaded.labels
    assert len(made.test) == pytest.approx(0.25 * len(loaded.train), rel=0.05)
