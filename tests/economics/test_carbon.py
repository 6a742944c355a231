"""Energy and carbon: kWh times the building's overhead times the grid, and nothing where it is not known."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.core.types import Estimate, QualityDraws
from sazon.economics import EconomicsConfig, Option, Range, TokenPrice, catalogue, simulate
from sazon.economics.market import HOURS_PER_MONTH

COUNTRIES = ("ES", "FR", "DE", "PT", "IT", "MX", "CO", "AR", "CL", "US", "GB", "EU")
PRICE = TokenPrice(
    input_per_mtok=2.0, output_per_mtok=10.0, currency="EUR", as_of="2026-11-01", source="test"
)


def summary(**changes):
    options = [
        Option(name="own", kind="local", seconds_per_request=Estimate(value=0.001, unit="s")),
        Option(name="api", kind="api", price=PRICE),
    ]
    draws = QualityDraws(
        values=np.full((200, 2, 1), 0.9), candidates=("own", "api"), metrics=("accuracy",), kinds={}
    )
    config = EconomicsConfig.model_validate(
        {
            "months": 12,
            "pue": 1.5,
            "hardware": {"server_power_kw": 0.1, "spares": 0},
            **changes,
        }
    )
    return simulate(config, options, draws, rng=np.random.default_rng(0))


def test_one_small_server_for_a_year_in_two_countries():
    kwh = 0.1 * HOURS_PER_MONTH * 12
    for country, grams in (("ES", 146.15), ("FR", 44.18)):
        found = summary(country=country).summary["own"]
        assert found["energy"].value == pytest.approx(kwh)
        assert found["carbon"].value == pytest.approx(kwh * 1.5 * grams / 1000)
        assert found["carbon"].unit == "kg CO2e"
        assert found["carbon_per_1000_requests"].value > 0
    own = summary(carbon_kg_per_kwh=0.5)
    assert own.summary["own"]["carbon"].value == pytest.approx(kwh * 1.5 * 0.5)
    [row] = [r for r in own.inputs if r["name"] == "carbon_kg_per_kwh"]
    assert (row["value"], row["unit"]) == (0.5, "kg CO2e/kWh")


def test_what_a_provider_uses_is_not_zero_but_unknown():
    found = summary().summary["api"]
    for quantity in ("energy", "energy_per_1000_requests", "carbon", "carbon_per_1000_requests"):
        assert found[quantity].value is None
        assert found[quantity].undefined == "the provider does not publish it"


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_every_country_has_power_carbon_and_staff_each_with_its_source(country, currency):
    config = EconomicsConfig(country=country, currency=currency)
    for amount in (config.electricity_price(), config.carbon_intensity(), config.staff_rate()):
        assert isinstance(amount, Range)
        assert amount.at(0.5) > 0
        assert amount.source not in ("", "assumed")
        assert amount.date
        assert amount.kind == "published" or "assumed" in amount.source or "recalled" in amount.source


def test_figures_nobody_read_are_never_called_published():
    for table in ("electricity", "staff", "carbon"):
        for row in catalogue.rows(table):
            assert row["kind"] in ("published", "assumed")
            assert not (row["source"].startswith("weak") and row["kind"] == "published")
