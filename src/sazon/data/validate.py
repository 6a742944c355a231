"""Look at the data before any work is done: what would mislead, and what cannot work.

Findings count and point; they never quote an input.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from sazon.core.types import Dataset, Finding, Floats, Phrase
from sazon.core.words import Value
from sazon.data.duplicates import near_rows, repeated_rows
from sazon.data.language import detect
from sazon.data.load import Loaded
from sazon.data.plain import plain
from sazon.data.split import straddling

FEW_ROWS_PER_CLASS = 5
"""Fewer rows of a class than this can hardly be learnt, let alone cut into splits."""
MANY_LABELS_SHARE = 0.5
TOKENS_PER_WORD = 2.0
"""More pieces a word than this say that the tokenizer was made for other texts."""
FOREIGN_SHARE = 0.1
PACKAGE = "sazon.data"
MULTILINGUAL = (
    "hf://sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2@COMMIT",
    "hf://intfloat/multilingual-e5-small@COMMIT",
)
_TOKENIZED_ROWS = 2_000

Tokens = Callable[[list[str]], list[int]]
"""Texts → how many tokens each has for the base model."""


def check(
    loaded: Loaded,
    *,
    base_languages: Mapping[str, tuple[str, ...]] | None = None,
    tokens: Tokens | None = None,
    max_tokens: int | None = None,
) -> list[Finding]:
    """All that a reader of the numbers should know about the data, errors first.

    Args:
        loaded: what `load` read.
        base_languages: name of a base model → languages it was made for; empty where unknown.
        tokens: counts the tokens of texts, as the base model cuts them.
        max_tokens: what the base model reads at most; the rest of a text is cut off.
    """
    found = [
        *(_classes(loaded) if loaded.config.task == "classify" else ()),
        *(_labels_only_elsewhere(loaded) if loaded.config.task == "classify" else ()),
        *_groups(loaded),
        *_duplicates(loaded),
        *_conflicts(loaded),
        *_languages(loaded, base_languages or {}),
        *(_lengths(loaded, tokens, max_tokens) if tokens is not None else ()),
        *_sensitivity(loaded),
        *_translations(loaded),
    ]
    return sorted(found, key=lambda f: ("error", "warning", "note").index(f.level))


def _parts(loaded: Loaded) -> list[Dataset]:
    return [d for d in (loaded.train, loaded.validation, loaded.test) if d is not None]


def _named(names: list[str]) -> str:
    """Up to five names; signs instead of words, so that it reads in every language."""
    shown = ", ".join(repr(n) for n in sorted(names)[:5])
    return shown + (f", … (+{len(names) - 5})" if len(names) > 5 else "")


def _saw(key: str, **values: Value) -> Phrase:
    return Phrase(package=PACKAGE, key=f"saw.{key}", values=values)


def _mend(key: str, **values: Value) -> Phrase:
    return Phrase(package=PACKAGE, key=f"mend.{key}", values=values)


# ------------------------------------------------------------------ classes, groups


def _classes(loaded: Loaded) -> Iterator[Finding]:
    config, counts = loaded.config, Counter(loaded.train.targets)
    if len(counts) < 2:
        yield Finding(
            level="error",
            says=_saw("one_class", classes=len(counts)),
            where=f"data.target {config.target}",
            mends=_mend("one_class"),
            count=len(counts),
        )
    few = [label for label, n in counts.items() if n < FEW_ROWS_PER_CLASS]
    if few and len(counts) > 1:
        yield Finding(
            level="warning",
            says=_saw("few_rows", classes=len(few), rows=FEW_ROWS_PER_CLASS, names=_named(few)),
            where="data.train",
            mends=_mend("few_rows"),
            count=len(few),
        )
    if len(counts) > max(20, MANY_LABELS_SHARE * len(loaded.train)):
        yield Finding(
            level="warning",
            says=_saw("free_text", targets=len(counts), rows=len(loaded.train)),
            where=f"data.target {config.target}",
            mends=_mend("free_text"),
            count=len(counts),
        )
    alike = _alike(loaded.labels)
    if alike:
        yield Finding(
            level="warning",
            says=_saw("alike", names=_named(alike)),
            where=f"data.target {config.target}",
            mends=_mend("alike"),
            count=len(alike),
        )


def _labels_only_elsewhere(loaded: Loaded) -> Iterator[Finding]:
    # A label that the recipe describes can be learnt without a row.
    known = {*loaded.train.targets, *loaded.config.labels}
    for part in _parts(loaded)[1:]:
        unknown = sorted(set(part.targets) - known)
        if unknown:
            rows = sum(t in set(unknown) for t in part.targets)
            yield Finding(
                level="warning",
                says=_saw("labels_elsewhere", rows=rows, part_key=f"part.{part.name}", names=_named(unknown)),
                where=f"data.{part.name}",
                mends=_mend("labels_elsewhere"),
                count=rows,
            )


def _alike(labels: tuple[str, ...]) -> list[str]:
    by_plain: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_plain[plain(label)].append(label)
    return [label for same in by_plain.values() if len(same) > 1 for label in same]


def _groups(loaded: Loaded) -> Iterator[Finding]:
    for one, other in combinations(_parts(loaded), 2):
        shared = straddling(one, other)
        if shared:
            yield Finding(
                level="error",
                says=_saw(
                    "straddling",
                    groups=shared,
                    one_key=f"part.{one.name}",
                    other_key=f"part.{other.name}",
                ),
                where=f"data.group {loaded.config.group}",
                mends=_mend("straddling"),
                count=shared,
            )
    if loaded.config.group is not None:
        without = sum(e.group is None for e in loaded.train.examples)
        if without:
            yield Finding(
                level="note",
                says=_saw("no_group", rows=without),
                where=f"data.group {loaded.config.group}",
                count=without,
            )


def _sensitivity(loaded: Loaded) -> Iterator[Finding]:
    if loaded.config.sensitivity is None:
        return
    unknown = sum(e.sensitivity is None for part in _parts(loaded) for e in part.examples)
    if unknown:
        yield Finding(
            level="warning",
            says=_saw("no_sensitivity", rows=unknown),
            where=f"data.sensitivity {loaded.config.sensitivity}",
            mends=_mend("no_sensitivity"),
            count=unknown,
        )


# ------------------------------------------------------------------------ duplicates


def _duplicates(loaded: Loaded) -> Iterator[Finding]:
    config, train = loaded.config, loaded.train
    if loaded.test is None:
        repeated = int(repeated_rows(train.inputs, config.near_duplicate).sum())
        exact = len(train) - len({plain(t) for t in train.inputs})
        if repeated:
            yield Finding(
                level="note" if config.drop_duplicates else "warning",
                says=_saw("repeated", rows=repeated, copies=exact),
                where="data.train",
                mends=None if config.drop_duplicates else _mend("drop_duplicates"),
                count=repeated,
            )
        return
    for other in (d for d in (loaded.test, loaded.validation) if d is not None):
        texts = {plain(t) for t in other.inputs}
        exact = sum(plain(t) in texts for t in train.inputs)
        near = int(near_rows(train.inputs, other.inputs, config.near_duplicate).sum()) - exact
        if not exact + near:
            continue
        removed = config.drop_duplicates and other is loaded.test
        yield Finding(
            level="note" if removed else "warning",
            says=_saw(
                "duplicates_removed" if removed else "duplicates",
                exact=exact,
                near=near,
                part_key=f"part.{other.name}",
                similarity_level=config.near_duplicate,
            ),
            where="data.train",
            mends=None if other is not loaded.test or removed else _mend("drop_duplicates"),
            count=exact + near,
        )


def _conflicts(loaded: Loaded) -> Iterator[Finding]:
    if loaded.config.task != "classify":
        return
    labels: dict[str, set[str]] = defaultdict(set)
    for part in _parts(loaded):
        for example in part.examples:
            labels[plain(example.input)].add(example.target)
    several = sum(len(targets) > 1 for targets in labels.values())
    if several:
        yield Finding(
            level="warning",
            says=_saw("conflicts", texts=several),
            where=f"data.target {loaded.config.target}",
            mends=_mend("conflicts"),
            count=several,
        )


# ----------------------------------------------------------------- language, length


def _languages(loaded: Loaded, base_languages: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    examples = [e for part in _parts(loaded) for e in part.examples]
    counts = Counter(e.language for e in examples)
    for base, languages in base_languages.items():
        if not languages or "multilingual" in languages:
            continue
        # A mixed text needs both languages; a text of unknown language proves nothing.
        foreign = sum(
            n
            for language, n in counts.items()
            if (language == "mixed" and not {"es", "en"} <= set(languages))
            or (language not in (None, "mixed") and language not in languages)
        )
        if foreign > FOREIGN_SHARE * len(examples):
            yield Finding(
                level="warning",
                says=_saw(
                    "foreign",
                    base=base,
                    languages=", ".join(languages),
                    texts=foreign,
                    all_texts=len(examples),
                    counts=_language_counts(counts),
                ),
                where=f"models.{base}",
                mends=_mend("multilingual", bases=", ".join(MULTILINGUAL)),
                count=foreign,
            )


def _language_counts(counts: Counter[str | None]) -> str:
    """Codes and counts: `es 750, es+en 193, ? 7`."""
    codes = {None: "?", "mixed": "es+en"}
    return ", ".join(f"{codes.get(language, language)} {n}" for language, n in counts.most_common(5))


def _translations(loaded: Loaded) -> Iterator[Finding]:
    where = f"data.translation {loaded.config.translation}"
    if loaded.config.translation is None:
        return
    given = [(e, e.translation) for part in _parts(loaded) for e in part.examples if e.translation]
    if not given:
        yield Finding(
            level="warning", says=_saw("no_translation"), where=where, mends=_mend("no_translation"), count=0
        )
    same = sum(
        plain(text) == plain(e.input) or (e.language in ("es", "en") and detect(text) == e.language)
        for e, text in given
    )
    if same:
        yield Finding(
            level="warning",
            says=_saw("same_language", rows=same, all_rows=len(given)),
            where=where,
            mends=_mend("same_language"),
            count=same,
        )


def _lengths(loaded: Loaded, tokens: Tokens, max_tokens: int | None) -> Iterator[Finding]:
    for part in _parts(loaded):
        # An even sample is enough to see a tokenizer that does not fit; lengths are counted on it too.
        step = max(1, len(part) // _TOKENIZED_ROWS)
        sample = part.examples[::step]
        counts = np.array(tokens([e.input for e in sample]), dtype=np.float64)
        if part is loaded.train:
            words = np.array([len(e.input.split()) for e in sample], dtype=np.float64)
            yield from _tokens_per_word(words, counts, [e.language for e in sample])
        cut = int((counts > max_tokens).sum()) if max_tokens is not None else 0
        if cut:
            yield Finding(
                level="warning",
                says=_saw(
                    "too_long" if step == 1 else "too_long_of_sample",
                    texts=cut,
                    part_key=f"part.{part.name}",
                    sample=len(sample),
                    tokens=max_tokens,
                    longest=int(counts.max()),
                ),
                where=f"data.{part.name}",
                mends=_mend("too_long"),
                count=cut,
            )


def _tokens_per_word(words: Floats, tokens: Floats, languages: Sequence[str | None]) -> Iterator[Finding]:
    for language in sorted({name for name in languages if name is not None}):
        of_it = np.array([name == language for name in languages])
        ratio = tokens[of_it].sum() / max(1.0, words[of_it].sum())
        if ratio > TOKENS_PER_WORD:
            yield Finding(
                level="warning",
                says=_saw("many_tokens", language=language, tokens_ratio=float(ratio)),
                where="data.train",
                mends=_mend("multilingual", bases=", ".join(MULTILINGUAL)),
                count=int(of_it.sum()),
            )
