"""What a right answer costs: a ratio of means of the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.stats import clusters
from sazon.stats.clusters import Clustering
from sazon.stats.ratios import cost_per_hit


def alone(n):
    return Clustering(codes=np.arange(n), count=n)


@given(st.integers(0, 10_000), st.integers(5, 80), st.floats(0.1, 50))
def test_the_interval_holds_the_value_and_follows_the_unit_of_the_cost(seed, n, times):
    rng = np.random.default_rng(seed)
    costs, hits = rng.gamma(2, 3, n), rng.random(n) < 0.7
    hits[0] = True
    one = cost_per_hit(costs, hits, alone(n))
    assert one.value == pytest.approx(costs.sum() / hits.sum())
    assert one.low <= one.value
    assert one.high is None or one.high >= one.value
    other = cost_per_hit(costs * times, hits, alone(n))
    assert other.low == pytest.approx(one.low * times, rel=1e-6, abs=1e-9)
    if one.high is not None:
        assert other.high == pytest.approx(one.high * times, rel=1e-6)


def test_without_a_hit_it_is_undefined_and_few_hits_have_no_upper_bound():
    costs = np.ones(10)
    assert cost_per_hit(costs, np.zeros(10, dtype=bool), alone(10)).value is None
    rare = cost_per_hit(np.arange(10.0), np.arange(10) == 0, alone(10))
    assert rare.value == pytest.approx(45)
    assert rare.low < 45


def test_where_every_row_is_a_hit_the_cost_per_hit_is_no_surer_than_the_mean_cost():
    costs = np.random.default_rng(1).gamma(2, 3, 200)
    found = cost_per_hit(costs, np.ones(200, dtype=bool), alone(200))
    mean = clusters.mean(costs, alone(200))
    assert found.value == pytest.approx(mean.value)
    assert found.low == pytest.approx(mean.low, rel=0.02)
    assert found.high >= mean.high - 1e-9


def test_a_negative_cost_is_refused():
    with pytest.raises(ValueError, match="negative"):
        cost_per_hit(np.array([-1.0, 2.0]), np.ones(2, dtype=bool), alone(2))


@pytest.mark.parametrize("together", [-1.0, 0.0, 1.0])
def test_it_covers(together):
    """Right answers that cost more, the same or less than wrong ones; nominal 95 %."""
    rng, inside, worlds = np.random.default_rng(7), 0, 600
    truth = (2 + 0.3 * together * 0.8) / 0.8
    for _ in range(worlds):
        hits = rng.random(100) < 0.8
        costs = rng.gamma(4, 0.5, 100) + 0.3 * together * hits + 0.3 * (together < 0)
        goal = truth + (0.3 / 0.8 if together < 0 else 0)
        found = cost_per_hit(costs, hits, alone(100))
        inside += found.low <= goal <= (found.high or np.inf)
    assert 0.925 <= inside / worlds <= 0.985
