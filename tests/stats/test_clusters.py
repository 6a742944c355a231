"""Clustered rows: agreement with statsmodels, coverage, and too little to go on."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats.clusters import Clustering, cr1_standard_error, design_effect, mean, share, t_quantile


def clustering(groups: int, each: int) -> Clustering:
    return Clustering.of([f"g{i // each}" for i in range(groups * each)])


def test_cr1_is_statsmodels_cluster_error():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 25, 300)
    values = rng.normal(size=25)[codes] + rng.normal(size=300)
    fit = sm.OLS(values, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    mine = cr1_standard_error(values, Clustering.of([str(c) for c in codes]))
    assert mine == pytest.approx(float(fit.bse[0]) * np.sqrt(25 / 24))


def test_without_repeats_a_share_is_plain_wilson():
    hits = np.array([True] * 15 + [False] * 133)
    found = share(hits, Clustering.of([str(i) for i in range(148)]))
    assert (found.low, found.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert found.method == "Wilson score"


def test_rows_copied_ten_times_say_no_more_than_once():
    rng = np.random.default_rng(1)
    hits = rng.random(60) < 0.8
    once = share(hits, Clustering.of([str(i) for i in range(60)]))
    tenfold = share(np.repeat(hits, 10), clustering(60, 10))
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.06)
    assert tenfold.high - tenfold.low >= once.high - once.low


def test_all_right_counts_the_clusters():
    found = share(np.ones(100, dtype=bool), clustering(10, 10))
    assert found.high == 1.0
    assert found.low == pytest.approx(10 / (10 + 2.2622**2), abs=1e-4)
    assert "only 10 clusters" in found.method


@pytest.mark.parametrize(("groups", "each"), [(1, 5), (1, 200)])
def test_one_cluster_is_undefined(groups, each):
    assert share(np.ones(groups * each, dtype=bool), clustering(groups, each)).value is None
    assert mean(np.arange(groups * each, dtype=float), clustering(groups, each)).value is None


def test_no_rows_are_undefined():
    assert share(np.zeros(0, dtype=bool), Clustering.of([])).value is None
    assert mean(np.zeros(0), Clustering.of([])).value is None


def test_a_mean_without_spread_has_no_interval():
    found = mean(np.full(20, 3.0), clustering(10, 2))
    assert (found.value, found.low, found.high) == (3.0, None, None)


def test_the_design_effect_never_flatters():
    # One right and one wrong in each pair: negatively correlated, yet not better than independent.
    assert design_effect(np.array([0.0, 1.0] * 50), clustering(50, 2)) == 1.0


@pytest.mark.parametrize(("groups", "least"), [(20, 0.92), (50, 0.93)])
def test_coverage_with_correlated_rows(groups, least):
    rng = np.random.default_rng(7)
    spread = 0.85 * (1 / 0.3 - 1), 0.15 * (1 / 0.3 - 1)
    inside, naive, worlds = 0, 0, 400
    rows = clustering(groups, 10)
    single = Clustering.of([str(i) for i in range(groups * 10)])
    for _ in range(worlds):
        rate = np.repeat(rng.beta(*spread, size=groups), 10)
        hits = rng.random(groups * 10) < rate
        found, plain = share(hits, rows), share(hits, single)
        inside += found.low <= 0.85 <= found.high
        naive += plain.low <= 0.85 <= plain.high
    assert inside / worlds >= least
    assert naive / worlds < 0.8


@pytest.mark.parametrize("clusters", [10, 20])
def test_means_of_few_clusters_are_covered_where_the_t_interval_is_too_narrow(clusters):
    """Skewed cluster effects (exponential), ten rows each; nominal 95 %."""
    rng, worlds, inside, plain = np.random.default_rng(0), 300, 0, 0
    clustering = Clustering(codes=np.repeat(np.arange(clusters), 10), count=clusters)
    for _ in range(worlds):
        values = np.repeat(rng.exponential(size=clusters), 10) + rng.normal(scale=0.5, size=10 * clusters)
        found = mean(values, clustering)
        inside += found.low <= 1.0 <= found.high
        half = t_quantile(0.95, clustering) * cr1_standard_error(values, clustering)
        plain += abs(values.mean() - 1.0) <= half
    assert "bootstrap-t" in found.method
    assert inside / worlds >= 0.9
    assert inside > plain


def test_the_bootstrap_t_needs_no_chance_and_follows_the_unit():
    rng = np.random.default_rng(1)
    clustering = Clustering(codes=np.repeat(np.arange(15), 4), count=15)
    values = rng.exponential(size=60)
    one, again, moved = mean(values, clustering), mean(values, clustering), mean(3 * values + 7, clustering)
    assert one == again
    assert moved.low == pytest.approx(3 * one.low + 7)
    assert moved.high == pytest.approx(3 * one.high + 7)
    few = Clustering(codes=np.repeat(np.arange(9), 4), count=9)
    assert "CR1" in mean(values[:36], few).method
