"""What strangers stumbled over and no other room tests."""

from __future__ import annotations

import io

import pytest
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from sazon import pipeline, recipe
from sazon.cli.show import print_whole, three_figures
from sazon.core.errors import RecipeError
from sazon.economics import EconomicsConfig
from sazon.report.voice import Voice


def test_a_table_in_a_pipe_keeps_every_digit(capsys):
    table = Table(box=None)
    for column in "abcdef":
        table.add_column(column, justify="right")
    table.add_row(*["297,000–491,000"] * 6)
    print_whole(table, Console(width=40))
    out = capsys.readouterr().out
    assert out.count("297,000–491,000") == 6
    assert "…" not in out


def test_on_a_narrow_screen_a_table_is_wrapped_and_keeps_every_digit():
    screen = io.StringIO()
    table = Table(box=None)
    for column in "abc":
        table.add_column(column)
    table.add_row(*["297,000–491,000"] * 3)
    print_whole(table, Console(width=30, file=screen, force_terminal=True, color_system=None))
    assert "…" not in screen.getvalue()
    assert screen.getvalue().count("1") == 3


def test_small_amounts_keep_three_figures():
    assert [three_figures(x, "en") for x in (0.0298, 12.34)] == ["0.0298", "12.3"]


@pytest.mark.parametrize("change", [{"usd_per_eur": {"value": 0}}, {"discount_rate_per_year": {"value": 7}}])
def test_rates_that_are_none_are_refused(change):
    with pytest.raises(ValidationError):
        EconomicsConfig.model_validate(change)


def test_another_currency_is_no_what_if(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: x\ncandidates:\n"
        "  own: {technique: host, model: llama-3.1-8b, assumed: {accuracy: {p10: 0.8, p90: 0.9}}}\n"
    )
    with pytest.raises(RecipeError, match="own currency"):
        pipeline.what_if(recipe.read(path), ["currency=USD"], out=tmp_path / "run", offline=True)


def test_an_input_is_named_with_the_dots_of_its_source():
    said = Voice(language="es", currency="EUR").driver("price.input: genai-prices 0.2.3: openai/gpt-6.1-sol")
    assert said.endswith("(entrada: genai-prices 0.2.3: openai/gpt-6.1-sol)")
