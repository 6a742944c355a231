"""Two tasks on the same machines: sized once for both peaks, staff once, the rest left apart."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.core.errors import RecipeError
from sazon.core.rng import integer, stream
from sazon.core.types import Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, Task, TokenPrice, share, simulate

NOTHING = {"setup": 0, "monthly": 0, "retrained": False}
KNOWN = {
    "months": 12,
    "worlds": 200,
    "demand": {"requests_per_day": 86_400, "growth_per_year": 0, "peak_to_mean": 1},
    "tokens_in": 500,
    "tokens_out": 20,
    "value_of_error": 0,
    "staff_rate_per_hour": 50,
    "staff_hours": {"local": NOTHING, "api": NOTHING, "host": {**NOTHING, "monthly": 10}},
    "retrainings_per_year": 0,
    "electricity_price_per_kwh": 0,
    "discount_rate_per_year": 0,
    "price_change_per_year": 0,
    "capacity_error": 1,
    "hardware": {"server_price": 1000, "spares": 1, "gpu_rent_per_hour": 4, "target_utilisation": 1},
}
SERVER = Option(name="server", kind="local", seconds_per_request=Estimate(value=0.3, unit="s"))
HOST = Option(name="host", kind="host", model="llama-3.1-8b")


def dear(price):
    tokens = TokenPrice(
        input_per_mtok=price, output_per_mtok=0, currency="EUR", as_of="2026-11-01", source="test"
    )
    return Option(name="api", kind="api", price=tokens)


def task(name, options, **changes):
    config = EconomicsConfig.model_validate({**KNOWN, **changes})
    names = tuple(o.name for o in options)
    draws = QualityDraws(
        values=np.ones((config.worlds, len(names), 1)), candidates=names, metrics=("accuracy",), kinds={}
    )
    costs = simulate(config, options, draws, rng=stream(0, "economics.worlds"))
    return Task(
        name=name,
        config=config,
        options={o.name: o for o in options},
        costs=costs,
        choices=names,
        seed=integer(stream(0, "economics.worlds")),
    )


def test_two_small_models_share_a_server_and_its_spare():
    """0.3 busy each: a server and a spare alone, the same two for both together, divided by use."""
    found = share([task("a", [SERVER]), task("b", [SERVER])])
    assert found.alone.value == pytest.approx(4000)
    assert found.together.value == pytest.approx(2000)
    assert found.saved.value == pytest.approx(2000)
    assert [t.together.value for t in found.tasks] == pytest.approx([1000, 1000])
    assert found.tasks[0].shares_with == ("b",)
    slow = Option(name="server", kind="local", seconds_per_request=Estimate(value=0.6, unit="s"))
    uneven = share([task("a", [SERVER]), task("b", [slow])])
    assert [t.together.value for t in uneven.tasks] == pytest.approx([2000 / 3, 4000 / 3])
    full = Option(name="server", kind="local", seconds_per_request=Estimate(value=0.9, unit="s"))
    assert share([task("a", [SERVER]), task("b", [full])]).together.value == pytest.approx(3000)


def test_a_hosted_model_is_rented_and_looked_after_once():
    one = task("a", [HOST])
    found = share([one, task("b", [HOST], staff_hours={**KNOWN["staff_hours"], "host": {
        **NOTHING, "monthly": 30}})])  # fmt: skip
    staff = 12 * 50
    machines = one.costs.summary["host"]["total"].value - 10 * staff
    assert found.alone.value == pytest.approx(2 * machines + 40 * staff)
    # Both peaks fit one replica, so the machines of one do; the hours are those of who needs most.
    assert found.together.value == pytest.approx(machines + 30 * staff)
    other = Option(name="host", kind="host", model="llama-3.3-70b")
    apart = share([one, task("b", [other])])
    assert apart.saved.value == pytest.approx(0)
    assert apart.tasks[0].shares_with == ()


def test_sharing_can_change_a_choice():
    bill = 86_400 * 365.25 * 500 / 1e6
    options = [SERVER, dear(1500 / bill)]
    found = share([task("a", options), task("b", options)])
    assert [t.choice_alone for t in found.tasks] == ["api", "api"]
    assert [t.choice_together for t in found.tasks] == ["server", "server"]
    assert found.saved.value == pytest.approx(1000)
    assert found.p_best.value == pytest.approx(1)


def test_what_cannot_be_put_together_is_refused():
    one = task("a", [SERVER])
    with pytest.raises(RecipeError, match="nobody to share with"):
        share([one])
    with pytest.raises(RecipeError, match="months of 'b'"):
        share([one, task("b", [SERVER], months=24)])
    with pytest.raises(RecipeError, match="hardware of 'b'"):
        share([one, task("b", [SERVER], hardware={**KNOWN["hardware"], "server_price": 5})])
