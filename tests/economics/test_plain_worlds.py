"""The vectorised simulation against a loop in plain Python that shares no line with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from benchmarks.plain_worlds import Event, Future, Known, plain_world

from sazon.core.rng import integer
from sazon.core.types import Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, TokenPrice, simulate
from sazon.economics.capacity import best_replica
from sazon.economics.cashflow import TOKENS_IN, TOKENS_OUT, throughput_error
from sazon.economics.risk import draw_hazards
from sazon.economics.worlds import Worlds

WORLDS = 50
"""Below a hundred nothing is asked about the worth of knowing, which would take longest."""
PRICE = TokenPrice(input_per_mtok=0.5, output_per_mtok=2.0, currency="USD", as_of="2026-11-01", source="test")


def measured(value, low, high, unit):
    return Estimate(value=value, low=low, high=high, unit=unit, method="timed")


OPTIONS = [
    Option(
        name="tuned",
        kind="finetune",
        seconds_per_request=measured(0.02, 0.018, 0.022, "s"),
        training_seconds=1800.0,
    ),
    Option(name="student", kind="distill", seconds_per_request=measured(0.0002, 0.0001, 0.0003, "s")),
    Option(name="api", kind="api", price=PRICE, provider="north"),
    Option(name="rented", kind="host", model="llama-3.1-8b"),
    Option(name="bought", kind="host", model="llama-3.1-8b", tenure="buy"),
    Option(
        name="cascade",
        kind="cascade",
        parents=("tuned", "api"),
        cloud_share=measured(0.2, 0.15, 0.26, "share"),
    ),
    Option(name="panel", kind="panel", parents=("student", "api", "bought")),
    Option(name="unsure", kind="cascade", parents=("student", "rented")),
]
NAMES = tuple(option.name for option in OPTIONS)
RISKS = {
    "breach": {"per_year": 0.5, "hits": ["everybody"], "loss": {"p10": 2000, "p90": 50000}},
    "outage": {"per_year": 4, "hits": ["providers", "rented"], "outage_hours": {"p10": 1, "p90": 800}},
    "deprecation": {
        "per_year": 1,
        "hits": ["providers"],
        "staff_hours": {"p10": 8, "p90": 60},
        "price_factor": {"p10": 0.8, "p90": 1.3},
    },
    "broken": {"per_year": 2, "hits": ["own"], "staff_hours": 3, "outage_hours": 5},
    "change": {"per_year": 0.6, "hits": ["everybody"], "demand_factor": {"p10": 0.4, "p90": 1.8}},
}


def replicas_of(config):
    limits = {"itl_s": config.hardware.itl_ms / 1e3, "ttft_s": config.hardware.ttft_ms / 1e3}
    middle = {"tokens_in": TOKENS_IN.at(0.5), "tokens_out": TOKENS_OUT.at(0.5)}
    found = {
        o.name: best_replica(
            o.model,
            o.gpu,
            **middle,
            **limits,
            requests_per_s=config.planned_peak(),
            spares=config.hardware.spares,
            stack=config.hardware.stack,
        )
        for o in OPTIONS
        if o.kind == "host"
    }
    return found, limits


def known(config):
    replicas, _ = replicas_of(config)
    techniques = {o.technique or o.kind for o in OPTIONS}
    return Known(
        config=config,
        options={o.name: o for o in OPTIONS},
        retrained={t: config.hours(t).retrained for t in techniques},
        power_w={r.gpu.name: r.gpu.power_w for r in replicas.values()},
        replica_gpus={name: r.gpus for name, r in replicas.items()},
    )


def futures(config, costs, seed):
    """Every world as the loop is told of it: what was drawn, and the events, drawn once more."""
    worlds = Worlds(WORLDS, seed=integer(np.random.default_rng(seed)))
    hazards = draw_hazards(config.risks, ["north"], worlds, months=config.months, currency=config.currency)
    replicas, limits = replicas_of(config)
    tokens = [
        np.maximum(worlds.draw(name, amount, unit="tokens"), 1)
        for name, amount in (("tokens_in", TOKENS_IN), ("tokens_out", TOKENS_OUT))
    ]
    block = worlds.block(0, WORLDS)
    rates = {
        name: r.requests_per_s(*tokens, **limits) * throughput_error(r, config, block)
        for name, r in replicas.items()
    }
    certain = {str(row["name"]): row["value"] for row in costs.inputs}
    for i in range(WORLDS):
        struck = [
            Event(place, int(e.month[k]), {n: float(s[k]) for n, s in e.sizes.items()})
            for place, risks in hazards.items()
            for e in risks
            for k in np.flatnonzero(e.world == i)
        ]
        yield Future(
            drawn=certain | {name: float(column[i]) for name, column in costs.drawn.items()},
            rates={name: float(rate[i]) for name, rate in rates.items()},
            events=struck,
        )


@dataclass
class Bills:
    """All options' in one world, in the order of `NAMES`."""

    total: list[float]
    investment: list[float]
    residual_value: list[float]
    energy_kwh: list[float]
    errors: list[float]


def loop(told, worlds, right):
    """Each quantity as an array of shape (worlds, options)."""
    rows = []
    for world, shares in zip(worlds, right, strict=True):
        found = plain_world(told, world, dict(zip(NAMES, 1 - shares, strict=True)))
        rows.append([(b.total, b.investment, b.residual_value, b.energy_kwh, e) for b, e in found.values()])
    return Bills(*np.moveaxis(np.array(rows), 2, 0))


def without_demand(world):
    return replace(world, drawn={**world.drawn, "demand.requests_per_day": 0.0})


def calmed(world):
    """Only what happens to demand itself."""
    kept = [
        Event(e.place, e.month, {"demand_factor": e.sizes["demand_factor"]})
        for e in world.events
        if "demand_factor" in e.sizes
    ]
    return replace(world, events=kept)


@pytest.mark.parametrize("risks", [{}, RISKS], ids=["calm", "events"])
@pytest.mark.parametrize("level", [2_000, 2_000_000], ids=["little", "much"])
@pytest.mark.parametrize(
    "changes",
    [
        {"months": 60},
        {"months": 31, "currency": "USD", "hardware": {"server_life_years": 1, "gpu_life_years": 1.5}},
        {"months": 1, "hardware": {"spares": 0, "gpu_residual_share": 0}},
    ],
    ids=["long", "short lives", "one month"],
)
def test_every_figure_is_that_of_a_loop_in_plain_python(changes, level, risks):
    demand = {
        "requests_per_day": {"p10": level / 3, "p90": level * 3},
        "growth_per_year": {"p10": -0.2, "p90": 0.5},
    }
    config = EconomicsConfig.model_validate({"demand": demand, "risks": risks, **changes})
    right = np.random.default_rng(2).beta(90, 10, (WORLDS, len(OPTIONS), 1))
    quality = QualityDraws(
        values=right, candidates=NAMES, metrics=("accuracy",), kinds=dict.fromkeys(NAMES, "measured")
    )
    costs = simulate(config, OPTIONS, quality, rng=np.random.default_rng(5))
    told, worlds, right = known(config), list(futures(config, costs, 5)), right[:, :, 0]
    found = loop(told, worlds, right)
    nobody = loop(told, [without_demand(w) for w in worlds], right)
    calm = loop(told, [calmed(w) for w in worlds], right)
    assert costs.values == pytest.approx(found.total + found.errors, rel=1e-10)
    assert costs.parts["errors"] == pytest.approx(found.errors, rel=1e-10)
    assert costs.parts["fixed"] == pytest.approx(nobody.total, rel=1e-10)
    assert costs.parts["use"] == pytest.approx(found.total - nobody.total, rel=1e-8, abs=1e-4)
    for j, name in enumerate(NAMES):
        summary = costs.summary[name]
        for quantity in ("investment", "residual_value"):
            expected = np.median(getattr(found, quantity)[:, j])
            assert summary[quantity].value == pytest.approx(expected, rel=1e-10)
        if summary["energy"].value is not None:
            assert summary["energy"].value == pytest.approx(np.median(found.energy_kwh[:, j]), rel=1e-10)
        if risks:
            struck = (found.total - calm.total)[:, j].mean()
            assert summary["event_loss"].value == pytest.approx(struck, rel=1e-7, abs=1e-3)
