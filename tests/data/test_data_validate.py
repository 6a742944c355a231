"""Findings: what misleads is seen, counted, and told without quoting an input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sazon.core.types import DataClass, Dataset, Example, Finding
from sazon.data import DataConfig, Loaded, check

Rows = list[tuple[str, str]]


def dataset(rows: Rows, name: str, **fields: Any) -> Dataset:
    examples = [Example(id=f"{name}{i}", input=t, target=y, **fields) for i, (t, y) in enumerate(rows)]
    return Dataset(name=name, split="all", examples=tuple(examples))


def findings(
    train: Rows, test: Rows | None = None, *, options: dict[str, Any] | None = None, **fields: Any
) -> list[Finding]:
    loaded = Loaded(
        config=DataConfig(train="t.csv", **fields),
        train=dataset(train, "train"),
        validation=None,
        test=None if test is None else dataset(test, "test"),
        unlabelled=None,
    )
    return check(loaded, **(options or {}))


CLEAN: Rows = [
    (f"{word} is what I ask {i}", "ab"[i % 2])
    for i, word in enumerate("moon tree bread chair river stone cloud glass paper wheel".split())
]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_clean_data_gives_no_findings() -> None:
    assert findings(CLEAN) == []


def test_one_class_is_an_error() -> None:
    finding = only(findings([(t, "a") for t, _ in CLEAN]))
    assert (finding.level, finding.count) == ("error", 1)


def test_labels_only_in_test() -> None:
    finding = only(findings(CLEAN, [("a wholly different matter", "c"), ("yet another one here", "a")]))
    assert "'c'" in finding.what
    assert finding.count == 1


def test_rare_classes() -> None:
    finding = only(findings([*CLEAN, ("just this one example", "rare")]))
    assert "'rare'" in finding.what


def test_labels_that_differ_in_case() -> None:
    found = findings([(text, label.upper() if i < 5 else label) for i, (text, label) in enumerate(CLEAN)])
    assert [f.count for f in found if "case" in f.what] == [4]


def test_duplicates_across_train_and_test() -> None:
    copies: Rows = [(CLEAN[0][0].upper(), CLEAN[0][1])]
    finding = only(findings(CLEAN, copies))
    assert "1 exact and 0 near" in finding.what
    assert "drop_duplicates" in finding.mend
    assert only(findings(CLEAN, copies, drop_duplicates=True)).level == "note"


def test_near_duplicates_within_train_where_the_test_is_cut() -> None:
    long = "I have been waiting for my new card for more than two weeks and nobody tells me anything at all"
    finding = only(findings([*CLEAN, (long, "a"), (long + "!", "a")]))
    assert finding.count == 2
    assert "drop_duplicates" in finding.mend


def test_conflicting_labels() -> None:
    found = findings([*CLEAN, (CLEAN[0][0], "b")])
    assert any("different labels" in f.what for f in found)


def test_a_group_on_both_sides_is_an_error_and_comes_first() -> None:
    loaded = Loaded(
        config=DataConfig(train="t.csv", group="who"),
        train=dataset(CLEAN, "train", group="x"),
        validation=None,
        test=dataset([*CLEAN[:1], ("unheard of so far", "c")], "test", group="x"),
        unlabelled=None,
    )
    assert check(loaded)[0].level == "error"
    assert "1 groups" in check(loaded)[0].what


@pytest.mark.parametrize(("languages", "warned"), [(("en",), True), (("en", "es"), False), ((), False)])
def test_an_english_base_on_spanish_texts(languages: tuple[str, ...], warned: bool) -> None:
    loaded = Loaded(
        config=DataConfig(train="t.csv"),
        train=dataset(CLEAN, "train", language="es"),
        validation=None,
        test=None,
        unlabelled=None,
    )
    found = check(loaded, base_languages={"minilm": languages})
    assert bool(found) == warned
    if warned:
        assert "hf://sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2" in found[0].mend
        assert found[0].where == "models.minilm"


def test_tokens_per_word_and_truncation() -> None:
    loaded = Loaded(
        config=DataConfig(train="t.csv"),
        train=dataset(CLEAN, "train", language="es"),
        validation=None,
        test=None,
        unlabelled=None,
    )
    found = check(loaded, tokens=lambda texts: [3 * len(t.split()) for t in texts], max_tokens=10)
    assert any("3.0 tokens a word" in f.what for f in found)
    assert any(f.count == len(CLEAN) and "cut off" in f.what for f in found)
    assert check(loaded, tokens=lambda texts: [len(t.split()) for t in texts], max_tokens=100) == []


def test_unknown_sensitivity_counts_as_special() -> None:
    finding = only(findings(CLEAN, sensitivity="s"))
    assert "count as special" in finding.what
    loaded = Loaded(
        config=DataConfig(train="t.csv", sensitivity="s"),
        train=dataset(CLEAN, "train", sensitivity=DataClass.PUBLIC),
        validation=None,
        test=None,
        unlabelled=None,
    )
    assert check(loaded) == []


def test_no_finding_quotes_an_input() -> None:
    secret = "the knee of my neighbour hurts"
    found = findings([*CLEAN, (secret, "a"), (secret, "b"), (secret, "c")], [(secret, "d")])
    assert len(found) >= 3
    assert "knee" not in str(found)


def test_free_text_answers_need_no_classes() -> None:
    assert findings([(t, f"answer {i}") for i, (t, _) in enumerate(CLEAN)], task="generate") == []


def test_translations_that_are_none_are_told() -> None:
    assert only(findings(CLEAN, translation="other")).what.startswith("no row has a translation")


@pytest.mark.parametrize(
    ("translation", "count"),
    [("quiero que me devuelvan el dinero", 0), ("please give me my money back", 1), ("Ok  Then", 1)],
)
def test_a_translation_into_the_same_language_is_told(translation: str, count: int) -> None:
    text = "ok then" if translation == "Ok  Then" else "I want my money back"
    train = dataset([*CLEAN, (text, "a")], "train")
    last = replace(train.examples[-1], translation=translation, language="en" if " my " in text else None)
    loaded = Loaded(
        config=DataConfig(train="t.csv", translation="other"),
        train=replace(train, examples=(*train.examples[:-1], last)),
        validation=None,
        test=None,
        unlabelled=None,
    )
    assert [f.count for f in check(loaded)] == [count] * bool(count)
