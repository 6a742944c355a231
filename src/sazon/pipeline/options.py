"""What economics needs to know of each candidate, taken from plan, candidate and measurement."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sazon import economics
from sazon.core.errors import RecipeError, SazonError
from sazon.core.types import Candidate, Dataset, Estimate, Evaluation
from sazon.data.config import Task
from sazon.recipe import Plan, Recipe

CHARACTERS_PER_TOKEN = (3.0, 5.0)
"""Tokenizers of current large models, Spanish to English."""
INSTRUCTION_CHARACTERS = 400
"""A prompt's fixed words, besides the list of labels."""


def with_tokens(
    config: economics.EconomicsConfig, rows: Dataset, *, task: Task = "classify"
) -> economics.EconomicsConfig:
    """The config with tokens per request taken from the data, where the recipe does not state them.

    A request holds an instruction, one text and, to choose from, the list of labels; the answer is one
    label, or a text as long as those wanted.
    """
    listed = rows.labels if task == "classify" else ()
    answers = listed or rows.targets
    text = sum(map(len, rows.inputs)) / max(1, len(rows))
    asked = INSTRUCTION_CHARACTERS + sum(len(label) + 3 for label in listed) + text
    answered = sum(map(len, answers)) / max(1, len(answers))
    most, least = CHARACTERS_PER_TOKEN
    counted = "the label list" if listed else "the answers wanted"

    def tokens(characters: float) -> economics.Range:
        return economics.Range(
            p10=max(1.0, characters / least),
            p90=max(1.0, characters / most),
            kind="assumed",
            source=f"characters of the texts and of {counted}, 3 to 5 a token",
        )

    return config.model_copy(
        update={
            "tokens_in": config.tokens_in or tokens(asked),
            "tokens_out": config.tokens_out or tokens(answered),
        }
    )


def with_hosted_latency(
    evaluation: Evaluation, options: Sequence[economics.Option], config: economics.EconomicsConfig
) -> Evaluation:
    """The evaluation with the latency of hosted models as the capacity model estimates it."""
    estimates = dict(evaluation.estimates)
    for option in options:
        known = estimates.get(option.name, {})
        if option.kind == "host" and "latency_p95_s" not in known:
            found = economics.hosted(option, config)
            estimates[option.name] = {**known, "latency_p95_s": found.latency_p95_s}
    return replace(evaluation, estimates=estimates)


def economic_options(
    wanted: Recipe,
    candidates: Sequence[Candidate],
    evaluation: Evaluation,
    *,
    prices: Mapping[str, economics.TokenPrice],
) -> list[economics.Option]:
    """One option a candidate, in the candidates' order; `prices` as of `prices_of`."""
    return [_option(wanted.plan(c.name), c, evaluation.estimates.get(c.name, {}), prices) for c in candidates]


def _option(
    plan: Plan,
    candidate: Candidate,
    known: Mapping[str, Estimate],
    prices: Mapping[str, economics.TokenPrice],
) -> economics.Option:
    kind = plan.technique if plan.technique in {"host", "api", "cascade", "panel"} else "local"
    return economics.Option(
        name=plan.name,
        kind=kind,
        technique=plan.technique,
        seconds_per_request=busy_seconds(known.get("throughput_per_s")) if kind == "local" else None,
        price=prices[plan.config.provider] if kind == "api" else None,
        provider=plan.config.provider if kind == "api" else "",
        tokens_in=_recorded_tokens(candidate, "tokens_in"),
        tokens_out=_recorded_tokens(candidate, "tokens_out"),
        model=getattr(plan.config, "model", ""),
        gpu=getattr(plan.config, "gpu", "h100"),
        tenure=getattr(plan.config, "tenure", "rent"),
        training_seconds=candidate.training.seconds if candidate.training else 0.0,
        parents=plan.parents if kind in {"cascade", "panel"} else (),
        cloud_share=_cloud_share(candidate, known) if kind == "cascade" else None,
    )


def _recorded_tokens(candidate: Candidate, name: str) -> economics.Range | None:
    """Tokens per request as the provider counted them; None where it did not say, or was not asked."""
    value = candidate.facts.get(name)
    if not isinstance(value, float) or value <= 0:
        return None
    return economics.Range(value=value, kind="measured", source="mean of the recorded answers")


def busy_seconds(throughput: Estimate | None) -> Estimate | None:
    """Seconds one request keeps a machine busy: the inverse of its throughput."""
    if throughput is None or not throughput.value:
        return None
    return Estimate(
        value=1 / throughput.value,
        low=1 / throughput.high if throughput.high else None,
        high=1 / throughput.low if throughput.low else None,
        level=throughput.level,
        unit="s/request",
        method=f"inverse of throughput ({throughput.method})",
        n=throughput.n,
        kind=throughput.kind,
    )


def _cloud_share(candidate: Candidate, known: Mapping[str, Estimate]) -> Estimate | None:
    """Share of requests a cascade passes on: as measured on test, else as certified."""
    local = known.get("local_share")
    if local is None and candidate.certificate is not None:
        local = candidate.certificate.local_share
    if local is None or local.value is None:
        return None
    return Estimate(
        value=1 - local.value,
        low=1 - local.high if local.high is not None else None,
        high=1 - local.low if local.low is not None else None,
        level=local.level,
        unit="share",
        method=local.method,
        n=local.n,
        kind=local.kind,
    )


def check_hosts(wanted: Recipe) -> None:
    """See that every hosted model is known and fits its GPU, before any work.

    Raises:
        RecipeError: naming the candidate.
    """
    for plan in wanted.plans:
        if plan.technique != "host":
            continue
        option = economics.Option(
            name=plan.name,
            kind="host",
            model=plan.config.model,
            gpu=plan.config.gpu,
            tenure=plan.config.tenure,
        )
        try:
            economics.hosted(option, wanted.config.economics)
        except SazonError as error:
            raise RecipeError(error.what, where=f"candidates.{plan.name}", mend=error.mend) from error


def check_risks(wanted: Recipe) -> None:
    """See that every risk has a frequency and hits somebody that is there, before any work.

    Raises:
        RecipeError: naming the risk.
    """
    economics.check_risks(wanted.config.economics.risks, _providers(wanted))


def _providers(wanted: Recipe) -> list[str]:
    return sorted({p.config.provider for p in wanted.plans if p.technique == "api"})


def prices_of(wanted: Recipe, *, on: datetime.date) -> dict[str, economics.TokenPrice]:
    """What every provider charges that an API candidate uses; asked before any work.

    Raises:
        RecipeError: such a provider has no price.
        SazonError: it has one that cannot be found.
    """
    return {
        name: listed_price(wanted.config.providers[name].price, provider=name, on=on)
        for name in _providers(wanted)
    }


def listed_price(
    price: str | economics.PriceConfig | None, *, provider: str, on: datetime.date
) -> economics.TokenPrice:
    """What a provider of the recipe charges on a day.

    Raises:
        RecipeError: it has no price.
        SazonError: it has one that cannot be found.
    """
    where = f"providers.{provider}.price"
    if price is None:
        raise RecipeError(
            "an API candidate needs its provider's price",
            where=where,
            mend='Write price: "genai:provider/model", or {input_per_mtok: …, output_per_mtok: …, '
            "currency: USD, as_of: …, source: …}.",
        )
    try:
        return economics.price_of(price, on=on)
    except SazonError as error:
        raise RecipeError(error.what, where=where, mend=error.mend) from error
