import datetime
import socket

import pytest
from pydantic import ValidationError

from sazon.core.errors import RecipeError
from sazon.economics import EconomicsConfig, PriceConfig, price_of
from sazon.economics.catalogue import rows

DAY = datetime.date(2026, 11, 1)


def test_a_listed_price_needs_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    price = price_of("genai:openai/gpt-4o", on=DAY)
    assert (price.input_per_mtok, price.output_per_mtok, price.currency) == (2.5, 10.0, "USD")
    assert price.as_of == "2026-11-01"
    assert "genai-prices" in price.source


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("genai:openai/gpt-5-mni", "Did you mean 'gpt-5-mini'"),
        ("genai:opnai/gpt-5-mini", "Did you mean 'openai'"),
        ("openai/gpt-5-mini", "genai:provider/model"),
        ("genai:openai/", "genai:provider/model"),
    ],
)
def test_an_unknown_price_says_what_is_near(name, says):
    with pytest.raises(RecipeError, match=says):
        price_of(name, on=DAY)


def test_a_written_price_is_taken_as_it_stands():
    written = PriceConfig(
        input_per_mtok=1, output_per_mtok=2, currency="EUR", as_of="2026-10", source="offer"
    )
    price = price_of(written, on=DAY)
    assert (price.input_per_mtok, price.output_per_mtok, price.currency) == (1, 2, "EUR")
    with pytest.raises(ValidationError):
        PriceConfig(input_per_mtok=-1, output_per_mtok=2, as_of="2026-10", source="offer")


@pytest.mark.parametrize("table", ["gpus", "gpu_rental", "gpu_purchase", "electricity", "staff"])
def test_every_catalogue_row_has_its_own_source_and_date(table):
    held = rows(table)
    assert held
    for row in held:
        assert len(row["source"]) > 10
        assert row["date"][:2] == "20"
        assert None not in row


def test_rental_prices_follow_the_vendor_class_and_the_currency():
    def rent(vendor, currency):
        config = EconomicsConfig.model_validate(
            {"currency": currency, "usd_per_eur": 1.25, "hardware": {"vendor_class": vendor}}
        )
        return config.gpu_rent("h100").at(0.5)

    assert rent("specialist", "USD") < rent("hyperscaler", "USD")
    assert rent("specialist", "EUR") == pytest.approx(rent("specialist", "USD") / 1.25)


def test_what_is_not_in_the_catalogue_is_refused():
    with pytest.raises(RecipeError, match="unknown country"):
        EconomicsConfig(country="XX").electricity_price()
    with pytest.raises(RecipeError, match="unknown GPU"):
        EconomicsConfig().gpu_rent("h10000")
    with pytest.raises(RecipeError, match="rental price"):
        EconomicsConfig.model_validate({"hardware": {"vendor_class": "hyperscaler"}}).gpu_rent("l40s")


@pytest.mark.parametrize(
    "wrong",
    [
        {"months": 0},
        {"worlds": 10},
        {"currency": "GBP"},
        {"value_of_error": {"p10": 2, "p90": 1}},
        {"error_costs": {"urgent": -1}},
        {"hardware": {"target_utilisation": 1.5}},
        {"demnd": {}},
    ],
)
def test_a_wrong_section_is_refused(wrong):
    with pytest.raises(ValidationError):
        EconomicsConfig.model_validate(wrong)
