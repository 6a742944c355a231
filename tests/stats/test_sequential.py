"""Group-sequential bounds against published constants and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats.sequential import bounds, spent

FIVE = (0.2, 0.4, 0.6, 0.8, 1.0)


def test_published_bounds_of_five_even_looks():
    """DeMets & Lan 1994, Statistics in Medicine 13:1341–1352, table 1 (two digits there)."""
    np.testing.assert_allclose(bounds(FIVE), [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], atol=5e-4)
    pocock = bounds(FIVE, spending="pocock")
    np.testing.assert_allclose(pocock, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], atol=5e-4)


def test_one_look_is_the_usual_test():
    assert bounds([1.0])[0] == pytest.approx(1.959964, abs=1e-5)
    assert bounds([1.0], two_sided=False)[0] == pytest.approx(1.644854, abs=1e-5)
    assert spent(1.0, alpha=0.05, spending="pocock") == pytest.approx(0.05)
    assert spent(1.0, alpha=0.05, spending="obrien-fleming") == pytest.approx(0.05)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_level_is_spent_exactly_over_uneven_looks(spending, two_sided):
    shares = np.array([0.15, 0.5, 0.55, 1.0])
    limits = bounds(shares, spending=spending, two_sided=two_sided)
    steps = np.random.default_rng(0).normal(size=(200_000, 4)) * np.sqrt(np.diff([0.0, *shares]))
    z = steps.cumsum(axis=1) / np.sqrt(shares)
    rejected = ((np.abs(z) if two_sided else z) >= limits).any(axis=1).mean()
    assert rejected == pytest.approx(0.05, abs=0.002)


def test_a_bound_depends_on_the_looks_before_it_alone():
    np.testing.assert_allclose(bounds(FIVE)[:3], bounds(FIVE[:3]))


@pytest.mark.parametrize("shares", [[], [0.5, 0.4], [0.5, 1.2], [0.0, 1.0]])
def test_impossible_looks_are_refused(shares):
    with pytest.raises(ValueError, match="shares"):
        bounds(shares)
