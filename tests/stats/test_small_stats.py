"""Corrections, power, calibration, quantiles, logistic regression, assumed qualities, means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions

from sazon.stats import assumed, calibration, logistic, means, multiplicity, power, quantiles
from sazon.stats.clusters import Clustering

LSAT = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]
GPA = [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]


def single(n: int) -> Clustering:
    return Clustering.of([str(i) for i in range(n)])


# ------------------------------------------------------------------- multiplicity


def test_holm_and_benjamini_hochberg_by_hand():
    p = [0.01, 0.04, 0.03, 0.005]
    assert multiplicity.holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert multiplicity.benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_agree_with_statsmodels(p):
    from statsmodels.stats.multitest import multipletests

    assert multiplicity.holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
    assert multiplicity.benjamini_hochberg(p) == pytest.approx(
        multipletests(p, method="fdr_bh")[1], abs=1e-12
    )


def test_no_tests_need_no_correction_and_nan_is_refused():
    assert len(multiplicity.holm([])) == 0
    with pytest.raises(ValueError, match="inside"):
        multiplicity.holm([float("nan")])


# -------------------------------------------------------------------------- power


@pytest.mark.parametrize(("resamples", "rows"), [(10**9, 969), (10, 1260), (1, 3876)])
def test_miller_power(resamples, rows):
    n = power.labels_for_difference(0.03, variance=1 / 9, noise=1 / 6, resamples=resamples)
    assert n in (rows, rows + 1)


@pytest.mark.parametrize(("margin", "rows"), [(0.02, 1546), (0.03, 687), (0.05, 248)])
def test_planning_not_worse(margin, rows):
    assert power.labels_for_not_worse(margin, 0.1) in (rows, rows + 1)


def test_planned_rows_give_the_planned_power():
    from sazon.stats.paired import mcnemar

    n = power.labels_for_pair(0.05, 0.15)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, [0.10, 0.05, 0.85], size=1500)
    found = np.mean([mcnemar(int(b), int(c)) < 0.05 for b, c, _ in counts])
    assert found == pytest.approx(0.8, abs=0.04)


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="0"):
        power.labels_for_difference(0.0, variance=0.1)
    with pytest.raises(ValueError, match="differ"):
        power.labels_for_pair(0.3, 0.2)
    with pytest.raises(ValueError, match="above"):
        power.labels_for_not_worse(0.02, 0.1, difference=-0.02)


# -------------------------------------------------------------------- calibration


def test_calibration_error_by_hand():
    confidence = np.array([0.95] * 10 + [0.55] * 10)
    right = np.array([True] * 9 + [False] + [True] * 3 + [False] * 7)
    found = calibration.expected_calibration_error(
        confidence, right, single(20), rng=np.random.default_rng(0)
    )
    assert found.value == pytest.approx(0.5 * 0.05 + 0.5 * 0.25)
    assert 0 <= found.low <= found.value <= found.high


def test_a_calibrated_candidate_has_a_small_error_and_a_boastful_one_a_large():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 4000)
    honest = calibration.expected_calibration_error(
        confidence, rng.random(4000) < confidence, single(4000), rng=rng
    )
    boastful = calibration.expected_calibration_error(
        confidence, rng.random(4000) < confidence - 0.2, single(4000), rng=rng
    )
    assert honest.value < 0.03
    assert boastful.low < 0.2 < boastful.high


def test_calibration_without_rows_or_with_one_cluster():
    rng = np.random.default_rng(0)
    none = np.zeros(0)
    assert calibration.expected_calibration_error(none, none.astype(bool), single(0), rng=rng).value is None
    one = calibration.expected_calibration_error(
        np.array([1.0, 0.5]), np.array([True, True]), Clustering.of(["a", "a"]), rng=rng
    )
    assert (one.value, one.low) == (0.25, None)
    with pytest.raises(ValueError, match="confidence"):
        calibration.expected_calibration_error(np.array([1.2]), np.array([True]), single(1), rng=rng)


# ---------------------------------------------------------------------- quantiles


def test_the_median_of_ten_has_the_textbook_bounds():
    # Order statistics 2 and 9 cover the median with probability .9785.
    found = quantiles.quantile(np.arange(1.0, 11.0), 0.5)
    assert (found.value, found.low, found.high) == (5.5, 2.0, 9.0)


def test_too_few_rows_leave_the_upper_bound_of_a_high_quantile_open():
    assert quantiles.quantile(np.arange(50.0), 0.95).high is None
    assert quantiles.quantile(np.arange(100.0), 0.95).high is not None
    assert quantiles.quantile(np.array([2.0]), 0.5).value == 2.0
    assert quantiles.quantile(np.zeros(0), 0.5).value is None


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_quantile_coverage(q):
    rng = np.random.default_rng(2)
    truth = float(distributions.lognorm(0.7).ppf(q))
    inside = 0
    for _ in range(500):
        found = quantiles.quantile(rng.lognormal(0, 0.7, 100), q)
        inside += (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)
    assert inside / 500 >= 0.93


# ----------------------------------------------------------------------- logistic


def test_logistic_agrees_with_sklearn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = (rng.random(2000) < 1 / (1 + np.exp(-(X @ [1.0, -2.0, 0.0] - 1)))).astype(float)
    mine = logistic.fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    theirs = LogisticRegression(C=1.0).fit(Z, y).predict_proba(Z)[:, 1]
    assert np.abs(mine.predict(X) - theirs).max() < 2e-3
    again = logistic.Logistic.from_json(mine.to_json())
    assert (again.predict(X) == mine.predict(X)).all()


def test_one_class_or_a_constant_feature_stays_finite():
    X = np.column_stack([np.ones(50), np.linspace(0, 1, 50)])
    for outcome in (0.0, 1.0):
        found = logistic.fit(X, np.full(50, outcome)).predict(X)
        assert ((found > 0) & (found < 1)).all()
        assert abs(found.mean() - outcome) < 0.05
    separable = logistic.fit(X, (X[:, 1] > 0.5).astype(float))
    assert np.isfinite(separable.coefficients).all()
    with pytest.raises(ValueError, match="finite"):
        logistic.fit(np.array([[np.nan]]), np.array([1.0]))


# ------------------------------------------------------------------------ assumed


def test_assumed_draws_have_the_stated_percentiles():
    found = assumed.from_range(0.86, 0.94, draws=100_000, rng=np.random.default_rng(0))
    assert np.quantile(found, [0.1, 0.9]) == pytest.approx([0.86, 0.94], abs=1e-3)
    estimate = assumed.range_estimate(0.86, 0.94)
    assert estimate.value == pytest.approx(np.median(found), abs=1e-3)
    assert (estimate.kind, estimate.level) == ("assumed", 0.8)


def test_published_draws_and_estimate():
    found = assumed.from_counts(93, 100, draws=50_000, rng=np.random.default_rng(0))
    assert distributions.kstest(found, distributions.beta(93.5, 7.5).cdf).pvalue > 1e-3
    assert assumed.published_estimate(93, 100).kind == "published"


@pytest.mark.parametrize(("p10", "p90"), [(0.9, 0.8), (0.0, 0.5), (0.5, 1.0)])
def test_impossible_ranges_are_refused(p10, p90):
    with pytest.raises(ValueError, match="p10"):
        assumed.from_range(p10, p90, draws=1, rng=np.random.default_rng(0))


# -------------------------------------------------------------------------- means


def correlation(rows: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(rows.T)[0, 1])


def test_law_school():
    rows = np.column_stack([LSAT, GPA]).astype(float)
    assert correlation(rows) == pytest.approx(0.776374, abs=5e-6)
    left_out = means.jackknife(rows, correlation)
    error = np.sqrt(14 / 15 * ((left_out - left_out.mean()) ** 2).sum())
    assert error == pytest.approx(0.1425, abs=5e-5)
    assert means.acceleration(rows, correlation) == pytest.approx(-0.0757, abs=5e-5)
    found = means.bootstrap(rows, correlation, rng=np.random.default_rng(0))
    assert found.method == "BCa bootstrap"
    assert 0.2 < found.low < 0.5 < 0.9 < found.high < 0.97


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(3).exponential(size=60)
    mine = means.bootstrap(values, lambda v: float(v.mean()), rng=np.random.default_rng(0), resamples=4000)
    theirs = distributions.bootstrap(
        (values,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs), abs=0.03)


@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_degenerate_means(n):
    same = np.full(n, 4.0)
    for found in (
        means.mean(same),
        means.bootstrap(same, lambda v: float(v.mean()), rng=np.random.default_rng(0)),
    ):
        assert (found.value is None) == (n == 0)
        assert found.low is None
    if n == 20:
        assert means.mean(np.arange(20.0)).low == pytest.approx(9.5 - 2.0930 * 5.91608 / 20**0.5, abs=1e-3)
