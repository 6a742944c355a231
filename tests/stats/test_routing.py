"""Figures of a router, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.stats.routing import average_gap_recovered, calls_needed, gap_recovered, routing

N = 400
WEAK = (np.arange(N) % 4 != 0).astype(float)  # three of four right
STRONG = np.ones(N)


def apgr(score, **options):
    return float(average_gap_recovered(*gap_recovered(score, WEAK, STRONG, **options)))


def test_a_score_that_knows_nothing_recovers_half_and_a_perfect_one_all_with_the_first_calls():
    assert apgr(np.zeros(N)) == pytest.approx(0.5)
    perfect = 1 - WEAK
    # All gain comes with the first quarter of the calls: 1 − .25/2.
    assert apgr(perfect) == pytest.approx(0.875)
    assert apgr(-perfect) == pytest.approx(0.125)
    curve = gap_recovered(perfect, WEAK, STRONG)
    assert calls_needed(*curve, 0.5) == pytest.approx(0.125)
    assert calls_needed(*curve, 0.8) == pytest.approx(0.2)
    assert calls_needed(*curve, 1.0) == pytest.approx(0.25)


def test_random_scores_recover_half_on_average():
    rng = np.random.default_rng(0)
    found = [apgr(rng.random(N)) for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.006)


@given(st.integers(0, 10_000))
def test_only_the_order_of_the_score_counts_and_rows_may_come_in_any_order(seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 12, N).astype(float)
    shuffled = rng.permutation(N)
    again = gap_recovered(np.exp(score[shuffled]), WEAK[shuffled], STRONG[shuffled])
    assert float(average_gap_recovered(*again)) == pytest.approx(apgr(score))


def test_drawing_a_row_twice_is_having_it_twice():
    rng = np.random.default_rng(1)
    score, times = rng.random(N), rng.integers(0, 3, N)
    repeated = [np.repeat(x, times) for x in (score, WEAK, STRONG)]
    twice = float(average_gap_recovered(*gap_recovered(*repeated)))
    assert apgr(score, weights=times.astype(float)) == pytest.approx(twice)
    both = gap_recovered(score, WEAK, STRONG, weights=np.stack([times, np.ones(N)]).astype(float))
    assert average_gap_recovered(*both) == pytest.approx([twice, apgr(score)])


def test_the_interval_holds_the_figure_and_narrows_with_rows():
    def width(rows):
        rng = np.random.default_rng(3)
        weak = (rng.random(rows) < 0.7).astype(float)
        score = rng.normal(size=rows) - weak
        one = routing(score[None], weak, np.ones(rows), rng=rng, resamples=300)["apgr"]
        assert one.low < one.value < one.high
        assert one.value > 0.6
        return one.high - one.low

    assert width(1600) < 0.7 * width(400)


def test_without_a_gap_or_with_nan_nothing_is_recovered():
    with pytest.raises(ValueError, match="no gap"):
        gap_recovered(np.arange(3.0), np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="NaN"):
        gap_recovered(np.array([np.nan, 1]), np.zeros(2), np.ones(2))
