"""Intervals for shares: published values, exact coverage, and the awkward ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions

from sazon.stats.proportions import NAMES, bounds, proportion, upper


@pytest.mark.parametrize(
    ("k", "n", "method", "low", "high"),
    [
        (81, 263, "wilson", 0.2553, 0.3662),
        (81, 263, "clopper-pearson", 0.2527, 0.3676),
        (15, 148, "wilson", 0.0624, 0.1605),
        (15, 148, "clopper-pearson", 0.0578, 0.1617),
    ],
)
def test_newcombe_1998(k, n, method, low, high):
    assert bounds(k, n, level=0.95, method=method) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("n", "p", "method", "coverage"),
    [
        (50, 0.98, "wilson", 0.922),
        (50, 0.98, "clopper-pearson", 0.982),
        (50, 0.98, "jeffreys", 0.982),
        (100, 0.95, "wilson", 0.966),
        (100, 0.95, "clopper-pearson", 0.983),
        (100, 0.95, "jeffreys", 0.935),
    ],
)
def test_exact_coverage_is_the_published_one(n, p, method, coverage):
    found = 0.0
    for k in range(n + 1):
        low, high = bounds(k, n, level=0.95, method=method)
        found += float(distributions.binom.pmf(k, n, p)) * (low <= p <= high)
    assert found == pytest.approx(coverage, abs=6e-4)


def test_wilson_covers_on_average_over_p():
    shares, n = np.linspace(0.02, 0.98, 97), 60
    table = [bounds(k, n, level=0.95) for k in range(n + 1)]
    low, high = (np.array([pair[i] for pair in table]) for i in (0, 1))
    chances = distributions.binom.pmf(np.arange(n + 1)[:, None], n, shares)
    inside = (low[:, None] <= shares) & (shares <= high[:, None])
    assert (chances * inside).sum(axis=0).mean() == pytest.approx(0.95, abs=0.006)


@settings(deadline=None)
@given(
    n=st.integers(1, 5000),
    share=st.floats(0, 1),
    level=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
    method=st.sampled_from(list(NAMES)),
)
def test_the_interval_holds_the_share_and_never_collapses(n, share, level, method):
    k = round(share * n)
    found = proportion(k, n, level=level, method=method)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 1e-4
    assert found.n == n


@settings(deadline=None)
@given(n=st.integers(1, 500), k=st.integers(0, 500), method=st.sampled_from(list(NAMES)))
def test_counting_the_failures_mirrors_the_interval(n, k, method):
    k = min(k, n)
    right, wrong = bounds(k, n, level=0.95, method=method), bounds(n - k, n, level=0.95, method=method)
    assert right == pytest.approx((1 - wrong[1], 1 - wrong[0]), abs=1e-9)


def test_no_rows_is_undefined_and_not_zero():
    found = proportion(0, 0)
    assert found.value is None
    assert found.undefined


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueError, match="inside"):
        proportion(k, n)


def test_all_right_still_admits_errors():
    assert proportion(20, 20).low == pytest.approx(20 / (20 + 1.959964**2), abs=1e-6)
    assert upper(0, 100, level=0.95) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper(7, 7, level=0.9) == 1.0
