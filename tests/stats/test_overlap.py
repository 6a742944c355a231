"""Error overlap: what is counted, and intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.stats.clusters import Clustering
from sazon.stats.overlap import ErrorPair


def pair_of(a, b, c, d, *, same=None, each=1):
    """a rows both right, b only the first, c only the second, d neither; `same` of those with one answer."""
    first = np.repeat([False, False, True, True], [a, b, c, d])
    second = np.repeat([False, True, False, True], [a, b, c, d])
    n = len(first)
    alike = ~first & ~second
    alike[n - d : n - d + (d if same is None else same)] = True
    codes = np.arange(n) // each
    return ErrorPair(
        first_wrong=first,
        second_wrong=second,
        same_answer=alike,
        clustering=Clustering(codes=codes, count=int(codes[-1]) + 1 if n else 0),
    )


def test_counts_become_the_four_measures():
    found = pair_of(70, 10, 8, 12, same=9)
    assert found.both_wrong().value == pytest.approx(0.12)
    assert found.same_wrong().value == pytest.approx(0.75)
    assert found.homogenisation().value == pytest.approx(0.12 / (0.20 * 0.22))
    assert found.yule_q().value == pytest.approx((70 * 12 - 10 * 8) / (70 * 12 + 10 * 8))


def test_what_is_not_defined_says_why():
    never = pair_of(90, 10, 0, 0)
    assert "no error" in never.homogenisation().undefined
    assert "no row is wrong for both" in never.same_wrong().undefined
    assert never.yule_q().undefined
    assert never.both_wrong().high > 0  # not seen is not impossible


def test_no_common_error_is_zero_with_an_upper_end():
    found = pair_of(80, 10, 10, 0)
    ratio = found.homogenisation()
    assert (ratio.value, ratio.low) == (0.0, 0.0)
    assert ratio.high == pytest.approx(found.both_wrong().high / 0.01)
    assert found.yule_q().value == -1
    assert found.yule_q().high > -1


def test_independent_errors_have_ratio_one_and_q_zero():
    found = pair_of(810, 90, 90, 10)
    assert found.homogenisation().value == pytest.approx(1)
    assert found.yule_q().value == pytest.approx(0)
    assert found.yule_q().low < 0 < found.yule_q().high


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(lambda c: sum(c) > 1))
def test_bounds_hold_the_value_and_the_range(counts):
    found = pair_of(*counts)
    for estimate, least, most in (
        (found.both_wrong(), 0, 1),
        (found.homogenisation(), 0, math.inf),
        (found.yule_q(), -1, 1),
    ):
        if estimate.value is not None:
            assert least <= estimate.low <= estimate.value <= estimate.high <= most


def test_repeated_rows_widen_the_interval():
    alone, clustered = pair_of(280, 40, 40, 40), pair_of(280, 40, 40, 40, each=10)
    for name in ("homogenisation", "yule_q"):
        one, many = getattr(alone, name)(), getattr(clustered, name)()
        assert many.high - many.low > 1.5 * (one.high - one.low)


def test_intervals_cover():
    rng = np.random.default_rng(0)
    chances = np.array([0.72, 0.08, 0.1, 0.1])
    ratio = 0.1 / (0.2 * 0.18)
    odds = 0.72 * 0.1 / (0.08 * 0.1)
    q = (odds - 1) / (odds + 1)
    hits = np.zeros(2)
    for _ in range(400):
        found = pair_of(*rng.multinomial(300, chances))
        h, y = found.homogenisation(), found.yule_q()
        hits += [h.low <= ratio <= h.high, y.low <= q <= y.high]
    assert (hits / 400 > 0.92).all()
