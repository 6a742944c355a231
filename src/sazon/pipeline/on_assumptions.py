"""Economics without data: every candidate priced on what is published or assumed of it, nothing made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sazon import economics, evaluate
from sazon.core.errors import RecipeError, SazonError
from sazon.core.run import Run
from sazon.core.types import Candidate, Estimate, Evaluation, Finding, Phrase, Placement, QualityDraws
from sazon.pipeline.kitchen import prices_on, write_down
from sazon.pipeline.options import (
    check_hosts,
    check_risks,
    economic_options,
    prices_of,
    with_hosted_latency,
)
from sazon.recipe import Plan, Recipe
from sazon.recipe.assumed import AssumedCascade, AssumedModel

WITHOUT_DATA = {
    "cascade": "accuracy: {p10: 0.85, p90: 0.95}, passed_on: {p10: 0.1, p90: 0.3}",
    "panel": "accuracy: {p10: 0.85, p90: 0.95}",
    "api": "accuracy: {p10: 0.85, p90: 0.95}",
    "host": "accuracy: {p10: 0.85, p90: 0.95}",
}
"""What a technique's candidate must be assumed to be; all others need a rate too."""
WITH_A_RATE = "accuracy: {p10: 0.8, p90: 0.9}, requests_per_second: {p10: 20, p90: 200, source: …}"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What economics stands on where nothing was measured."""

    config: economics.EconomicsConfig
    candidates: tuple[Candidate, ...]
    evaluation: Evaluation
    """Holds what is claimed of each candidate, and no test."""
    quality: QualityDraws
    options: list[economics.Option]
    notes: tuple[Finding, ...]


def missing_data(wanted: Recipe) -> tuple[str, ...] | None:
    """Files the recipe names that are not there; empty where it names no data, None where all is there."""
    if wanted.config.data is None:
        return ()
    parts = (wanted.data.train, wanted.data.validation, wanted.data.test, wanted.data.unlabelled)
    files = [Path(s.path) for s in parts if s is not None and s.place == "file"]
    missing = tuple(str(path) for path in files if not (wanted.root / path).is_file())
    return missing or None


def check_assumed(wanted: Recipe) -> None:
    """See that enough is said of every candidate, and of the requests, to price them without data.

    Raises:
        RecipeError: with everything that is missing.
    """
    why = _why(wanted)
    problems: list[SazonError] = [
        RecipeError(
            f"nothing is known of it: {why}, and nothing is assumed",
            where=f"candidates.{plan.name}",
            mend=f"Give the data, or write assumed: {{{WITHOUT_DATA.get(plan.technique, WITH_A_RATE)}}}",
        )
        for plan in wanted.plans
        if not _claimed(plan)
    ]
    config = wanted.config.economics
    counted = any(plan.technique in ("api", "host") for plan in wanted.plans)
    lacking = [name for name in ("tokens_in", "tokens_out") if getattr(config, name) is None]
    if counted and lacking:
        problems.append(
            RecipeError(
                f"nobody knows how long requests and answers are: {why}",
                where=f"economics.{lacking[0]}",
                mend="Give both, prompt included: tokens_in: {p10: 300, p90: 900}, "
                "tokens_out: {p10: 20, p90: 80}",
            )
        )
    if config.error_costs:
        problems.append(
            RecipeError(
                f"nobody knows how often each class comes: {why}",
                where="economics.error_costs",
                mend="Leave error_costs out until there is data; value_of_error holds for all errors.",
            )
        )
    if problems:
        raise RecipeError("it cannot be priced on assumptions", where="candidates", problems=problems)


def _why(wanted: Recipe) -> str:
    missing = missing_data(wanted)
    return f"{', '.join(missing)} is not there" if missing else "the recipe names no data"


def stand_on_assumptions(wanted: Recipe, opened: Run) -> Ground:
    """What is published and assumed of every candidate, as the rest of the pipeline takes it.

    Accuracies are drawn independently of one another, but for one model on two machines. What training
    takes is not known and left out.

    Raises:
        RecipeError: something is not said; nothing is guessed.
    """
    check_hosts(wanted)
    check_risks(wanted)
    check_assumed(wanted)
    config = wanted.config.economics
    prices = prices_of(wanted, on=prices_on(opened))
    made: dict[str, Candidate] = {}
    for plan in wanted.plans:
        made[plan.name] = _candidate(plan, made)
    candidates = tuple(made[name] for name in wanted.config.candidates)
    evaluation = _evaluation(wanted, candidates)
    options = economic_options(wanted, candidates, evaluation, prices=prices)
    quality = evaluate.draw_claimed(
        candidates,
        draws=config.worlds,
        rngs={c.name: opened.rng(f"evaluate.draws.{c.name}") for c in candidates},
    )
    key = "no_files" if missing_data(wanted) else "no_data"
    values = {"files": ", ".join(missing_data(wanted) or ())} if key == "no_files" else {}
    says = Phrase(package="sazon.pipeline", key=f"on_assumptions.{key}", values=values)
    return Ground(
        config=config,
        candidates=candidates,
        evaluation=with_hosted_latency(evaluation, options, config),
        quality=quality,
        options=options,
        notes=(Finding(level="warning", says=says, where="data"),),
    )


def write_assumed(wanted: Recipe, opened: Run) -> None:
    """Write down the recipe and what was resolved, of data only that there is none."""
    found = {"bases": {}, "splits": {}, "how_split": _why(wanted)}
    write_down(wanted, opened, prices_on=prices_on(opened), found=found)


def _claimed(plan: Plan) -> dict[str, str | float | int | bool | None]:
    """Facts on the accuracy of a candidate, as its own options or `assumed:` state them."""
    if plan.assumed is not None:
        return {"accuracy_p10": plan.assumed.accuracy.p10, "accuracy_p90": plan.assumed.accuracy.p90}
    return dict(getattr(plan.config, "claimed", {}))


def _candidate(plan: Plan, made: Mapping[str, Candidate]) -> Candidate:
    """A candidate that runs nowhere yet."""
    members = [made[name] for name in plan.parents] if plan.technique in ("cascade", "panel") else []
    providers = {p for member in members for p in member.providers}
    if plan.technique == "api":
        providers.add(plan.config.provider)
    rented = getattr(plan.config, "tenure", "") == "rent"
    away = bool(providers) or rented or any(member.placement != "local" for member in members)
    placement: Placement = "local" if not away else "hybrid" if members else "cloud"
    return Candidate(
        name=plan.name,
        technique=plan.technique,
        kind="assumed" if plan.assumed is not None else plan.config.kind,
        parents=plan.parents,
        base=getattr(plan.config, "model", None) or plan.base,
        placement=placement,
        providers=tuple(sorted(providers)),
        facts=_claimed(plan),
    )


def _evaluation(wanted: Recipe, candidates: Sequence[Candidate]) -> Evaluation:
    config = wanted.config.evaluate
    return Evaluation(
        reference=config.reference or candidates[0].name,
        margin=config.margin,
        n=0,
        clusters=0,
        estimates={
            c.name: {**evaluate.claimed(c, level=config.level), **_use(wanted.plan(c.name))}
            for c in candidates
        },
        differences={},
        claims=(),
        slices=(),
        worst=(),
    )


def _use(plan: Plan) -> dict[str, Estimate]:
    """What else is assumed: the rate of a small server, or the share that a cascade keeps."""
    if isinstance(plan.assumed, AssumedCascade):
        passed = plan.assumed.passed_on
        share = _tenths(passed.p10, passed.p90, unit="share", method="assumed")
        kept = 1 - (passed.p10 * passed.p90) ** 0.5
        return {"local_share": replace(share, value=kept, low=1 - passed.p90, high=1 - passed.p10)}
    if isinstance(plan.assumed, AssumedModel):
        rate = plan.assumed.requests_per_second
        return {"throughput_per_s": _tenths(rate.at(0.1), rate.at(0.9), unit="1/s", method=rate.source)}
    return {}


def _tenths(low: float, high: float, *, unit: str, method: str) -> Estimate:
    """P10 and P90 around their geometric mean, as log-normal ranges have it."""
    middle = (low * high) ** 0.5
    return Estimate(value=middle, low=low, high=high, level=0.8, unit=unit, method=method, kind="assumed")
