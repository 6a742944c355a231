"""Betting certificates: validity of the wealth, violation rate, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats.betting import certify_net, log_wealth

GRID = np.linspace(0, 1, 101)


def test_wealth_by_hand():
    # First bet: σ̂² = ¼, ν = √(2 ln 10 / (2·¼)) = 3.03, capped at ¾ / (1 − ½) = 1.5.
    assert log_wealth(np.array([[0.0, 0.0]]), mean=0.5, delta=0.1) == pytest.approx(2 * np.log(1.75))
    assert log_wealth(np.array([[1.0, 1.0]]), mean=0.5, delta=0.1) == 0.0
    assert log_wealth(np.zeros((3, 0)), mean=0.5, delta=0.1).tolist() == [0, 0, 0]


def test_wealth_is_rarely_won_when_the_hypothesis_is_true():
    rng = np.random.default_rng(0)
    X = (rng.choice([-1.0, 0.0, 1.0], p=[0.04, 0.9, 0.06], size=(2000, 400)) + 1) / 2
    won = (log_wealth(X, mean=0.51, delta=0.1) >= np.log(10)).mean()
    assert won <= 0.1 + 2.5 * np.sqrt(0.09 / 2000)


@pytest.mark.campaign
def test_the_net_certificate_fails_at_most_as_often_as_promised():
    rng = np.random.default_rng(5)
    epsilon, delta, worlds, n = 0.02, 0.10, 300, 500
    # Harm .25(1−t)², wins .05(1−t): net loss above λ is .25 u³/3 − .05 u²/2 with u = 1 − λ.
    violated, shares = 0, 0.0
    for _ in range(worlds):
        trust, coin = rng.random(n), rng.random(n)
        harm, win = 0.25 * (1 - trust) ** 2, 0.05 * (1 - trust)
        loss = (coin < harm).astype(float) - (coin > 1 - win)
        found = certify_net(trust, loss, GRID, epsilon=epsilon, delta=delta, rng=rng)
        if found.threshold is not None:
            u = 1 - found.threshold
            violated += 0.25 * u**3 / 3 - 0.05 * u**2 / 2 > epsilon
            shares += found.accepted / n
    assert violated / worlds <= delta + 2.5 * np.sqrt(delta * (1 - delta) / worlds)
    assert shares / worlds > 0.5


def test_hopeless_rows_defer_everything():
    found = certify_net(
        np.ones(300), np.ones(300), GRID, epsilon=0.02, delta=0.1, rng=np.random.default_rng(0)
    )
    assert (found.threshold, found.accepted, found.labels_needed) == (None, 0, None)
    few = certify_net(np.ones(50), np.zeros(50), GRID, epsilon=0.02, delta=0.1, rng=np.random.default_rng(0))
    assert few.threshold is None
    more = 50 + few.labels_needed
    enough = certify_net(
        np.ones(2 * more), np.zeros(2 * more), GRID, epsilon=0.02, delta=0.1, rng=np.random.default_rng(0)
    )
    assert enough.threshold == 0.0
    none = certify_net(np.zeros(0), np.zeros(0), GRID, epsilon=0.02, delta=0.1, rng=np.random.default_rng(0))
    assert (none.threshold, none.harm.value) == (None, None)


def test_values_out_of_range_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="inside"):
        certify_net(np.ones(2), np.array([0.0, 2.0]), GRID, epsilon=0.02, delta=0.1, rng=rng)
    with pytest.raises(ValueError, match="epsilon"):
        certify_net(np.ones(2), np.zeros(2), GRID, epsilon=0, delta=0.1, rng=rng)
