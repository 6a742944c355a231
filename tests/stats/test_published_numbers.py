"""Numbers others have published, beside those in the tests of each method."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from sazon.stats.clusters import Clustering, cr1_standard_error
from sazon.stats.risk_control import concentration, conformal_limit, hoeffding_bentkus


@pytest.mark.parametrize(
    ("right", "n", "points"),
    [
        (65.5, 5000, 0.67),
        (63.0, 5000, 0.68),
        (83.6, 164, 2.89),
        (86.7, 164, 2.65),
        (75.3, 2500, 0.86),
        (78.0, 2500, 0.83),
    ],
)
def test_standard_errors_of_two_models_on_three_benchmarks(right, n, points):
    """Miller 2024, arXiv 2411.00640, MATH, HumanEval and MGSM, each row on its own."""
    hits = (np.arange(n) < round(right / 100 * n)).astype(float)
    error = cr1_standard_error(hits, Clustering(codes=np.arange(n), count=n))
    # 86.7 % of 164 is no whole number of rows, so that line agrees to one per cent only.
    assert 100 * error == pytest.approx(points, rel=0.01)


def test_hoeffding_bentkus_and_the_exact_test_beside_it():
    """Angelopoulos et al. 2021, the authors' own code: r̂ = .05, n = 100, α = .1."""
    assert hoeffding_bentkus(0.05, 100, alpha=0.1) == pytest.approx(0.15651, abs=1e-5)
    assert binom.cdf(5, 100, 0.1) == pytest.approx(0.05758, abs=1e-5)


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.01, 0.5))
def test_it_never_claims_more_than_the_exact_test(n, share, alpha):
    harms = round(share * n)
    exact = float(binom.cdf(harms, n, alpha))
    assert hoeffding_bentkus(harms / n, n, alpha=alpha) >= min(exact, 1.0) - 1e-9


def test_conformal_limit_and_concentration():
    assert conformal_limit(1000, alpha=0.1) == pytest.approx(0.0991)
    assert conformal_limit(5, alpha=0.1) < 0
    assert concentration([50, 30, 20]) == pytest.approx(3800)
    assert concentration([0.7]) == pytest.approx(10_000)
    with pytest.raises(ValueError, match="negative"):
        concentration([-1.0, 2.0])
    with pytest.raises(ValueError, match="risk"):
        hoeffding_bentkus(1.5, 10, alpha=0.1)
