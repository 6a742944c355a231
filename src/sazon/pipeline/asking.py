"""What a candidate or a judge would ask, of whom, at what price, and where the answers are kept."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sazon import economics
from sazon.core.types import Dataset, Estimate, Phrase
from sazon.core.words import Value
from sazon.evaluate.recording import Kept, kept
from sazon.models.prompt import Prompt
from sazon.models.sealed_recording import Hand
from sazon.pipeline.opting_in import Allowed
from sazon.pipeline.options import CHARACTERS_PER_TOKEN, listed_price
from sazon.pipeline.surroundings import cache_folder
from sazon.policy import safe
from sazon.policy.destination import Destination, networks_of
from sazon.policy.spending import Price
from sazon.recipe import ProviderConfig
from sazon.recipe.write import task_name

WORDS = "sazon.pipeline"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What one candidate would ask, of whom, and where the answers are kept."""

    name: str
    options: Any
    """The candidate's own, of an `evaluate.sources.QualitySource`."""
    provider: str
    """Its name in the recipe, as consents name it."""
    to: ProviderConfig
    prompt: Prompt
    rows: Dataset
    """Every row it has to answer."""
    examples: Dataset
    """The rows that the examples in its prompt are."""
    trains: Dataset
    """The rows examples could be chosen from."""
    may: Allowed
    """What consent allows as it stands."""
    path: Path
    price: Price | None
    wanted: Sequence[str]
    """Answers whose length says how much will be written: the labels, or those of the rows that train."""

    @property
    def where(self) -> str:
        """Its place in the recipe."""
        return self.name if "." in self.name else f"candidates.{self.name}"

    @property
    def untold(self) -> bool:
        """Whether nothing tells the model its task: free text, no words of the recipe's own, no examples."""
        return not (self.prompt.labels or self.prompt.shots or self.options.instruction)

    @property
    def kept(self) -> Kept:
        """What the recording holds of the rows by now."""
        return kept(self.rows, path=self.path, prompt=self.prompt, model=self.to.model)

    def with_texts_of(self, rows: Dataset) -> Dataset:
        """Every row that has one of these rows' texts: a text may be several people's."""
        texts = set(rows.inputs)
        return self.rows.select(i for i, row in enumerate(self.rows.examples) if row.input in texts)

    def cost(self, rows: Dataset) -> Estimate:
        """Money that asking for `rows` is expected to cost, each once."""
        if self.price is None:
            return Estimate.none("the provider's price is not known", n=len(rows))
        read = sum(len(self.prompt.instruction) + len(text) for text in rows.inputs)
        written, longest = float(np.mean([len(answer) for answer in self.wanted])), self.prompt.max_tokens
        few, many = CHARACTERS_PER_TOKEN
        # Who may write freely may write up to the limit; who is to name a label says little else.
        most = written / few if self.prompt.labels else longest
        low, high = (
            (read / per * self.price.input_per_mtok + len(rows) * tokens * self.price.output_per_mtok) / 1e6
            for per, tokens in ((many, min(written / many, longest)), (few, most))
        )
        said = "label" if self.prompt.labels else "wanted answer (at most the longest allowed)"
        return Estimate(
            value=float(np.sqrt(low * high)),
            low=float(low),
            high=float(high),
            level=0.8,
            unit=self.price.currency,
            method=f"characters of prompt, text and {said}, 3 to 5 a token, at the list price",
            n=len(rows),
            kind="assumed",
        )

    def says(self, rows: Dataset, key: str) -> Phrase:
        """A phrase about asking for `rows`."""
        cost = self.cost(rows)
        values: dict[str, Value] = {
            "name": self.name,
            "missing": len(rows),
            "rows": len(set(self.rows.inputs)),
            "shots": len(self.prompt.shots),
            "url": self.to.base_url,
            "model": self.to.model,
            "file": str(self.path),
            "currency": cost.unit,
            "low_price": cost.low,
            "high_price": cost.high,
            "cost_key": "live.cost_unknown" if cost.value is None else "live.cost",
        }
        return Phrase(package=WORDS, key=f"live.{key}", values=values)


def recording_file(to: ProviderConfig, prompt: Prompt, *, public: bool) -> Path:
    """Where answers to a prompt are kept that the recipe names no file for."""
    # Examples of people in a prompt must not be guessed by the name of a file.
    name = Hand(safe=None if public else safe.in_hand()).name
    held = name(to.base_url, to.model, prompt.digest)[:16]
    return cache_folder() / "recordings" / f"{task_name(Path(to.model))}-{held}.jsonl"


def price_for(to: ProviderConfig, *, where: str) -> Price | None:
    """What asking costs a token; an endpoint on this machine charges nothing unless it says so."""
    price = spending_price(to.price, where=where)
    if price is None and Destination.parse(to.base_url, networks=networks_of(to.networks)).loopback:
        return Price.free("this machine's own endpoint")
    return price


def spending_price(price: str | economics.PriceConfig | None, *, where: str) -> Price | None:
    """What a provider charges today, as the cap counts it."""
    if price is None:
        return None
    listed = listed_price(price, provider=where, on=datetime.datetime.now(tz=datetime.UTC).date())
    return Price(
        input_per_mtok=listed.input_per_mtok,
        output_per_mtok=listed.output_per_mtok,
        currency=listed.currency,
        source=f"{listed.source}, {listed.as_of}",
    )
