"""Sobol indices of draws that exist, by polynomial chaos: published values, and when they are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.stats.chaos import influences

N = 4000


def ishigami(z):
    return np.sin(z[:, 0]) + 7 * np.sin(z[:, 1]) ** 2 + 0.1 * z[:, 2] ** 4 * np.sin(z[:, 0])


def test_ishigami():
    """Published: S 0.3139, 0.4424, 0; ST 0.5576, 0.4424, 0.2437."""
    z = np.random.default_rng(1).uniform(-np.pi, np.pi, (N, 3))
    found = influences(z, ishigami(z))
    assert found.fit.value > 0.99
    assert [i.first.value for i in found.indices] == pytest.approx([0.3139, 0.4424, 0.0], abs=0.03)
    assert [i.total.value for i in found.indices] == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)
    for index, true in zip(found.indices, (0.5576, 0.4424, 0.2437), strict=True):
        assert index.total.low <= true <= index.total.high


def test_a_product_acts_together_and_bystanders_do_nothing():
    """Var(ab) = σ⁴ + 2σ²μ²; with μ = 1 and σ = 1 a third of it is in each alone, a third in both."""
    x = np.random.default_rng(2).standard_normal((N, 12))
    found = influences(x, (1 + x[:, 3]) * (1 + x[:, 7]))
    first, total = ([getattr(i, k).value for i in found.indices] for k in ("first", "total"))
    for i in range(12):
        mine = i in (3, 7)
        assert first[i] == pytest.approx(1 / 3 if mine else 0, abs=0.04)
        assert total[i] == pytest.approx(2 / 3 if mine else 0, abs=0.04)


@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=5), st.integers(0, 50))
def test_where_inputs_only_add_up_both_orders_are_the_share_of_variance(weights, seed):
    x = np.random.default_rng(seed).standard_normal((1000, len(weights)))
    found = influences(x, x @ np.array(weights))
    whole = sum(w * w for w in weights)
    for index, weight in zip(found.indices, weights, strict=True):
        if index.total.value is None:  # drawn by chance as if they moved together
            continue
        assert index.first.value == pytest.approx(weight**2 / whole, abs=0.12)
        assert index.total.value == pytest.approx(index.first.value, abs=0.03)


def test_what_cannot_be_told_is_undefined_with_its_reason():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((N, 3))
    x[:, 1] = x[:, 0] + 0.5 * rng.standard_normal(N)
    found = influences(x, x.sum(axis=1))
    assert [i.total.value is None for i in found.indices] == [True, True, False]
    assert "moves together" in found.indices[0].total.undefined
    assert found.indices[2].total.value == pytest.approx(1 / 5.25, abs=0.04)
    noise = influences(x, rng.standard_normal(N))
    assert all("explains only" in i.first.undefined for i in noise.indices)
    assert "does not vary" in influences(x, np.ones(N)).indices[0].total.undefined
    assert "fewer than 500" in influences(x[:100], x[:100, 0]).indices[0].total.undefined
