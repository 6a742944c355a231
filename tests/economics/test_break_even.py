"""Where one option begins to cost less: demand, utilisation and month, each against a figure by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sazon.core.types import Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, TokenPrice, simulate
from sazon.economics.break_even import first_month_for_good
from sazon.economics.capacity import best_replica
from sazon.economics.cashflow import flows_of, load_of
from sazon.economics.market import draw_market
from sazon.economics.worlds import Worlds

PRICE = TokenPrice(
    input_per_mtok=2.0, output_per_mtok=10.0, currency="EUR", as_of="2026-11-01", source="test"
)
REQUEST = (500 * 2.0 + 20 * 10.0) / 1e6
NOTHING = {"setup": 0, "monthly": 0, "retrained": False}
KNOWN = {
    "months": 24,
    "demand": {"requests_per_day": 100_000, "growth_per_year": 0, "peak_to_mean": 1},
    "tokens_in": 500,
    "tokens_out": 20,
    "value_of_error": 0,
    "staff_rate_per_hour": 50,
    "staff_hours": {"api": NOTHING, "local": NOTHING, "host": NOTHING},
    "retrainings_per_year": 0,
    "electricity_price_per_kwh": 0,
    "discount_rate_per_year": 0,
    "price_change_per_year": 0,
    "capacity_error": 1,
    "hardware": {"server_price": 12_000, "spares": 0, "gpu_rent_per_hour": 4, "target_utilisation": 1},
}
API = Option(name="api", kind="api", price=PRICE)
SERVER = Option(name="server", kind="local", seconds_per_request=Estimate(value=0.5, unit="s"))
HOST = Option(name="host", kind="host", model="llama-3.1-8b", tenure="rent")
MONTH = 365.25 / 12


def breaks(options, *, right=1.0, **changes):
    names = tuple(o.name for o in options)
    draws = QualityDraws(
        values=np.full((200, len(names), 1), right),
        candidates=names,
        metrics=("accuracy",),
        kinds=dict.fromkeys(names, "assumed"),
    )
    config = EconomicsConfig.model_validate({**KNOWN, **changes})
    costs = simulate(config, options, draws, rng=np.random.default_rng(0))
    return {b.name: b for b in costs.outlook.breaks}, costs


def test_a_server_is_paid_back_when_the_bills_saved_reach_its_price():
    found, costs = breaks([API, SERVER])
    bill = 100_000 * MONTH * REQUEST
    assert found["server"].against == "api"
    assert found["server"].month.at.value == np.ceil(12_000 / bill)
    assert found["server"].month.nowhere.value < 0.01
    # At 2 requests a second, always busy, for the price of the tokens.
    full = 2 * 24 * MONTH * 86_400
    assert found["server"].utilisation.at.value == pytest.approx(12_000 / (full * REQUEST))
    assert found["api"].utilisation.at.undefined == "it has no machines of its own"
    assert "staff_hours.machines.setup" not in {r["name"] for r in costs.inputs}


def test_a_rented_replica_must_be_as_full_as_its_rent_over_the_bill():
    found, _ = breaks([API, HOST])
    replica = best_replica(
        "llama-3.1-8b",
        "h100",
        tokens_in=500,
        tokens_out=20,
        itl_s=0.05,
        ttft_s=2,
        requests_per_s=1,
        stack="other",
    )
    rate = float(replica.requests_per_s(np.array([500.0]), np.array([20.0]), itl_s=0.05, ttft_s=2)[0])
    hour = replica.gpus * 4
    assert found["host"].utilisation.at.value == pytest.approx(hour / (rate * 3600 * REQUEST))


def test_what_never_happens_is_said_to_be_nowhere():
    cheap = Option(
        name="cheap",
        kind="api",
        price=TokenPrice(
            input_per_mtok=0.001, output_per_mtok=0.001, currency="EUR", as_of="2026-11-01", source="test"
        ),
    )
    found, costs = breaks([cheap, HOST])
    host = found["host"]
    for crossing in (host.demand, host.utilisation, host.month):
        assert crossing.nowhere.value > 0.99
        assert crossing.at.undefined == "in no simulated future"
    assert costs.summary["host"]["break_even_requests_per_day"].value is None
    assert breaks([API])[0] == {}


def test_some_futures_have_one_and_their_share_is_told():
    found, _ = breaks(
        [API, SERVER], demand={**KNOWN["demand"], "requests_per_day": {"p10": 100, "p90": 40_000}}
    )
    month = found["server"].month
    assert 0.05 < month.nowhere.value < 0.95
    assert 1 <= month.at.low < month.at.high <= 24


def test_options_that_cost_the_same_while_nobody_asks_do_not_cross_there():
    dearer = Option(
        name="dearer",
        kind="api",
        price=TokenPrice(
            input_per_mtok=3.0, output_per_mtok=10.0, currency="EUR", as_of="2026-11-01", source="test"
        ),
    )
    assert breaks([API, dearer])[0]["dearer"].demand.nowhere.value > 0.99


@pytest.mark.parametrize("option", [API, SERVER, HOST], ids=lambda option: option.name)
def test_a_multiple_of_a_markets_demand_costs_what_that_demand_would(option):
    def costs(level, times):
        demand = {"requests_per_day": level, "growth_per_year": {"p10": -0.2, "p90": 0.9}}
        config = EconomicsConfig.model_validate({**KNOWN, "demand": demand})
        block = Worlds(50, seed=1).block(0, 50)
        market = draw_market(config, block).times(times)
        return flows_of(load_of(option, {option.name: option}, block), config, market, block).total

    assert costs(1_000, 300) == pytest.approx(costs(300_000, 1), rel=1e-12)
    assert np.ptp(costs(1_000, 300)) > 0


@given(arrays(float, (5, 12), elements=st.floats(-10, 10)))
def test_from_its_month_on_it_is_never_dearer_again(gap):
    months = first_month_for_good(gap)
    for row, month in zip(gap, months, strict=True):
        if np.isinf(month):
            assert row[-1] > 0
        else:
            start = int(month) - 1
            assert (row[start:] <= 0).all()
            assert start == 0 or row[start - 1] > 0
