"""Looking at any time: false alarms, power, and coverage at all times at once."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats.anytime import confidence_sequence, watch


def test_false_alarms_over_five_thousand_rows_stay_below_alpha():
    rng = np.random.default_rng(0)
    alarms = [watch(rng.random(5000) < 0.02, epsilon=0.02).alarm_at is not None for _ in range(150)]
    assert np.mean(alarms) <= 0.05
    fewer = [watch(rng.random(5000) < 0.01, epsilon=0.02).alarm_at is not None for _ in range(50)]
    assert np.mean(fewer) <= 0.02


def test_doubled_harm_is_found_soon():
    """A reference monitor needed a median of 378 audits; here they are a little more."""
    rng = np.random.default_rng(1)
    found = [watch(rng.random(3000) < 0.04, epsilon=0.02).alarm_at for _ in range(100)]
    assert all(at is not None for at in found)
    assert np.median(found) < 500


def test_wealth_by_hand():
    """One event at once: ∫ (p/ε) dπ over p > ε = E[p | p > ε] / ε; π is exponential-like with mean ε."""
    one = watch(np.array([True]), epsilon=0.02)
    p = np.linspace(0.02, 1, 200_001)
    density = (1 - p) ** (1 / 0.02 - 2)
    assert np.exp(one.log_wealth[0]) == pytest.approx((p * density).sum() / density.sum() / 0.02, rel=1e-3)
    assert one.p == pytest.approx(1 / np.exp(one.log_wealth[0]))
    assert watch(np.zeros(0, dtype=bool), epsilon=0.1).p == 1.0
    with pytest.raises(ValueError, match="epsilon"):
        watch(np.zeros(3, dtype=bool), epsilon=0.0)


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.97])
def test_the_sequence_covers_at_all_times_at_once(mean):
    rng, ever = np.random.default_rng(2), 0
    for _ in range(60):
        _, bounds = confidence_sequence((rng.random(600) < mean).astype(float))
        ever += bool(((bounds[:, 0] > mean) | (bounds[:, 1] < mean)).any())
    assert ever / 60 <= 0.1  # nominal .05


def test_the_sequence_only_narrows_and_is_not_far_from_a_fixed_look():
    X = (np.random.default_rng(3).random(2000) < 0.8).astype(float)
    estimate, bounds = confidence_sequence(X)
    assert (np.diff(bounds[:, 0]) >= 0).all()
    assert (np.diff(bounds[:, 1]) <= 0).all()
    assert estimate.low <= estimate.value <= estimate.high
    fixed = 2 * 1.96 * X.std() / np.sqrt(2000)
    assert fixed < estimate.high - estimate.low < 2.5 * fixed
    assert confidence_sequence(np.zeros(0))[0].value is None
    with pytest.raises(ValueError, match="inside"):
        confidence_sequence(np.array([0.5, np.nan]))
