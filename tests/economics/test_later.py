"""Costs from a later month on: what moving, waiting and losing a supplier come to."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.core.types import Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, TokenPrice, simulate
from sazon.economics.later import later_of
from sazon.economics.market import DAYS_PER_MONTH, draw_market
from sazon.economics.worlds import Worlds

PRICE = TokenPrice(
    input_per_mtok=2.0, output_per_mtok=10.0, currency="EUR", as_of="2026-11-01", source="test"
)
NOTHING = {"setup": 0, "monthly": 0, "retrained": False}
KNOWN = {
    "months": 24,
    "demand": {"requests_per_day": 1000, "growth_per_year": 0, "peak_to_mean": 5},
    "tokens_in": 500,
    "tokens_out": 20,
    "value_of_error": 0.5,
    "staff_rate_per_hour": 50,
    "staff_hours": {"api": NOTHING, "panel": NOTHING, "local": {**NOTHING, "setup": 100}, "host": NOTHING},
    "retrainings_per_year": 0,
    "electricity_price_per_kwh": 0,
    "discount_rate_per_year": 0.1,
    "price_change_per_year": 0.2,
    "hardware": {"server_price": 0, "spares": 0, "gpu_rent_per_hour": 4, "gpu_price": 30000},
}
REQUEST = (500 * 2.0 + 20 * 10.0) / 1e6
A = Option(name="a", kind="api", price=PRICE, provider="north")
B = Option(name="b", kind="local", seconds_per_request=Estimate(value=0.001, unit="s"))
H = Option(name="h", kind="host", model="llama-3.1-8b", tenure="buy")


def configured(**changes):
    return EconomicsConfig.model_validate({**KNOWN, **changes})


def run(options, *, worlds=2000, seed=0, right=1.0, **changes):
    names = tuple(o.name for o in options)
    draws = QualityDraws(
        values=np.full((worlds, len(names), 1), right),
        candidates=names,
        metrics=("accuracy",),
        kinds=dict.fromkeys(names, "measured"),
    )
    return simulate(configured(**changes), options, draws, rng=np.random.default_rng(seed))


def later(options, **changes):
    config, worlds = configured(**changes), Worlds(200, seed=0)
    block = worlds.block(0, 200)
    held = {o.name: o for o in options}
    wrong = np.full((200, len(options)), 0.1)
    return later_of(config, held, tuple(held), wrong, draw_market(config, block), block)


def test_an_option_taken_up_later_costs_its_set_up_then_and_its_bills_from_then_on():
    found = later([A, B], months=24)
    assert found.dates[:4].tolist() == [0, 1, 2, 3]
    assert found.dates[-1] == 23
    months = np.arange(24)
    requests = 1000 * DAYS_PER_MONTH
    monthly = requests * (REQUEST * 1.2 ** ((months + 0.5) / 12) + 0.1 * 0.5) * 1.1 ** (-(months + 1) / 12)
    errors = requests * 0.05 * 1.1 ** (-(months + 1) / 12)
    for d, date in enumerate(found.dates):
        assert found.since[:, 0, d] == pytest.approx(monthly[date:].sum())
        setup = 100 * 50 * 1.1 ** (-date / 12)
        assert found.since[:, 1, d] == pytest.approx(setup + errors[date:].sum())
        assert found.setup[:, 1, d] == pytest.approx(setup)
    # What needs no set-up costs the same whether taken up at a date or held since the first month.
    assert found.ahead[:, 0] == pytest.approx(found.since[:, 0])
    assert found.ahead[:, 1, 1:] + found.setup[:, 1, 1:] == pytest.approx(found.since[:, 1, 1:])


def test_hardware_bought_later_is_younger_at_the_end():
    found = later([A, H], discount_rate_per_year=0, demand={**KNOWN["demand"], "requests_per_day": 10})
    assert found.setup[:, 1] == pytest.approx(30000)
    worth = found.since[:, 1] - found.since[:, 1, [-1]]
    assert (np.diff(worth, axis=1) < 0).all()


def test_waiting_is_worth_what_the_two_demands_say():
    """Half the worlds ask little, half much; the local option pays only where much is asked.

    Demand is seen after a month, so waiting saves the set-up in the worlds that ask little: less than
    knowing it today, more than nothing.
    """
    wild = {"requests_per_day": {"p10": 1200, "p90": 12000}, "growth_per_year": 0, "peak_to_mean": 5}
    costs = run([A, B], demand=wild, price_change_per_year=0, months=36)
    (waiting,) = costs.outlook.waiting
    assert (waiting.start, waiting.then) == ("a", "b")
    knowing = costs.outlook.everything.value
    assert 0.5 * knowing < waiting.value.value < 1.05 * knowing
    assert waiting.value.low > 0
    assert waiting.above
    # b costs 5,000 once; a costs 0.0012 a request: even over three years at about 4,000 a day.
    even = 5000 / (0.0012 * 36 * DAYS_PER_MONTH)
    assert 0.5 * even < waiting.requests_per_day < 2.5 * even
    assert 0 < waiting.simple_value.value < 1.05 * knowing
    assert 0.1 < waiting.moves.value < 0.7


def test_waiting_is_worth_nothing_where_demand_is_known():
    costs = run([A, B], months=36, worlds=400)
    (waiting,) = costs.outlook.waiting
    assert waiting.value.value == pytest.approx(0, abs=1e-6)
    assert waiting.moves.value == 0


def test_nothing_to_wait_for_without_a_provider_or_without_somewhere_to_go():
    assert run([B, H], worlds=200).outlook.waiting == ()
    assert run([A], worlds=200).outlook.waiting == ()


def test_losing_the_supplier_costs_the_move_and_the_dearer_bills():
    other = Option(
        name="c",
        kind="api",
        provider="south",
        price=TokenPrice(
            input_per_mtok=4.0, output_per_mtok=20.0, currency="EUR", as_of="2026-11-01", source="test"
        ),
    )
    costs = run([A, other], discount_rate_per_year=0, price_change_per_year=0, months=12, worlds=4000)
    # A month of 1 … 11 at random: six months are left on average, twice as dear.
    month = 1000 * DAYS_PER_MONTH * REQUEST
    assert costs.summary["a"]["loss_if_gone"].value == pytest.approx(6 * month, rel=0.03)
    assert costs.summary["c"]["loss_if_gone"].value == pytest.approx(-6 * month, rel=0.03)
    assert costs.summary["a"]["effective_suppliers"].value == pytest.approx(1)


def test_leaving_costs_the_set_up_of_who_is_left():
    costs = run([A, B], discount_rate_per_year=0, months=12, worlds=400)
    assert costs.summary["a"]["cost_to_leave"].value == pytest.approx(5000)
    assert costs.summary["b"]["loss_if_gone"].undefined == "it needs nobody outside"
    alone = [A, Option(name="d", kind="api", price=PRICE, provider="north")]
    assert "same supplier" in run(alone, worlds=200).summary["a"]["loss_if_gone"].undefined


def test_spending_in_equal_parts_counts_each_supplier():
    both = Option(name="p", kind="panel", parents=("a", "c"))
    second = Option(name="c", kind="api", price=PRICE, provider="south")
    costs = run([A, second, both, B], worlds=200)
    assert costs.summary["p"]["effective_suppliers"].value == pytest.approx(2)
    assert costs.summary["a"]["effective_suppliers"].value == pytest.approx(1)
