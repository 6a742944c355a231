"""Live candidates: ask a provider once, after consent on the command line, and keep its answers.

What is kept is found by content (address, model, prompt, and each text by its digest), so that a
rerun, another split or a longer test set asks only for what nobody has answered yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sazon import data
from sazon.core import rng
from sazon.core.errors import EnvironmentLacks, PolicyRefused, RecipeError
from sazon.core.events import Emit, silent
from sazon.core.types import Dataset, Estimate, Finding, Splits
from sazon.core.words import Language
from sazon.data import Loaded
from sazon.evaluate.asked import prompt_of
from sazon.evaluate.consented import Consented
from sazon.evaluate.record import Recording, propose, record
from sazon.evaluate.recording import refuse_other
from sazon.models.prompt import Prompt
from sazon.models.recorded import read_recording
from sazon.models.remote import Patient
from sazon.pipeline.asking import Asking, price_for, recording_file
from sazon.pipeline.asking_people import (
    consented,
    lacking,
    refuse_unconsented,
    refuse_unkept,
    showable,
)
from sazon.pipeline.kitchen import Kitchen
from sazon.pipeline.openings import networks, trust
from sazon.pipeline.opting_in import Allowed, allowed
from sazon.pipeline.surroundings import cache_folder
from sazon.pipeline.unlocking import unlocked
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.grant import Proposal
from sazon.policy.response import Patience
from sazon.recipe import Plan, Recipe

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
            asking = asking_of(kitchen.recipe, kitchen.splits, plan, may=kitchen.allowed)
            refuse_unkept(asking)
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
            prompt = _prompt(kitchen.recipe, kitchen.splits, plan, kitchen.allowed)
            refuse_other(read_recording(path).prompt_digest, prompt.digest, what="prompt", path=path)
    return replace(kitchen, recordings=found)


def unasked(wanted: Recipe, loaded: Loaded) -> list[Finding]:
    """A warning for every live candidate whose answers are not all recorded, or that is not told its task."""
    live = [plan for plan in wanted.plans if getattr(plan.config, "live", False)]
    findings: list[Finding] = []
    if not live:
        return findings
    may = allowed(wanted)
    splits = _splits(wanted, loaded, may)
    for plan in live:
        asking = asking_of(wanted, splits, plan, may=may)
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
            if not missing.public and (lacks := lacking(asking, missing)) is not None:
                findings.append(Finding(level="warning", says=lacks, where=asking.where))
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
        PolicyRefused: nobody agreed, somebody's consent is missing, nothing caps the cost, or an address
            not allowed.
        EnvironmentLacks: it stopped before the last text.
    """
    plans = [askable(wanted, name) for name in names]
    with unlocked(wanted):
        found = askings(wanted, plans, offline=offline)
        return [record_answers(wanted, asking, ask=ask, spend=spend, emit=emit) for asking in found]


def askings(wanted: Recipe, plans: Sequence[Plan], *, offline: bool) -> Iterator[Asking]:
    """What candidates would ask, on the rows that the run will have.

    Raises:
        SazonError: the data or the locks cannot be read.
    """
    loaded = data.load(wanted.data, root=wanted.root, offline=offline, cache=cache_folder())
    may = allowed(wanted)
    splits = _splits(wanted, loaded, may)
    for plan in plans:
        yield asking_of(wanted, splits, plan, may=may)


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
    with unlocked(wanted) as locks:
        refuse_unkept(asking)
        rows, everything = asking.kept.open, len(set(asking.rows.inputs))
        if not len(rows):
            nothing = Estimate.none("nothing was asked")
            return Recording(
                path=asking.path, texts=everything, kept=everything, asked=0, failed=0, spent=nothing
            )
        refuse_unconsented(asking, rows)
        covered = consented(asking, rows)
        proposal = _proposal(wanted, asking, rows, spend=spend, covered=covered)
        if not ask(_words(asking, rows, proposal, wanted.config.report.language)):
            raise PolicyRefused("no consent was given, so nothing was sent", mend="Run again and agree.")
        grant = proposal.confirm(now=time.time())
        gate = Gate([grant], policy=wanted.config.policy) if locks is None else locks.gate([grant])
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
            consented=covered,
        )
    found = replace(found, texts=everything, kept=everything - len(rows))
    if not found.complete:
        raise EnvironmentLacks(
            f"asked {found.asked} of {len(rows)} texts, then stopped: {found.stopped.rstrip('.')}",
            where=asking.where,
            mend="What was answered is kept. The same command asks for the rest; a larger cap may be needed.",
        )
    return found


def _words(asking: Asking, rows: Dataset, proposal: Proposal, language: Language) -> str:
    """What would leave, at what cost, and what is kept: for the person who agrees."""
    cost = "cost_unknown" if asking.cost(rows).value is None else "cost"
    keys = (cost, "kept" if rows.public else "kept_sealed", *(() if rows.public else ("covered",)))
    return "\n".join([proposal.words(language), *(asking.says(rows, key).words(language) for key in keys)])


def _proposal(
    wanted: Recipe, asking: Asking, rows: Dataset, *, spend: float | None, covered: Consented | None
) -> Proposal:
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
        provider=asking.provider,
        consented=covered,
        networks=networks(asking.to),
        trust=trust(wanted, asking.to),
    )


def asking_of(wanted: Recipe, splits: Splits, plan: Plan, *, may: Allowed | None = None) -> Asking:
    """What a candidate would ask; `recorded` names the file, a live one's lies in the cache.

    Args:
        wanted: the recipe.
        splits: as the run makes them.
        plan: of the candidate.
        may: what consent allows; by default nobody has consented to anything.

    Raises:
        RecipeError: the provider's price cannot be found.
    """
    may = may or Allowed(policy=wanted.config.policy)
    provider, named = plan.config.provider, plan.config.recorded
    to, prompt = wanted.config.providers[provider], _prompt(wanted, splits, plan, may)
    shots = {(shot.input, shot.label) for shot in prompt.shots}
    shown = [i for i, row in enumerate(splits.fit.examples) if (row.input, row.target) in shots]
    public = splits.test.public
    return Asking(
        name=plan.name,
        options=plan.config,
        provider=provider,
        to=to,
        prompt=prompt,
        rows=_rows(wanted, splits, plan.name),
        examples=splits.fit.select(shown),
        trains=splits.fit,
        may=may,
        path=wanted.root / named if named else recording_file(to, prompt, public=public),
        price=price_for(to, where=provider),
        wanted=prompt.labels or splits.fit.targets,
    )


# ---------------------------------------------------------------------- what is asked


def askable(wanted: Recipe, name: str) -> Plan:
    """The plan of a candidate that asks somebody.

    Raises:
        RecipeError: no such candidate, or one that asks nobody.
    """
    plan = next((p for p in wanted.plans if p.name == name), None)
    if plan is None:
        known = ", ".join(p.name for p in wanted.plans)
        raise RecipeError(f"no candidate {name!r}", where="candidates", mend=f"There are: {known}.")
    if not getattr(plan.config, "answers", False) or getattr(plan.config, "provider", None) is None:
        raise RecipeError(
            f"{name!r} asks nobody, so there is nothing to record",
            where=f"candidates.{name}",
            mend="It needs technique: api or host, a provider, and live: true or recorded: FILE.",
        )
    return plan


def _prompt(wanted: Recipe, splits: Splits, plan: Plan, may: Allowed) -> Prompt:
    asked, shown = plan.config, splits.fit
    if asked.shots and asked.provider is not None:
        shown = showable(splits.fit, asked.provider, may)
    return prompt_of(
        asked,
        splits,
        task=wanted.data.task,
        descriptions=wanted.data.labels,
        seed=wanted.config.seed,
        shown=shown,
    )


def _splits(wanted: Recipe, loaded: Loaded, may: Allowed) -> Splits:
    """The splits exactly as the run makes them, without the rows it leaves out."""
    stream = rng.stream(wanted.config.seed, "data.split")
    return may.splits(data.split(loaded, cascade=wanted.has_cascade, rng=stream), None)[0]


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
