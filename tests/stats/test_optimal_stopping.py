"""Least-squares Monte Carlo against the published figures of its authors."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.stats import norm

from sazon.stats.optimal_stopping import NEVER, Threshold, fit_rule, fit_threshold, gain_at

FULL = os.environ.get("SAZON_CAMPAIGNS") == "full"
STRIKE, RATE, DATES = 40.0, 0.06, 50
TABLE = (
    # S, σ, American put by finite differences, LSM standard error; T = 1 (Longstaff & Schwartz 2001,
    # Review of Financial Studies 14, table 1).
    (36, 0.2, 4.478, 0.010),
    (36, 0.4, 7.101, 0.020),
    (38, 0.2, 3.250, 0.009),
    (38, 0.4, 6.148, 0.019),
    (40, 0.2, 2.314, 0.009),
    (40, 0.4, 5.312, 0.018),
    (42, 0.2, 1.617, 0.007),
    (42, 0.4, 4.582, 0.017),
    (44, 0.2, 1.110, 0.007),
    (44, 0.4, 3.948, 0.017),
)  # fmt: skip


def american_put(spot, sigma, *, paths, seed=0):
    """In-sample value of the put from antithetic geometric Brownian paths, with its standard error."""
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((paths // 2, DATES))
    steps = (RATE - sigma**2 / 2) / DATES + sigma * np.concatenate([half, -half]) / DATES**0.5
    prices = spot * np.exp(np.cumsum(steps, axis=1))
    discount = np.exp(-RATE * np.arange(1, DATES + 1) / DATES)
    gain = discount * np.maximum(STRIKE - prices, 0)
    found, _ = fit_rule(gain, prices[:, :, None]).follow(gain, prices[:, :, None])
    pairs = (found[: paths // 2] + found[paths // 2 :]) / 2
    return found.mean(), pairs.std() / len(pairs) ** 0.5


def test_the_worked_example_of_eight_paths():
    """Longstaff & Schwartz 2001, section 1: K = 1.10, r = 0.06, value 0.1144."""
    prices = np.array(
        [
            [1.09, 1.08, 1.34],
            [1.16, 1.26, 1.54],
            [1.22, 1.07, 1.03],
            [0.93, 0.97, 0.92],
            [1.11, 1.56, 1.52],
            [0.76, 0.77, 0.90],
            [0.92, 0.84, 1.01],
            [0.88, 1.22, 1.34],
        ]
    )
    gain = np.exp(-0.06 * np.arange(1, 4)) * np.maximum(1.10 - prices, 0)
    state = prices[:, :, None]
    found, dates = fit_rule(gain, state, degree=2).follow(gain, state)
    assert found.mean() == pytest.approx(0.1144, abs=5e-5)
    # Stopped as in the paper: paths 4, 6, 7 and 8 at the first date, path 3 at the last.
    assert dates.tolist() == [NEVER, NEVER, 2, 0, NEVER, 0, 0, 0]


@pytest.mark.campaign
@pytest.mark.parametrize(("spot", "sigma", "published", "error"), TABLE if FULL else TABLE[:1])
def test_american_puts_of_table_1(spot, sigma, published, error):
    if FULL:
        value, _ = american_put(spot, sigma, paths=100_000)
        assert abs(value - published) <= 2 * error
        return
    value, own = american_put(spot, sigma, paths=10_000)
    assert abs(value - published) <= 3 * own
    assert value > 3.844 + 3 * own, "above the European put"


def test_a_gain_known_only_on_average_is_not_foreseen():
    """One date before X is seen, one after: worth max(E X, 0.9 E X⁺), whatever the noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(-0.2, 1.0, 40_000)
    gain = np.stack([x + rng.normal(0, 5, 40_000), 0.9 * x + rng.normal(0, 5, 40_000)], axis=1)
    state = np.stack([np.zeros(40_000), x], axis=1)[:, :, None]
    rule = fit_rule(gain[:20_000], state[:20_000], seen=False)
    found, dates = rule.follow(gain[20_000:], state[20_000:])
    true = 0.9 * (norm.pdf(-0.2) - 0.2 * norm.cdf(-0.2))
    assert found.mean() == pytest.approx(true, abs=3 * found.std() / 20_000**0.5)
    assert not (dates == 0).any()


def test_noise_is_worth_nothing_on_other_paths():
    """Fitted and valued on the same paths, noise looks like gain; on others it does not."""
    rng = np.random.default_rng(1)
    gain, state = rng.normal(-0.1, 1, (400, 10)), rng.normal(size=(400, 10, 2))
    rule = fit_rule(gain[:200], state[:200], seen=False)
    own, _ = rule.follow(gain[:200], state[:200])
    other, _ = rule.follow(gain[200:], state[200:])
    assert own.mean() > 0.2
    assert other.mean() < 0.05


def test_a_threshold_waits_for_two_months_in_a_row():
    watched = np.array([[5.0, 1, 5, 5, 5], [1, 1, 1, 1, 5], [5, 5, 1, 1, 1]])
    months = np.array([0, 1, 2, 3, 4])
    above = Threshold(level=4, above=True, times=2)
    assert above.dates(watched, months).tolist() == [4, NEVER, 2]
    below = Threshold(level=2, above=False, times=2)
    assert below.dates(watched, months).tolist() == [NEVER, 2, 4]
    gain = np.arange(15.0).reshape(3, 5)
    assert gain_at(gain, above.dates(watched, months)).tolist() == [4, 0, 12]


def test_the_best_threshold_is_found():
    """Moving gains what demand is above 10 for all later months: the rule is to move above 10."""
    rng = np.random.default_rng(2)
    demand = np.repeat(rng.uniform(0, 20, (4000, 1)), 8, axis=1)
    months = np.arange(8)
    gain = (demand - 10) * (8 - months)
    found = fit_threshold(gain, demand, months)
    assert found.above
    assert found.level == pytest.approx(10, abs=0.6)
    assert fit_threshold(-np.ones((5, 2)), np.ones((5, 3)), np.array([0, 2])) is None


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="shape"):
        fit_rule(np.ones((3, 2)), np.ones((3, 1, 1)))
    with pytest.raises(ValueError, match="finite"):
        fit_rule(np.full((3, 2), np.nan), np.ones((3, 2, 1)))
