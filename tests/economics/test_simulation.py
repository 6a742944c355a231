import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon.core.errors import RecipeError
from sazon.core.types import Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, Range, TokenPrice, simulate
from sazon.economics.capacity import best_replica
from sazon.economics.cashflow import throughput_error
from sazon.economics.config import Hardware
from sazon.economics.fleets import purchases
from sazon.economics.market import DAYS_PER_MONTH, HOURS_PER_MONTH
from sazon.economics.worlds import Worlds

WORLDS = 400
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
    "staff_hours": {"api": NOTHING, "local": NOTHING, "host": NOTHING, "cascade": NOTHING},
    "retrainings_per_year": 0,
    "electricity_price_per_kwh": 0.2,
    "pue": 1.5,
    "discount_rate_per_year": 0.1,
    "price_change_per_year": 0,
    "usd_per_eur": 1.25,
    "capacity_error": 1,
    "hardware": {
        "server_price": 1000,
        "server_power_kw": 0.1,
        "spares": 0,
        "gpu_rent_per_hour": 4,
        "gpu_price": 30000,
        "gpu_residual_share": 0.5,
        "gpu_power_factor": 1,
    },
}


def configured(**changes):
    return EconomicsConfig.model_validate({**KNOWN, **changes})


def quality(*rates, worlds=WORLDS, metrics=("accuracy",)):
    columns = [np.broadcast_to(np.asarray(r, dtype=float), (worlds,)) for r in rates]
    values = np.repeat(np.column_stack(columns)[:, :, None], len(metrics), axis=2)
    names = tuple("abcdef"[: len(rates)])
    return QualityDraws(
        values=values, candidates=names, metrics=metrics, kinds=dict.fromkeys(names, "measured")
    )


def seconds(value):
    return Estimate(value=value, unit="s", method="timed")


def run(config, options, draws, seed=0):
    return simulate(config, options, draws, rng=np.random.default_rng(seed))


def test_an_api_costs_the_annuity_of_its_monthly_bill():
    costs = run(configured(), [Option(name="a", kind="api", price=PRICE)], quality(0.9))
    requests = 1000 * DAYS_PER_MONTH
    bill = requests * (500 * 2.0 + 20 * 10.0) / 1e6
    errors = requests * 0.1 * 0.5
    monthly = 1.1 ** (1 / 12) - 1
    annuity = (1 - (1 + monthly) ** -24) / monthly
    assert costs.values == pytest.approx((bill + errors) * annuity)
    summary = costs.summary["a"]
    assert summary["error_cost"].value == pytest.approx(errors * annuity)
    assert summary["per_1000_requests"].value == pytest.approx(1.2)
    assert summary["per_1000_correct"].value == pytest.approx(1.2 / 0.9)
    assert summary["total"].unit == "EUR"
    assert summary["total"].kind == "assumed"
    assert summary["energy"].value is None
    assert len(costs.timeline["a"]) == 24
    assert costs.timeline["a"][-1][1] == pytest.approx(costs.values[0, 0])


def test_dollars_are_turned_into_euros_at_the_rate():
    in_dollars = TokenPrice(
        input_per_mtok=2.5, output_per_mtok=12.5, currency="USD", as_of="2026-11-01", source="test"
    )
    euros = run(configured(), [Option(name="a", kind="api", price=PRICE)], quality(1.0))
    dollars = run(configured(), [Option(name="a", kind="api", price=in_dollars)], quality(1.0))
    assert dollars.values == pytest.approx(euros.values)
    held_in_usd = run(configured(currency="USD"), [Option(name="a", kind="api", price=PRICE)], quality(1.0))
    assert held_in_usd.values == pytest.approx(1.25 * euros.values)


def test_a_small_server_costs_its_price_and_its_power():
    options = [Option(name="a", kind="linear", technique="local", seconds_per_request=seconds(0.01))]
    costs = run(configured(discount_rate_per_year=0), options, quality(1.0))
    kwh = 0.1 * HOURS_PER_MONTH * 24
    assert costs.values == pytest.approx(1000 + kwh * 0.2 * 1.5)
    assert costs.summary["a"]["investment"].value == pytest.approx(1000)
    assert costs.summary["a"]["energy"].value == pytest.approx(kwh)
    assert costs.parts["use"] == pytest.approx(0)


def test_servers_follow_the_peak():
    # 1,000 a day at five times the mean keep 0.0579 requests a second: 31.25 s each, 60 % planned.
    options = [Option(name="a", kind="local", seconds_per_request=seconds(31.2))]
    costs = run(configured(discount_rate_per_year=0), options, quality(1.0))
    assert costs.summary["a"]["investment"].value == pytest.approx(4000)


def test_rented_gpus_are_charged_by_reservation_and_bought_ones_resold():
    def option(tenure):
        return [Option(name="a", kind="host", model="llama-3.1-8b", gpu="h100", tenure=tenure)]

    config = configured(discount_rate_per_year=0)
    rented = run(config, option("rent"), quality(1.0))
    assert rented.values == pytest.approx(4 * HOURS_PER_MONTH * 24)
    bought = run(config, option("buy"), quality(1.0))
    power = 0.7 * HOURS_PER_MONTH * 24 * 0.2 * 1.5
    assert bought.values == pytest.approx(30000 * (1 - 0.5 ** (24 / 36)) + power)
    assert rented.summary["a"]["energy"].value == pytest.approx(bought.summary["a"]["energy"].value)


def test_a_cascade_pays_its_local_and_its_share_of_the_cloud():
    options = [
        Option(name="a", kind="local", seconds_per_request=seconds(0.01)),
        Option(name="b", kind="api", price=PRICE),
        Option(name="c", kind="cascade", parents=("a", "b"), cloud_share=seconds(0.25)),
    ]
    costs = run(configured(), options, quality(1.0, 1.0, 1.0))
    a, b, c = costs.values.T
    assert c == pytest.approx(a + 0.25 * b)
    uncertified = [*options[:2], Option(name="c", kind="cascade", parents=("a", "b"))]
    a, b, c = run(configured(), uncertified, quality(1.0, 1.0, 1.0)).values.T
    assert c == pytest.approx(a + b)


def test_staff_hours_are_paid_before_and_monthly():
    hours = {"api": {"setup": 10, "monthly": 2, "retrained": False}}
    config = configured(staff_hours=hours, discount_rate_per_year=0)
    costs = run(config, [Option(name="a", kind="api", price=PRICE)], quality(1.0))
    assert costs.parts["fixed"] == pytest.approx(10 * 50 + 24 * 2 * 50)
    own = Option(name="a", kind="api", price=PRICE, setup_hours=Range(value=20), monthly_hours=Range(value=0))
    assert run(config, [own], quality(1.0)).parts["fixed"] == pytest.approx(20 * 50)


def test_errors_are_weighted_by_class_where_asked():
    config = configured(error_costs={"urgent": 10})
    options = [Option(name="a", kind="api", price=PRICE)]
    with pytest.raises(RecipeError, match="weighted_error"):
        run(config, options, quality(0.9))
    draws = quality(0.9, metrics=("accuracy", "weighted_error"))
    costs = run(config, options, draws)
    assert costs.parts["errors"] == pytest.approx(0.9 * costs.parts["all_wrong"])


def uncertain(**changes):
    return EconomicsConfig.model_validate({"months": 12, **changes})


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 100), st.floats(1.01, 10))
def test_a_higher_price_or_demand_costs_more_in_every_world(price, factor):
    def options(each):
        paid = TokenPrice(
            input_per_mtok=each, output_per_mtok=each, currency="USD", as_of="2026-11-01", source="test"
        )
        return [Option(name="a", kind="api", price=paid)]

    def demand(level):
        return uncertain(demand={"requests_per_day": {"p10": level, "p90": 10 * level}})

    draws = quality(0.9, worlds=100)
    base = run(demand(100), options(price), draws).values
    assert (run(demand(100), options(price * factor), draws).values > base).all()
    assert (run(demand(100 * factor), options(price), draws).values > base).all()


def test_equal_candidates_tie_in_every_world_and_share_being_cheapest():
    random = np.random.default_rng(1).beta(90, 10, WORLDS)
    options = [Option(name=n, kind="api", price=PRICE) for n in "ab"]
    costs = run(uncertain(), options, quality(random, random))
    assert (costs.values[:, 0] == costs.values[:, 1]).all()
    assert costs.summary["a"]["p_cheapest"].value == pytest.approx(0.5)
    assert costs.drivers == {}


def test_an_option_more_does_not_change_the_others():
    random = np.random.default_rng(1).beta(90, 10, WORLDS)
    options = [
        Option(name="a", kind="api", price=PRICE),
        Option(name="b", kind="finetune", seconds_per_request=seconds(0.05)),
    ]
    both = run(uncertain(), options, quality(random, random))
    alone = run(uncertain(), options[:1], quality(random))
    assert (both.values[:, 0] == alone.values[:, 0]).all()


def test_parts_sum_to_the_total_and_seeds_repeat():
    random = np.random.default_rng(1).beta(90, 10, WORLDS)
    options = [
        Option(name="a", kind="api", price=PRICE),
        Option(name="b", kind="host", model="llama-3.1-8b", tenure="buy"),
    ]
    costs = run(uncertain(), options, quality(random, random), seed=0)
    parts = costs.parts
    assert parts["fixed"] + parts["use"] + parts["errors"] == pytest.approx(costs.values)
    assert (run(uncertain(), options, quality(random, random), seed=0).values == costs.values).all()
    assert (run(uncertain(), options, quality(random, random), seed=1).values != costs.values).any()
    for row in costs.inputs:
        assert {"name", "value", "low", "high", "unit", "kind", "source", "date"} <= set(row)
        assert row["kind"] in ("measured", "published", "assumed")
    assert set(costs.drivers) >= {"demand.requests_per_day", "value_of_error", "accuracy.a"}


def test_break_even_is_where_fixed_and_variable_costs_meet():
    hours = {"local": {"setup": 100, "monthly": 0, "retrained": False}, "api": NOTHING}
    config = configured(staff_hours=hours, discount_rate_per_year=0)
    options = [
        Option(name="a", kind="api", price=PRICE),
        Option(name="b", kind="local", seconds_per_request=seconds(0.001)),
    ]
    found = run(config, options, quality(1.0, 1.0)).summary["b"]["break_even_requests_per_day"]
    fixed = 100 * 50 + 1000 + 0.1 * HOURS_PER_MONTH * 24 * 0.2 * 1.5
    each_a_day = 24 * DAYS_PER_MONTH * 0.0012
    assert found.value == pytest.approx(fixed / each_a_day)
    assert "cheaper above it in 100 %" in found.method
    never = run(config, options, quality(1.0, 0.5)).summary["b"]["break_even_requests_per_day"]
    assert never.value is None
    assert "no demand" in never.undefined


def test_hardware_is_bought_for_growth_and_anew_at_the_end_of_its_life():
    need = np.array([[1.0, 1, 2, 3, 3, 3]])
    assert purchases(need, 10).tolist() == [[1, 0, 1, 1, 0, 0]]
    assert purchases(need, 0.25).tolist() == [[1, 0, 1, 2, 0, 1]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "no option for a"),
        ([Option(name="a", kind="api")], "no price"),
        ([Option(name="a", kind="local")], "seconds per request"),
        ([Option(name="a", kind="cascade", parents=("x", "y"))], "Not among the options: x, y"),
        ([Option(name="a", kind="cascade", parents=("a", "a"))], "contains itself"),
        ([Option(name="a", kind="host", model="deepseek-v3")], "latent"),
    ],
)
def test_what_a_cost_needs_is_asked_for(options, says):
    with pytest.raises(RecipeError, match=says):
        run(configured(), options, quality(0.9))


def test_worlds_in_blocks_give_the_same_costs(monkeypatch):
    random = np.random.default_rng(1).beta(90, 10, WORLDS)
    options = [
        Option(name="a", kind="api", price=PRICE),
        Option(name="b", kind="host", model="llama-3.1-8b", tenure="buy"),
    ]
    whole = run(uncertain(), options, quality(random, random))
    monkeypatch.setattr("sazon.economics.simulation.BLOCK", 150)
    blocks = run(uncertain(), options, quality(random, random))
    assert blocks.values == pytest.approx(whole.values, rel=1e-12)
    assert blocks.parts["all_wrong"] == pytest.approx(whole.parts["all_wrong"], rel=1e-12)
    assert blocks.inputs == whole.inputs


@pytest.mark.parametrize(("model", "gpu"), [("mixtral-8x7b", "h100"), ("llama-3.1-8b", "l40s")])
def test_throughput_is_less_sure_of_experts_and_of_gpus_unlike_the_fitted_ones(model, gpu):
    def drawn(name, on, **changes):
        config = EconomicsConfig(**changes)
        replica = best_replica(
            name,
            on,
            tokens_in=500,
            tokens_out=100,
            itl_s=0.2,
            ttft_s=5,
            requests_per_s=1,
            stack=config.hardware.stack,
        )
        return np.log(throughput_error(replica, config, Worlds(500, seed=0).block(0, 500)))

    usual, wide = drawn("llama-3.1-8b", "h100"), drawn(model, gpu)
    assert np.std(usual) == pytest.approx(0.25, rel=0.02)
    assert np.std(wide) > 1.15 * np.std(usual)
    assert np.corrcoef(usual, wide)[0, 1] == pytest.approx(1)
    known = Hardware(stack="tensorrt-llm")
    assert np.std(drawn("llama-3.1-8b", "h100", hardware=known)) == pytest.approx(0.10, rel=0.02)
    given = Range(p10=0.9, p90=1.1)
    assert np.array_equal(
        drawn("llama-3.1-8b", "h100", capacity_error=given), drawn(model, gpu, capacity_error=given)
    )
