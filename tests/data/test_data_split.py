"""The cut: disjoint, whole, by group, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import DataError
from sazon.core.types import Dataset, Example, Splits
from sazon.core.words import sentences
from sazon.data import DataConfig, Loaded, split
from sazon.data.plain import plain

Row = tuple[str, str, str | None]


def dataset(rows: list[Row], name: str = "train") -> Dataset:
    examples = [
        Example(id=f"{name}{i}", input=text, target=target, group=group, subject=group)
        for i, (text, target, group) in enumerate(rows)
    ]
    return Dataset(name=name, split="all", examples=tuple(examples))


def loaded(rows: list[Row], *, test: list[Row] | None = None, **fields: Any) -> Loaded:
    return Loaded(
        config=DataConfig(train="t.csv", group="who", **fields),
        train=dataset(rows),
        validation=None,
        test=None if test is None else dataset(test, "test"),
        unlabelled=None,
    )


def parts(splits: Splits) -> list[Dataset]:
    named = (splits.fit, splits.validation, splits.trust, splits.calibration, splits.test)
    return [d for d in named if d is not None]


def tried(action: Callable[[], Splits]) -> Splits | DataError:
    """The splits, or the error in words."""
    try:
        return action()
    except DataError as error:
        return error


rows = st.lists(
    st.tuples(
        st.integers(0, 60).map("message {}".format),
        st.sampled_from("abcd"),
        st.one_of(st.none(), st.integers(0, 25).map(str)),
    ),
    min_size=1,
    max_size=120,
)


@given(rows=rows, cascade=st.booleans(), seed=st.integers(0, 5))
def test_what_must_hold_of_every_cut(rows: list[Row], cascade: bool, seed: int) -> None:
    given_rows = loaded(rows)
    made = tried(lambda: split(given_rows, cascade=cascade, rng=np.random.default_rng(seed)))
    if isinstance(made, DataError):
        assert "cut" in made.what
        return
    assert len(parts(made)) == (5 if cascade else 3)
    assert sorted(i for p in parts(made) for i in p.ids) == sorted(given_rows.train.ids)
    assert all(len(p) for p in parts(made))
    for i, one in enumerate(parts(made)):
        for other in parts(made)[i + 1 :]:
            assert not {e.group for e in one.examples} & {e.group for e in other.examples} - {None}
            assert not {plain(t) for t in one.inputs} & {plain(t) for t in other.inputs}
    again = split(given_rows, cascade=cascade, rng=np.random.default_rng(seed))
    assert again.digests == made.digests
    assert set(made.fit.labels) == set(given_rows.train.labels)


def test_shares_and_classes_are_kept_where_nothing_ties_rows() -> None:
    free: list[Row] = [(f"text {i}", "abcdefghij"[i % 10], None) for i in range(1000)]
    made = split(loaded(free), cascade=False, rng=np.random.default_rng(0))
    assert len(made.test) == pytest.approx(250, abs=3)
    assert len(made.validation) == pytest.approx(0.15 * 750, abs=3)
    for part, share in ((made.test, 25), (made.validation, 11)):
        assert all(abs(n - share) <= 2 for n in Counter(part.targets).values())


def test_many_rare_classes_do_not_bias_the_sizes() -> None:
    free: list[Row] = [(f"text {i}", f"class {i // 4}", None) for i in range(800)]
    made = split(loaded(free), cascade=True, rng=np.random.default_rng(0))
    assert len(made.test) == pytest.approx(200, abs=12)
    assert [len(p) for p in parts(made)][1:4] == pytest.approx([90, 60, 90], abs=12)


def test_the_test_is_the_same_with_and_without_a_cascade() -> None:
    free: list[Row] = [(f"text {i}", "ab"[i % 2], str(i // 3)) for i in range(300)]
    plainly, cascaded = (split(loaded(free), cascade=c, rng=np.random.default_rng(7)) for c in (False, True))
    assert plainly.test.ids == cascaded.test.ids


@given(seed=st.integers(0, 30))
def test_a_text_and_its_translation_stay_on_one_side(seed: int) -> None:
    one = loaded([(f"{word} {i}", "ab"[i % 2], None) for i in range(40) for word in ("hola", "hello")])
    others = {"hola": "Hello", "hello": "hola"}
    translated = tuple(
        replace(e, translation=" ".join((others[word], number)))
        for e in one.train.examples
        for word, number in [e.input.split()]
    )
    cut = split(
        replace(one, train=replace(one.train, examples=translated)),
        cascade=True,
        rng=np.random.default_rng(seed),
    )
    sides = [{text.split()[1] for text in part.inputs} for part in parts(cut)]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 40


def test_seeds_differ() -> None:
    free: list[Row] = [(f"text {i}", "ab"[i % 2], None) for i in range(100)]
    digests = [split(loaded(free), cascade=False, rng=np.random.default_rng(s)).test.digest for s in range(4)]
    assert all(a != b for a, b in pairwise(digests))


def test_a_given_test_is_used_as_it_is() -> None:
    test: list[Row] = [("one", "a", "x"), ("two", "b", "y")]
    free: list[Row] = [(f"text {i}", "ab"[i % 2], str(i)) for i in range(40)]
    made = split(loaded(free, test=test), cascade=False, rng=np.random.default_rng(0))
    assert made.test.ids == ["test0", "test1"]
    assert "used as given (2 rows)" in sentences(made.how, "en")
    assert made.trust is None


def test_a_cut_test_says_so() -> None:
    free: list[Row] = [(f"text {i}", "ab"[i % 2], str(i)) for i in range(40)]
    how = sentences(split(loaded(free), cascade=False, rng=np.random.default_rng(0)).how, "en")
    assert how.startswith("No test file was given: 10 of 40 rows")
    assert "by who" in how


def test_a_group_on_both_sides_is_refused() -> None:
    shared = loaded([("a", "a", "x"), ("b", "b", "y")], test=[("c", "a", "x")])
    with pytest.raises(DataError, match="1 groups of column 'who'"):
        split(shared, cascade=False, rng=np.random.default_rng(0))


def test_duplicates_of_the_test_are_dropped_on_request() -> None:
    free: list[Row] = [(f"a text of its own, number {i * 7919}", "ab"[i % 2], None) for i in range(40)]
    test: list[Row] = [("A text of its own,  number 0", "a", None), ("something else entirely", "b", None)]
    kept = split(loaded(free, test=test), cascade=False, rng=np.random.default_rng(0))
    dropped = split(
        loaded(free, test=test, drop_duplicates=True), cascade=False, rng=np.random.default_rng(0)
    )
    assert len(kept.fit) + len(kept.validation) == 40
    assert len(dropped.fit) + len(dropped.validation) == 39
    assert "1 rows of train were removed" in sentences(dropped.how, "en")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_groups_are_refused(count: int) -> None:
    tied: list[Row] = [(f"text {i}", "ab"[i % 2], str(i % count)) for i in range(50)]
    with pytest.raises(DataError, match=r"cut"):
        split(loaded(tied), cascade=False, rng=np.random.default_rng(0))


def test_a_class_of_one_group_is_fitted() -> None:
    free: list[Row] = [(f"text {i}", "ab"[i % 2], None) for i in range(60)]
    free.append(("the only one", "rare", None))
    for seed in range(20):
        made = split(loaded(free), cascade=True, rng=np.random.default_rng(seed))
        assert "rare" in made.fit.labels


def test_a_text_to_write_needs_no_classes() -> None:
    free: list[Row] = [(f"text {i}", f"answer {i}", None) for i in range(100)]
    made = split(loaded(free, task="generate"), cascade=False, rng=np.random.default_rng(0))
    assert len(made.test) == pytest.approx(25, abs=2)
    assert "stratified" not in sentences(made.how, "en")
