"""What a provider charges per token: given in the recipe, or from the price list genai-prices.

The list is the snapshot inside the installed package: no network is used.
"""

from __future__ import annotations

import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sazon.core.config import Config
from sazon.core.errors import RecipeError
from sazon.economics import catalogue
from sazon.economics.options import Currency, TokenPrice
from sazon.economics.ranges import Dated

if TYPE_CHECKING:
    from genai_prices.types import Provider

PREFIX = "genai:"
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceConfig(Config):
    """A provider's price written out in the recipe."""

    input_per_mtok: NotNegative
    """Per million input tokens."""
    output_per_mtok: NotNegative
    """Per million output tokens."""
    currency: Currency = "USD"
    """Currency of both."""
    as_of: Dated
    """When it was read."""
    source: str
    """Where it was read."""


def price_of(price: str | PriceConfig, *, on: datetime.date) -> TokenPrice:
    """The price per million tokens on a day.

    Args:
        price: `genai:provider/model`, or the figures themselves.
        on: the day; lists know past and announced changes.

    Raises:
        RecipeError: unknown provider or model (the nearest are offered), or no price listed.
    """
    if isinstance(price, PriceConfig):
        return TokenPrice(**price.model_dump())
    provider, slash, model = price.removeprefix(PREFIX).partition("/")
    if not price.startswith(PREFIX) or not slash or not model:
        raise RecipeError(
            f"cannot read the price {price!r}",
            mend="Write genai:provider/model, e.g. genai:openai/gpt-5-mini.",
        )
    return _listed(provider, model, on)


def _listed(provider_name: str, model: str, on: datetime.date) -> TokenPrice:
    from genai_prices import Usage
    from genai_prices.data_snapshot import get_snapshot

    providers: dict[str, Provider] = {p.id: p for p in get_snapshot().providers}
    if provider_name not in providers:
        raise catalogue.unknown("provider in genai-prices", provider_name, sorted(providers))
    provider = providers[provider_name]
    if provider.find_model(model) is None:
        raise catalogue.unknown("model in genai-prices", model, [m.id for m in provider.models])
    moment = datetime.datetime.combine(on, datetime.time(12), tzinfo=datetime.UTC)

    def one(usage: Usage) -> float:
        found = get_snapshot().calc(usage, model, provider_name, None, moment)
        return float(found.total_price) * 1e6 / USAGE

    # A small request: some lists charge long prompts more per token.
    input_price = one(Usage(input_tokens=USAGE, output_tokens=0))
    output_price = one(Usage(input_tokens=0, output_tokens=USAGE))
    if input_price == 0 and output_price == 0:
        raise RecipeError(
            f"genai-prices lists no token price for {provider_name}/{model}",
            mend="Write input_per_mtok, output_per_mtok, currency, as_of and source.",
        )
    return TokenPrice(
        input_per_mtok=input_price,
        output_per_mtok=output_price,
        currency="USD",
        as_of=on.isoformat(),
        source=f"genai-prices {version('genai-prices')}: {provider_name}/{model}",
    )


USAGE = 1000
"""Tokens priced to read a list."""
