"""What evaluation looks at beside accuracy: slices, leaks, gaps, confidence, overlap, claims."""

from __future__ import annotations

import numpy as np
import pytest

from sazon import evaluate
from sazon.core.errors import RecipeError
from sazon.core.types import Artifact, Candidate, Dataset, Example
from sazon.evaluate.config import EvaluateConfig
from sazon.evaluate.sheets import AnswerSheet, Timings

N = 600


def test_set():
    rows = tuple(
        Example(
            id=f"r{i}",
            input=f"message number {i} " + "and more words " * (i % 3),
            target="ab"[i % 2],
            site=("north", "south", "tiny")[0 if i < 300 else 1 if i < 590 else 2],
        )
        for i in range(N)
    )
    return Dataset(name="toy", split="test", examples=rows)


test_set.__test__ = False


def sheet(name, test, wrong, sure=0.8):
    none = np.full(N, np.nan)
    confidence = np.full(N, sure)
    return AnswerSheet(
        candidate=name,
        examples=tuple(test.ids),
        labels=tuple("ba"[i % 2] if i in wrong else e.target for i, e in enumerate(test.examples)),
        errors=(None,) * N,
        confidence=confidence,
        tokens=none,
        seconds=none,
        money=none,
        timings=Timings(),
    )


def judged(wrong, *, seen=(), **options):
    test = test_set()
    candidates = [
        Candidate(name=n, technique="linear", artifact=Artifact(path=None, digest="d")) for n in wrong
    ]
    sheets = {n: sheet(n, test, w) for n, w in wrong.items()}
    scores = evaluate.score(sheets, test)
    config = EvaluateConfig(reference=next(iter(wrong)), draws=200, **options)
    rng = np.random.default_rng(0)
    return evaluate.compare(config, candidates, sheets, scores, test, rng=rng, seen=seen)


WORSE_IN_SOUTH = {"one": set(range(0, 600, 20)), "other": set(range(0, 600, 20)) | set(range(300, 400))}


def test_parts_are_compared_with_the_reference_and_corrected_together():
    found = [s for s in judged(WORSE_IN_SOUTH, slices=["site"]).slices if s.candidate == "other"]
    claims = {s.value: s.difference for s in found}
    assert claims["south"].p_corrected < 0.001
    assert claims["north"].p_corrected == 1.0
    assert claims["north"].p_raw <= claims["north"].p_corrected
    assert "where site = south" in claims["south"].hypothesis
    assert claims["south"].estimate.n == 290


def test_length_parts_the_rows_into_thirds():
    found = [s for s in judged(WORSE_IN_SOUTH, slices=["length"]).slices if s.candidate == "one"]
    assert len(found) == 3
    assert sum(s.estimate.n for s in found) == N
    assert all(100 < s.estimate.n < 300 for s in found)


def test_an_unknown_column_is_refused():
    with pytest.raises(RecipeError, match="no column 'nothing'"):
        judged(WORSE_IN_SOUTH, slices=["nothing"])


def test_gaps_between_groups_allow_for_the_choice():
    found = {g.candidate: g for g in judged(WORSE_IN_SOUTH, fairness=["site"]).fairness}
    assert (found["other"].best, found["other"].worst) == ("north", "south")
    assert found["other"].p_corrected < 0.001
    assert 0 < found["other"].gap.low < found["other"].gap.value < found["other"].gap.high
    assert found["one"].p_corrected > 0.5
    assert found["one"].gap.low < 0
    # ten rows of "tiny" are too few to be the worst served
    assert found["one"].gap.n == 590


def test_one_group_has_no_gap():
    found = judged(WORSE_IN_SOUTH, fairness=["language"]).fairness
    assert all(g.gap.undefined and g.p_corrected is None for g in found)


def test_leaks_are_counted_once_at_their_closest():
    test = test_set()
    seen = [test.inputs[20], test.inputs[21].upper(), test.inputs[5] + "!", "something else altogether"]
    evaluation = judged({"one": {20}}, seen=seen)
    found = {leak.likeness: leak for leak in evaluation.leakage}
    assert found["exact"].examples == ("r20",)
    assert found["normalised"].examples == ("r21",)
    assert "r5" in found["near"].examples
    assert not {"r20", "r21"} & set(found["near"].examples)
    assert found["exact"].without["one"].value == 1.0
    assert found["exact"].without["one"].n == N - 1
    assert evaluation.estimates["one"]["accuracy"].value < 1.0


def test_no_leak_is_a_share_with_an_upper_end():
    found = judged({"one": {1}}, seen=["nothing like it at all"]).leakage
    assert all(leak.rows.value == 0 and leak.rows.high > 0 and not leak.without for leak in found)
    assert judged({"one": {1}}).leakage == ()


def test_reliability_has_a_bin_where_somebody_was_that_sure():
    (found,) = judged({"one": set(range(60))}).reliability
    assert (found.low, found.high, found.confidence) == (0.8, 0.9, pytest.approx(0.8))
    assert found.accuracy.value == pytest.approx(0.9)


def test_overlap_compares_the_answers():
    (found,) = judged(WORSE_IN_SOUTH).overlap
    assert (found.first, found.second) == ("one", "other")
    assert found.both_wrong.value == pytest.approx(30 / 600)
    assert found.same_wrong.value == 1.0  # with two classes a common error is the same error
    assert found.homogenisation.value == pytest.approx((30 / 600) / (30 / 600 * 125 / 600))


def test_the_winner_is_corrected_only_where_one_was_chosen():
    assert judged({"one": {1}}).winner is None
    found = judged({"one": set(range(60)), "other": set(range(60, 120))}).winner
    assert found.value < 0.9


def test_declared_claims_come_first_and_are_corrected_among_themselves():
    evaluation = judged(
        WORSE_IN_SOUTH,
        claims=[
            {"better": "one", "than": "other"},
            {"not_worse": "one", "than": "other", "margin": 0.02},
        ],
    )
    better, not_worse = evaluation.claims[:2]
    assert better.declared
    assert not_worse.declared
    assert better.hypothesis == "accuracy(one) ≤ accuracy(other)"
    assert not_worse.hypothesis == "accuracy(one) ≤ accuracy(other) − 0.02"
    assert better.p_corrected == pytest.approx(max(better.p_raw, 2 * not_worse.p_raw))
    assert not_worse.p_corrected == pytest.approx(2 * not_worse.p_raw)


@pytest.mark.parametrize(
    "claim",
    [
        {"than": "b"},
        {"better": "a", "not_worse": "a", "than": "b", "margin": 0.1},
        {"not_worse": "a", "than": "b"},
        {"better": "a", "than": "b", "margin": 0.1},
        {"better": "a", "than": "a"},
    ],
)
def test_a_claim_that_says_nothing_is_refused(claim):
    with pytest.raises(ValueError, match=r"says either|belongs to|another one"):
        EvaluateConfig(claims=[claim])


def test_a_claim_about_nobody_names_the_measured():
    with pytest.raises(RecipeError, match=r"no candidate 'ghost'") as error:
        judged(WORSE_IN_SOUTH, claims=[{"better": "ghost", "than": "one"}])
    assert "evaluate.claims[0]" in str(error.value)
