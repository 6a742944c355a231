"""Live candidates: ask a provider once, after consent on the command line, and keep its answers.

What is kept is found by content (address, model, prompt, and each text by its digest), so that a
rerun, another split or a longer test set asks only for what nobody has answered yet.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sazon import data, economics
from sazon.core import digest, rng
from sazon.core.errors import EnvironmentLacks, PolicyRefused, RecipeError
from sazon.core.events import Emit, silent
from sazon.core.types import Dataset, Estimate, Finding, Phrase, Splits
from sazon.core.words import Language, Value
from sazon.data import Loaded
from sazon.evaluate.asked import prompt_of
from sazon.evaluate.record import Recording, propose, record
from sazon.evaluate.recording import Kept, kept, refuse_other
from sazon.models.prompt import Prompt
from sazon.models.recorded import read_recording
from sazon.models.remote import Patient
from sazon.pipeline.kitchen import Kitchen
from sazon.pipeline.options import CHARACTERS_PER_TOKEN, listed_price
from sazon.pipeline.surroundings import cache_folder
from sazon.policy.destination import Destination
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.grant import Proposal
from sazon.policy.response import Patience
from sazon.policy.spending import Price
from sazon.recipe import Plan, ProviderConfig, Recipe
from sazon.recipe.write import task_name

WORDS = "sazon.pipeline"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What one candidate would ask, of whom, and where the answers are kept."""

    name: str
    options: Any
    """The candidate's own, of an `evaluate.sources.QualitySource`."""
    to: ProviderConfig
    prompt: Prompt
    rows: Dataset
    """Every row it has to answer."""
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


# -------------------------------------------------------------------- before a run


def with_recordings(kitchen: Kitchen, plans: Sequence[Plan]) -> Kitchen:
    """The kitchen knowing where each live candidate's answers lie; nothing is sent here.

    Raises:
        PolicyRefused: answers are missing; says what would leave, for how much, and the command.
        DataError: a recording was made with another prompt than the recipe words.
    """
    found = {}
    for plan in plans:
        options = plan.config
        if getattr(options, "live", False):
            asking = asking_of(kitchen.recipe, kitchen.splits, plan)
            refuse_private(asking)
            missing = asking.kept.missing
            if len(missing):
                raise PolicyRefused(
                    asking.says(missing, "missing").words("en"),
                    where=asking.where,
                    mend=asking.says(missing, "command").words("en"),
                )
            found[plan.name] = asking.path
        elif getattr(options, "recorded", None) and getattr(options, "says_how", False):
            path = kitchen.recipe.root / options.recorded
            prompt = _prompt(kitchen.recipe, kitchen.splits, plan)
            refuse_other(read_recording(path).prompt_digest, prompt.digest, what="prompt", path=path)
    return replace(kitchen, recordings=found)


def unasked(wanted: Recipe, loaded: Loaded) -> list[Finding]:
    """A warning for every live candidate whose answers are not all recorded, or that is not told its task."""
    live = [plan for plan in wanted.plans if getattr(plan.config, "live", False)]
    findings = []
    for plan in live:
        asking = asking_of(wanted, _splits(wanted, loaded), plan)
        if asking.untold:
            findings.append(
                Finding(
                    level="warning",
                    says=asking.says(asking.rows, "untold"),
                    where=asking.where,
                    mends=asking.says(asking.rows, "tell"),
                )
            )
        if len(missing := asking.kept.missing):
            findings.append(
                Finding(
                    level="warning",
                    says=asking.says(missing, "missing"),
                    where=asking.where,
                    mends=asking.says(missing, "command"),
                )
            )
    return findings


# ------------------------------------------------------------------------- asking


def record_candidates(
    wanted: Recipe,
    names: Sequence[str],
    *,
    ask: Callable[[str], bool],
    spend: float | None = None,
    offline: bool = False,
    emit: Emit = silent,
) -> list[Recording]:
    """Ask the providers of some candidates for every text that has no answer yet, after consent.

    Test texts are asked, and those for trust and calibration where the candidate is part of a
    cascade. Whatever is answered is kept, also where it stops early.

    Args:
        wanted: the recipe.
        names: candidates, `live` or with a `recorded` file to make.
        ask: shows what would leave and returns whether the person agrees.
        spend: most money for each, instead of the candidate's `spend_cap`.
        offline: refuse to download the data.
        emit: told of progress and money.

    Raises:
        RecipeError: no such candidate, or one that asks nobody.
        PolicyRefused: no consent, data not public, nothing caps the cost, or an address not allowed.
        EnvironmentLacks: it stopped before the last text.
    """
    plans = [_askable(wanted, name) for name in names]
    loaded = data.load(wanted.data, root=wanted.root, offline=offline, cache=cache_folder())
    splits = _splits(wanted, loaded)
    made = []
    for plan in plans:
        asking = asking_of(wanted, splits, plan)
        refuse_private(asking)
        made.append(record_answers(wanted, asking, ask=ask, spend=spend, emit=emit))
    return made


def record_answers(
    wanted: Recipe,
    asking: Asking,
    *,
    ask: Callable[[str], bool],
    spend: float | None = None,
    emit: Emit = silent,
) -> Recording:
    """Ask for what a recording lacks; nothing lacking, nobody is asked and nothing is confirmed.

    Args:
        wanted: the recipe.
        asking: what, of whom, and where it is kept.
        ask: shows what would leave and returns whether the person agrees.
        spend: most money, instead of the cap in the recipe.
        emit: told of progress and money.

    Raises:
        PolicyRefused: no consent, nothing caps the cost, or an address not allowed.
        EnvironmentLacks: it stopped before the last text.
    """
    rows, everything = asking.kept.open, len(set(asking.rows.inputs))
    if not len(rows):
        return Recording(
            path=asking.path,
            texts=everything,
            kept=everything,
            asked=0,
            failed=0,
            spent=Estimate.none("nothing was asked"),
        )
    proposal = _proposal(asking, rows, spend=spend)
    language: Language = wanted.config.report.language
    words = [proposal.words(language), *(asking.says(rows, key).words(language) for key in ("cost", "kept"))]
    if asking.cost(rows).value is None:
        words[1] = asking.says(rows, "cost_unknown").words(language)
    if not ask("\n".join(words)):
        raise PolicyRefused("no consent was given, so nothing was sent", mend="Run again and agree.")
    grant = proposal.confirm(now=time.time())
    gate = Gate([grant], policy=wanted.config.policy)
    found = record(
        rows,
        prompt=asking.prompt,
        grant=grant,
        path=asking.path,
        rng=rng.stream(wanted.config.seed, f"evaluate.record.{asking.name}"),
        emit=emit,
        gate=gate,
        egress=Egress(gate, patience=Patience(total_s=asking.options.timeout_s)),
        patient=Patient(at_once=asking.options.at_once),
    )
    found = replace(found, texts=everything, kept=everything - len(rows))
    if not found.complete:
        raise EnvironmentLacks(
            f"asked {found.asked} of {len(rows)} texts, then stopped: {found.stopped.rstrip('.')}",
            where=asking.where,
            mend="What was answered is kept. The same command asks for the rest; a larger cap may be needed.",
        )
    return found


def _proposal(asking: Asking, rows: Dataset, *, spend: float | None) -> Proposal:
    options = asking.options
    cap = spend if spend is not None else options.spend_cap
    paid = asking.price is not None and (asking.price.input_per_mtok or asking.price.output_per_mtok)
    if cap is None and options.token_cap is None and (paid or asking.price is None):
        raise PolicyRefused(
            "nothing would cap the cost",
            where=asking.where,
            mend=asking.says(rows, "cap").words("en"),
        )
    return propose(
        rows,
        prompt=asking.prompt,
        model=asking.to.model,
        url=asking.to.base_url,
        spend_cap=cap,
        price=asking.price,
        token_cap=options.token_cap,
        key=asking.to.key,
    )


def asking_of(wanted: Recipe, splits: Splits, plan: Plan) -> Asking:
    """What a candidate would ask; `recorded` names the file, a live one's lies in the cache.

    Raises:
        RecipeError: the provider's price cannot be found.
    """
    to, prompt = wanted.config.providers[plan.config.provider], _prompt(wanted, splits, plan)
    named = plan.config.recorded
    return Asking(
        name=plan.name,
        options=plan.config,
        to=to,
        prompt=prompt,
        rows=_rows(wanted, splits, plan.name),
        path=wanted.root / named if named else recording_file(to, prompt),
        price=price_for(to, where=plan.config.provider),
        wanted=prompt.labels or splits.fit.targets,
    )


def recording_file(to: ProviderConfig, prompt: Prompt) -> Path:
    """Where answers to a prompt are kept that the recipe names no file for."""
    held = digest.of_text(to.base_url, to.model, prompt.digest)[:16]
    return cache_folder() / "recordings" / f"{task_name(Path(to.model))}-{held}.jsonl"


def price_for(to: ProviderConfig, *, where: str) -> Price | None:
    """What asking costs a token; an endpoint on this machine charges nothing unless it says so."""
    price = spending_price(to.price, where=where)
    if price is None and Destination.parse(to.base_url).loopback:
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


# ---------------------------------------------------------------------- what is asked


def _askable(wanted: Recipe, name: str) -> Plan:
    plan = next((p for p in wanted.plans if p.name == name), None)
    if plan is None:
        known = ", ".join(p.name for p in wanted.plans)
        raise RecipeError(f"no candidate {name!r}", where="--record", mend=f"There are: {known}.")
    if not getattr(plan.config, "answers", False) or getattr(plan.config, "provider", None) is None:
        raise RecipeError(
            f"{name!r} asks nobody, so there is nothing to record",
            where="--record",
            mend="It needs technique: api or host, a provider, and live: true or recorded: FILE.",
        )
    return plan


def refuse_private(asking: Asking) -> None:
    """See that nobody is asked about data that is not public.

    Raises:
        PolicyRefused: the data is not declared public.
    """
    if not asking.rows.public:
        raise PolicyRefused(
            "the data is not declared public, so nobody else can be asked about it",
            where=asking.where,
            mend="Declare it if it is (data.public: true), or measure a local candidate.",
        )


def _prompt(wanted: Recipe, splits: Splits, plan: Plan) -> Prompt:
    task, described = wanted.data.task, wanted.data.labels
    return prompt_of(plan.config, splits, task=task, descriptions=described, seed=wanted.config.seed)


def _splits(wanted: Recipe, loaded: Loaded) -> Splits:
    """The splits exactly as the run makes them."""
    stream = rng.stream(wanted.config.seed, "data.split")
    return data.split(loaded, cascade=wanted.has_cascade, rng=stream)


def _rows(wanted: Recipe, splits: Splits, name: str) -> Dataset:
    """Test, and for a part of a cascade the rows that fit its trust and certify it."""
    needed = [splits.test]
    if any(name in _ancestors(wanted, p) for p in wanted.plans if p.technique == "cascade"):
        needed += [rows for rows in (splits.trust, splits.calibration) if rows is not None]
    examples = tuple(row for rows in needed for row in rows.examples)
    return replace(splits.test, examples=examples, split="test" if len(needed) == 1 else "all")


def _ancestors(wanted: Recipe, plan: Plan) -> set[str]:
    """Everything a candidate is made of, however deep."""
    found: set[str] = set()
    for parent in plan.parents:
        found |= {parent} | _ancestors(wanted, wanted.plan(parent))
    return found
