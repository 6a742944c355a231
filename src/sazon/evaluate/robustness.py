"""How candidates bear changes that leave the meaning alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sazon.core.seams import Predictor
from sazon.core.types import Dataset, Estimate, Robustness
from sazon.data.plain import plain
from sazon.evaluate.grading import Grader
from sazon.evaluate.perturb import SWAPPED_LANGUAGE, Change, Perturbation, perturb
from sazon.models.member import all_here, answered
from sazon.stats import clusters
from sazon.stats.clusters import Clustering
from sazon.stats.paired import Pair

Labels = Mapping[int, str | None]
"""Row of the test set → answer, None where there is none."""
AS_IT_IS = "the change leaves every row as it is"
NO_TRANSLATION = "no row has a translation"
ALL_LEARNT = "every translation stands among the texts learnt from"
NOT_HERE = "it does not run here, so it was not asked again"


def try_changes(
    predictors: Mapping[str, Predictor],
    test: Dataset,
    changes: Sequence[Change],
    *,
    rows: int,
    level: float,
    rng: np.random.Generator,
    grader: Grader | None = None,
    learnt: Collection[str] = (),
) -> tuple[Robustness, ...]:
    """Accuracy before less accuracy after each change, on the same rows, and how many answers change.

    All candidates see the same changed texts. Rows a change leaves as they are say nothing of it
    and do not count; a row without an answer is not right.

    `swapped_language` asks in the words of the row's translation. Rows without one do not count, nor
    those whose translation somebody learnt from, since it would be known by heart. Where rows of two
    languages or more have one, each is also shown by itself: what is lost from Spanish to English may
    be gained from English to Spanish, and the mean of both would say that nothing happens.

    Args:
        predictors: the candidates; of those that do not run here whole (recorded ones, and cascades
            with such a member) it is said that they could not be asked.
        test: the rows.
        changes: which, in the order of the result.
        rows: at most so many test rows a change, drawn at random.
        level: nominal coverage.
        rng: draws rows and changes.
        grader: says which answers are right; by default those equal to the target.
        learnt: texts that candidates learnt from or chose on.
    """
    if not changes or not predictors:
        return ()
    order = [int(i) for i in rng.permutation(len(test))]
    tried = [
        _translated(test, order, rows, learnt)
        if how == SWAPPED_LANGUAGE
        else _changed(test, how, order[:rows], rng)
        for how in changes
    ]
    compare = _Compare(test=test, grader=grader or Grader(), level=level)
    found: list[Robustness] = []
    for name, predictor in predictors.items():
        if not all_here(predictor):
            found += [_unknown(name, how, NOT_HERE) for how in changes]
            continue
        before = _ask(predictor, {i: test.examples[i].input for one in tried for i in one.texts})
        for one in tried:
            found += compare.candidate(name, one, before, _ask(predictor, one.texts))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """A change and the texts it comes to."""

    how: Change
    texts: Mapping[int, str]
    """Row of the test set → its text after the change, where that differs."""
    reason: str
    """Why there are none, if there are none."""


def _changed(test: Dataset, how: Perturbation, chosen: Sequence[int], rng: np.random.Generator) -> _Tried:
    texts = {i: perturb(test.examples[i].input, how, rng) for i in sorted(chosen)}
    return _Tried(how=how, texts=_different(test, texts), reason=AS_IT_IS)


def _translated(test: Dataset, order: Sequence[int], rows: int, learnt: Collection[str]) -> _Tried:
    """The first rows of `order` that have a translation nobody learnt from."""
    given = {i: text for i in order if (text := test.examples[i].translation) is not None}
    known = {plain(text) for text in learnt} if given else set()
    fresh = {i: text for i, text in given.items() if plain(text) not in known}
    texts = dict(sorted(list(fresh.items())[:rows]))
    reason = NO_TRANSLATION if not given else ALL_LEARNT if not fresh else AS_IT_IS
    return _Tried(how=SWAPPED_LANGUAGE, texts=_different(test, texts), reason=reason)


def _different(test: Dataset, texts: Mapping[int, str]) -> dict[int, str]:
    return {i: text for i, text in texts.items() if text != test.examples[i].input}


@dataclass(frozen=True, kw_only=True)
class _Compare:
    """Sets answers before a change against those after it."""

    test: Dataset
    grader: Grader
    level: float

    def candidate(self, name: str, tried: _Tried, before: Labels, after: Labels) -> Iterator[Robustness]:
        """All rows the change touches and, where it is of language, those of each language."""
        if not after:
            yield _unknown(name, tried.how, tried.reason)
            return
        rows = sorted(after)
        yield self._rows(name, tried.how, rows, before, after)
        languages = {self.test.examples[i].language for i in rows} - {None}
        if tried.how == SWAPPED_LANGUAGE and len(languages) > 1:
            for language in sorted(filter(None, languages)):
                spoken = [i for i in rows if self.test.examples[i].language == language]
                yield self._rows(name, tried.how, spoken, before, after, language=language)

    def _rows(
        self,
        name: str,
        how: Change,
        rows: Sequence[int],
        before: Labels,
        after: Labels,
        *,
        language: str = "",
    ) -> Robustness:
        touched = self.test.select(rows)
        clustering = Clustering.of(touched.groups)
        first, then = [before[i] for i in rows], [after[i] for i in rows]
        right, still = self.grader.right(first, touched), self.grader.right(then, touched)
        moved = np.array([old != new for old, new in zip(first, then, strict=True)], dtype=bool)
        return Robustness(
            candidate=name,
            perturbation=how,
            drop=Pair.of(right, still, clustering).difference(level=self.level),
            changed=clusters.share(moved, clustering, level=self.level),
            language=language,
        )


def _unknown(name: str, how: Change, reason: str) -> Robustness:
    none = Estimate.none(reason, unit="share", n=0)
    return Robustness(candidate=name, perturbation=how, drop=none, changed=none)


def _ask(predictor: Predictor, texts: Mapping[int, str]) -> Labels:
    """The answer to each row's text; nobody is asked where there are none."""
    rows = sorted(texts)
    if not rows:
        return {}
    answers = predictor.predict([texts[i] for i in rows])
    return {
        i: label if known else None
        for i, label, known in zip(rows, answers.labels, answered(answers), strict=True)
    }
