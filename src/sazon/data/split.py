"""Cut the splits once: by group, stratified by target as well as grouping allows.

A group is what the recipe's `group` column says, joined with every row of the same text or of its
translation, so that no customer, no copied and no translated text ever stands on two sides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sazon.core.errors import DataError
from sazon.core.types import Dataset, Phrase, Split, Splits
from sazon.core.words import Value
from sazon.data.duplicates import near_rows
from sazon.data.load import Loaded
from sazon.data.plain import plain


def split(loaded: Loaded, *, cascade: bool, rng: np.random.Generator) -> Splits:
    """Cut the splits that are not given, from train.

    Args:
        loaded: what `load` read; given validation and test files are used as they are.
        cascade: also cut trust and calibration (from train).
        rng: the stream for this purpose; the test split does not depend on `cascade`.

    Raises:
        DataError: a group stands in two given files, or there are too few groups to cut.
    """
    refuse_straddling(loaded)
    test_rng, train_rng = rng.spawn(2)
    train, test, told = _with_test(loaded, test_rng)
    parts = _cut(train, _wanted(loaded, cascade=cascade), loaded.config.task == "classify", train_rng)
    return Splits(
        fit=parts["fit"],
        validation=parts["validation"] if loaded.validation is None else loaded.validation,
        trust=parts.get("trust"),
        calibration=parts.get("calibration"),
        test=test,
        how=(*told, *_what_became(loaded, parts)),
    )


def _with_test(loaded: Loaded, rng: np.random.Generator) -> tuple[Dataset, Dataset, list[Phrase]]:
    """What is left of train, the test split, and how that came about."""
    config, train, test = loaded.config, loaded.train, loaded.test
    if test is None:
        wanted: dict[Split, float] = {"fit": 1 - config.shares.test, "test": config.shares.test}
        parts = _cut(train, wanted, config.task == "classify", rng)
        train, test = parts["fit"], parts["test"]
        told = [_how("test_cut", rows=len(test), all_rows=len(loaded.train), **_manner(loaded))]
    else:
        told = [_how("test_given", rows=len(test))]
    if config.drop_duplicates:
        train, dropped = without_duplicates(train, test, config.near_duplicate)
        told.append(_how("duplicates", rows=dropped, similarity_level=config.near_duplicate))
    return train, test, told


def _what_became(loaded: Loaded, parts: Mapping[Split, Dataset]) -> list[Phrase]:
    """What became of the rows of train."""
    cut = {name: len(part) for name, part in parts.items() if name != "fit"}
    told = []
    if cut:
        manner = {"manner_key": "manner.same"} if loaded.test is None else _manner(loaded)
        told.append(_how("cut_" + "_".join(cut), **cut, **manner))
    if loaded.validation is not None:
        told.append(_how("validation_given", rows=len(loaded.validation)))
    return [*told, _how("fit", rows=len(parts["fit"]))]


def _how(key: str, **values: Value) -> Phrase:
    return Phrase(package="sazon.data", key=f"how.{key}", values=values)


def _manner(loaded: Loaded) -> dict[str, str]:
    """In what manner rows are cut, as values of a phrase."""
    classes = "_by_class" if loaded.config.task == "classify" else ""
    if loaded.config.group is None:
        return {"manner_key": f"manner.rows{classes}"}
    return {"manner_key": f"manner.groups{classes}", "group": loaded.config.group}


def refuse_straddling(loaded: Loaded) -> None:
    """Refuse given files that share a group.

    Raises:
        DataError: one group stands in two of train, validation and test.
    """
    named = [d for d in (loaded.train, loaded.validation, loaded.test) if d is not None]
    for i, one in enumerate(named):
        for other in named[i + 1 :]:
            shared = straddling(one, other)
            if shared:
                raise DataError(
                    f"{shared} groups of column {loaded.config.group!r} stand both in {one.name} and "
                    f"{other.name}, so the test would know whom it is asked about",
                    where="data",
                    mend="Move all rows of a group into one file, or give only train and let sazon cut.",
                )


def straddling(one: Dataset, other: Dataset) -> int:
    """How many groups stand in both."""
    return len({e.group for e in one.examples} & {e.group for e in other.examples} - {None})


def without_duplicates(train: Dataset, test: Dataset, threshold: float) -> tuple[Dataset, int]:
    """Train without the rows that are exact or near duplicates of a test row, and how many went."""
    near = near_rows(train.inputs, test.inputs, threshold)
    kept = np.flatnonzero(~near)
    if not len(kept):
        raise DataError(
            "every row of train is a duplicate of a test row", where="data", mend="Give other test rows."
        )
    return train.select(kept.tolist()), len(train) - len(kept)


def _wanted(loaded: Loaded, *, cascade: bool) -> dict[Split, float]:
    """Split → share of the rows of train."""
    shares = loaded.config.shares
    wanted: dict[Split, float] = {}
    if loaded.validation is None:
        wanted["validation"] = shares.validation
    if cascade:
        wanted |= {"trust": shares.trust, "calibration": shares.calibration}
    return {"fit": 1 - sum(wanted.values()), **wanted}


# -------------------------------------------------------------------------- cutting


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Rows that must stay together and how many there are of each class."""

    rows: tuple[int, ...]
    classes: Mapping[str, int]


def _cut(
    data: Dataset, shares: Mapping[Split, float], stratified: bool, rng: np.random.Generator
) -> dict[Split, Dataset]:
    """Distribute whole groups over splits so that each gets its share of each class.

    Online apportionment: groups come largest first, in random order among equals, and each goes
    to the split that is furthest behind its share of what has come so far, counted by class and
    over all; first of all `fit` gets one group of every class.

    Source: Sechidis, Tsoumakas, Vlahavas 2011, On the Stratification of Multi-Label Data
    (greedy by remaining need), with the quota of Balinski and Young 1975 as the need.
    """
    if len(shares) == 1:
        return {"fit": replace(data, split="fit")}
    groups = _groups(data, stratified)
    if len(groups) < len(shares):
        raise DataError(
            f"{len(groups)} groups cannot be cut into {len(shares)} splits",
            where="data",
            mend="Give more rows or groups, or give validation and test as files of their own.",
        )
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    ordered = sorted(shuffled, key=lambda g: -len(g.rows))
    reserved = _one_of_each_class(ordered)
    apportionment = _Apportionment(shares)
    for i in sorted(reserved):
        apportionment.give("fit", ordered[i])
    for i, group in enumerate(ordered):
        if i not in reserved:
            apportionment.give(apportionment.furthest_behind(group), group)
    apportionment.fill_empty()
    return {
        name: data.select(sorted(r for g in given for r in g.rows), split=name)
        for name, given in apportionment.given.items()
    }


def _groups(data: Dataset, stratified: bool) -> list[_Group]:
    """Rows joined by group and by equal text, translations included, in order of their first row."""
    above = list(range(len(data)))

    def root(i: int) -> int:
        while above[i] != i:
            above[i] = above[above[i]]
            i = above[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, example in enumerate(data.examples):
        keys = [("text", plain(text)) for text in (example.input, example.translation) if text]
        if example.group is not None:
            keys.append(("group", example.group))
        for key in keys:
            one, other = sorted((root(first.setdefault(key, i)), root(i)))
            above[other] = one
    members: dict[int, list[int]] = defaultdict(list)
    for i in range(len(data)):
        members[root(i)].append(i)
    label = (lambda i: data.examples[i].target) if stratified else (lambda i: "")
    return [_Group(rows=tuple(rows), classes=Counter(label(i) for i in rows)) for rows in members.values()]


def _one_of_each_class(groups: Sequence[_Group]) -> set[int]:
    """Groups, smallest first, that between them hold every class; rare classes choose first."""
    holders: dict[str, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        for label in group.classes:
            holders[label].append(i)
    chosen: set[int] = set()
    for label in sorted(holders, key=lambda c: (len(holders[c]), c)):
        if not chosen & set(holders[label]):
            chosen.add(holders[label][-1])
    return chosen


class _Apportionment:
    """Which groups each split has been given so far."""

    def __init__(self, shares: Mapping[Split, float]) -> None:
        self._shares = shares
        self._seen: Counter[str] = Counter()
        self._has: dict[Split, Counter[str]] = {name: Counter() for name in shares}
        self.given: dict[Split, list[_Group]] = {name: [] for name in shares}

    def give(self, name: Split, group: _Group) -> None:
        self._seen.update(group.classes)
        self._has[name].update(group.classes)
        self.given[name].append(group)

    def furthest_behind(self, group: _Group) -> Split:
        """The split whose quota of these classes, and of all rows, is least fulfilled."""
        size = len(group.rows)
        total = sum(self._seen.values()) + size

        def need(name: Split) -> float:
            share, has = self._shares[name], self._has[name]
            by_class = sum(n * (share * (self._seen[c] + n) - has[c]) for c, n in group.classes.items())
            return by_class / size + share * total - has.total()

        return max(self._shares, key=need)

    def fill_empty(self) -> None:
        """Give every empty split one group that `fit` can spare.

        Raises:
            DataError: there is none to spare.
        """
        for name, given in self.given.items():
            if given:
                continue
            spare = self._spare()
            if spare is None:
                raise DataError(
                    f"there are too few rows or groups to cut a {name} split and keep every class to fit on",
                    where="data",
                    mend="Give more rows or groups, or give validation and test as files of their own.",
                )
            given.append(spare)

    def _spare(self) -> _Group | None:
        """Take from `fit` its smallest group whose classes all stand in another of its groups."""
        fit = self.given["fit"]
        holders = Counter(c for g in fit for c in g.classes)
        for group in sorted(fit, key=lambda g: len(g.rows)):
            if len(fit) > 1 and all(holders[c] > 1 for c in group.classes):
                fit.remove(group)
                return group
        return None
