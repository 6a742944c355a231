import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sazon.core.types import Estimate
from sazon.economics.ranges import Range, Rate
from sazon.economics.worlds import Worlds, stale_inputs

positive = st.floats(1e-6, 1e6)


@given(positive, st.floats(1.001, 1e3), st.floats(0.01, 0.99))
def test_lognormal_hits_its_percentiles_and_rises(p10, ratio, u):
    amount = Range(p10=p10, p90=p10 * ratio)
    assert amount.at(0.1) == pytest.approx(p10)
    assert amount.at(0.9) == pytest.approx(p10 * ratio)
    assert amount.at(0.5) == pytest.approx(p10 * ratio**0.5)
    assert amount.at(u) < amount.at(u + 0.005)
    assert amount.distribution == "log-normal"


def test_pert_has_the_mean_of_its_definition():
    amount = Range(low=1, mode=2, high=7)
    points = (np.arange(100_000) + 0.5) / 100_000
    values = amount.quantile(points)
    assert values.mean() == pytest.approx((1 + 4 * 2 + 7) / 6, rel=1e-4)
    assert values.min() >= 1
    assert values.max() <= 7


@given(st.floats(-0.9, 0.5), st.floats(0.001, 2))
def test_a_rate_stays_above_minus_one_and_hits_its_percentiles(p10, width):
    rate = Rate(p10=p10, p90=p10 + width)
    assert rate.at(0.1) == pytest.approx(p10, abs=1e-9)
    assert rate.at(0.9) == pytest.approx(p10 + width)
    assert rate.at(1e-12) > -1


def test_a_plain_number_and_a_yaml_date_are_taken():
    amount = TypeAdapter(Range).validate_python(3)
    assert amount.certain
    assert amount.at(0.99) == 3
    assert Range.model_validate({"value": 1, "date": datetime.date(2026, 11, 1)}).date == "2026-11-01"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"p10": 2, "p90": 1}, "p10 must not be above p90"),
        ({"p10": -1, "p90": 1}, "must not be negative"),
        ({"p10": 0, "p90": 1}, "log-normal distribution never reaches"),
        ({"p10": 1}, "exactly one way"),
        ({"value": 1, "p10": 1, "p90": 2}, "exactly one way"),
        ({"low": 1, "mode": 0, "high": 3}, "low ≤ mode ≤ high"),
        ({"value": float("inf")}, "finite"),
        ({}, "exactly one way"),
        ({"p10": 1, "p90": 2, "p50": 1}, "Extra inputs"),
    ],
)
def test_wrong_ranges_say_what_is_wrong(given, says):
    with pytest.raises(ValidationError, match=says):
        Range.model_validate(given)


def test_wrong_ranges_say_how_to_mend():
    with pytest.raises(ValidationError) as caught:
        Range.model_validate({"p10": 2, "p90": 1})
    assert caught.value.errors()[0]["ctx"]["mend"] == "Exchange the numbers."


def test_an_estimate_keeps_its_kind_and_interval():
    measured = Estimate(value=2.0, low=1.0, high=4.0, level=0.8, unit="s", method="timed")
    amount = Range.from_estimate(measured)
    assert (amount.kind, amount.source) == ("measured", "timed")
    assert amount.at(0.1) == pytest.approx(1.0)
    assert amount.at(0.9) == pytest.approx(4.0)


def test_marginals_are_recovered_and_streams_do_not_shift_each_other():
    amount = Range(p10=1, p90=9)
    alone = Worlds(2000, seed=0)
    column = alone.draw("demand", amount, unit="")
    assert np.quantile(column, [0.1, 0.5, 0.9]) == pytest.approx([1, 3, 9], rel=0.01)
    crowd = Worlds(2000, seed=0)
    crowd.draw("another", Range(p10=1, p90=2), unit="")
    assert (crowd.draw("demand", amount, unit="") == column).all()
    other = crowd.draw("another", Range(p10=5, p90=6), unit="")
    assert other.max() < 5, "an input is drawn once"
    assert abs(np.corrcoef(column, other)[0, 1]) < 0.1


def test_an_estimate_that_reaches_zero_is_not_blown_up():
    measured = Estimate(value=0.02, low=0.0, high=0.05, level=0.95, unit="share", method="Wilson score")
    amount = Range.from_estimate(measured)
    assert amount.at(0.975) == pytest.approx(0.05)
    assert amount.at(0.5) == pytest.approx(0.02)
    assert Range.from_estimate(Estimate(value=0.0, low=0.0, high=0.1, unit="s")).at(0.5) == 0


def test_old_figures_are_named():
    rows = [
        {"name": n, "date": d}
        for n, d in (("new", "2026-11-01"), ("old", "2026-01"), ("year", "2025"), ("none", ""))
    ]
    assert stale_inputs(rows, on=datetime.date(2026, 11, 22)) == ["old", "year"]
