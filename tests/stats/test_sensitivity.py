"""Sobol indices against the Ishigami function."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats.sensitivity import first_order, sobol

FIRST, TOTAL = (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437)


def ishigami(U):
    """sin x₁ + 7 sin² x₂ + 0.1 x₃⁴ sin x₁, x uniform on (−π, π) (Ishigami & Homma 1990)."""
    x = np.pi * (2 * U - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_ishigami():
    found = sobol(ishigami, 3, rng=np.random.default_rng(0))
    for one, first, total in zip(found, FIRST, TOTAL, strict=True):
        assert one.first.value == pytest.approx(first, abs=0.02)
        assert one.total.value == pytest.approx(total, abs=0.02)
        assert one.first.low <= first <= one.first.high
        assert one.total.low <= total <= one.total.high


def test_first_order_from_draws_that_exist():
    rng = np.random.default_rng(1)
    U = rng.random((6000, 3))
    y = ishigami(U)
    for i, first in enumerate(FIRST):
        found = first_order(U[:, i], y, rng=rng)
        assert found.value == pytest.approx(first, abs=0.03)
        assert found.low - 0.02 <= first <= found.high + 0.02


def test_what_does_not_vary_has_no_index():
    constant = sobol(lambda U: np.ones(len(U)), 2, rng=np.random.default_rng(0), draws=64)
    assert constant[0].first.value is None
    rng = np.random.default_rng(0)
    assert first_order(rng.random(200), np.ones(200), rng=rng).value is None
    assert first_order(rng.random(20), rng.random(20), rng=rng).value is None
