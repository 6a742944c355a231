"""Paired differences: published tables, error rates and degenerate tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions

from sazon.core.types import Estimate
from sazon.stats.clusters import Clustering
from sazon.stats.paired import Pair, independent_difference, mcnemar, tango_interval, tango_z
from sazon.stats.proportions import proportion

Z95 = float(distributions.norm.ppf(0.975))


def rows(b: int, c: int, both: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([True] * b + [False] * c + [True] * both + [False] * neither)
    second = np.array([False] * b + [True] * c + [True] * both + [False] * neither)
    return first, second


def single(n: int) -> Clustering:
    return Clustering.of([str(i) for i in range(n)])


def test_cavo_mcnemar():
    assert mcnemar(6, 16, mid=False) == pytest.approx(0.052479, abs=5e-7)
    assert mcnemar(6, 16) == pytest.approx(0.034690, abs=5e-7)


def test_cavo_tango_interval():
    assert tango_interval(6, 16, 161, quantile=Z95) == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_tango_lenses_not_worse():
    z = tango_z(0, 1, 44, -0.1)
    assert z == pytest.approx(1.7086, abs=5e-5)
    first, second = rows(0, 1, 43, 0)
    assert Pair.of(first, second, single(44)).p_inferior(0.1) == pytest.approx(0.0438, abs=5e-5)


def test_mcnemar_agrees_with_statsmodels():
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    for b, c in [(3, 9), (10, 10), (0, 5), (25, 40)]:
        assert mcnemar(b, c, mid=False) == pytest.approx(theirs([[0, b], [c, 0]], exact=True).pvalue)


@settings(deadline=None)
@given(b=st.integers(0, 60), c=st.integers(0, 60), same=st.integers(0, 400))
def test_the_interval_inverts_the_test(b, c, same):
    n = b + c + same
    if n < 2:
        return
    low, high = tango_interval(b, c, n, quantile=Z95)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert high - low > 1e-3
    for edge, outwards in ((low, -1), (high, 1)):
        assert abs(tango_z(b, c, n, edge)) <= Z95 + 1e-6
        if abs(edge) < 0.999:
            assert abs(tango_z(b, c, n, edge + outwards * 1e-4)) > Z95


@settings(deadline=None)
@given(b=st.integers(0, 40), c=st.integers(0, 40), same=st.integers(2, 200))
def test_changing_sides_changes_the_sign(b, c, same):
    low, high = tango_interval(b, c, b + c + same, quantile=Z95)
    assert tango_interval(c, b, b + c + same, quantile=Z95) == pytest.approx((-high, -low), abs=1e-9)


def test_identical_candidates_differ_by_nothing_known_within_bounds():
    first, _ = rows(0, 0, 60, 40)
    pair = Pair.of(first, first, single(100))
    found = pair.difference()
    bound = Z95**2 / (100 + Z95**2)
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -bound, bound), abs=1e-6)
    assert pair.p_differs() == 1.0


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_are_undefined(n):
    right = np.ones(n, dtype=bool)
    pair = Pair.of(right, right, single(n))
    assert pair.difference().value is None
    assert pair.p_differs() is None
    assert pair.p_inferior(0.02) is None


def test_one_cluster_is_undefined():
    first, second = rows(5, 2, 10, 3)
    assert Pair.of(first, second, Clustering.of(["one"] * 20)).difference().value is None


def test_a_wrong_against_a_right_one_is_the_greatest_difference():
    pair = Pair.of(np.ones(30, dtype=bool), np.zeros(30, dtype=bool), single(30))
    found = pair.difference()
    assert found.value == 1.0
    # All discordant one way: twice Wilson's bound less one.
    assert found.low == pytest.approx(2 * 30 / (30 + Z95**2) - 1, abs=1e-6)
    assert pair.p_differs() < 1e-6


def coverage(b: float, c: float, n: int) -> float:
    """Exact coverage of the Tango interval with discordant probabilities b and c."""
    total = 0.0
    for i in range(n + 1):
        for j in range(n + 1 - i):
            chance = float(distributions.multinomial.pmf([i, j, n - i - j], n, [b, c, 1 - b - c]))
            if chance > 1e-8 and abs(tango_z(i, j, n, b - c)) <= Z95:
                total += chance
    return total


def test_exact_coverage_is_the_published_one():
    assert coverage(0.06, 0.03, 50) == pytest.approx(0.968, abs=2e-3)


def test_the_error_rate_of_not_worse_is_below_the_nominal_one():
    # True difference −margin: claiming "not worse" is then an error.
    n, margin, wrong = 100, 0.05, 0.0
    b, c = 0.05, 0.10
    for i in range(30):
        for j in range(45):
            chance = float(distributions.multinomial.pmf([i, j, n - i - j], n, [b, c, 1 - b - c]))
            wrong += chance * (tango_z(i, j, n, -margin) > distributions.norm.ppf(0.95))
    assert wrong < 0.055


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(3)
    first, second = rng.random(40) < 0.9, rng.random(40) < 0.8
    many = Pair.of(
        np.repeat(first, 10), np.repeat(second, 10), Clustering.of([str(i // 10) for i in range(400)])
    )
    naive = Pair.of(np.repeat(first, 10), np.repeat(second, 10), single(400))
    once = Pair.of(first, second, single(40))
    width = [p.difference().high - p.difference().low for p in (naive, once, many)]
    assert width[0] < 0.5 * width[1]
    assert width[2] == pytest.approx(width[1], rel=0.1)
    assert many.effect == pytest.approx(10, rel=0.05)


def test_newcombe_for_independent_samples():
    # Newcombe 1998, method 10, 56/70 against 48/80: .0524 to .3339.
    value, low, high = independent_difference(proportion(56, 70), proportion(48, 80))
    assert (value, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    with pytest.raises(ValueError, match="bounds"):
        independent_difference(proportion(1, 2), Estimate.none("why"))


def test_coverage_of_paired_differences_in_clusters():
    rng = np.random.default_rng(9)
    worlds, groups, each = 400, 60, 6
    clustering = Clustering.of([f"g{i // each}" for i in range(groups * each)])
    single = Clustering.of([str(i) for i in range(groups * each)])
    inside = naive = 0
    for _ in range(worlds):
        # In each group one of three moods: first better, second better, or alike; truth is .15 − .10.
        mood = np.repeat(rng.choice(3, p=[0.25, 0.2, 0.55], size=groups), each)
        u = rng.random(groups * each)
        first = np.where(mood == 1, u > 0.5, True)
        second = np.where(mood == 0, u > 0.6, True)
        truth = 0.25 * 0.6 - 0.2 * 0.5
        wide, narrow = (Pair.of(first, second, c).difference() for c in (clustering, single))
        inside += wide.low <= truth <= wide.high
        naive += narrow.low <= truth <= narrow.high
    assert inside / worlds >= 0.93
    assert naive < inside
