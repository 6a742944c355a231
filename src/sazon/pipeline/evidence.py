"""Gather what a run found, for the report to say."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from sazon import decide, report
from sazon.core.types import Candidate, Costs, Decision, Evaluation, Finding, QualityDraws
from sazon.core.words import LANGUAGES
from sazon.pipeline.demo_policy import shown_policy
from sazon.pipeline.surroundings import machine, versions

if TYPE_CHECKING:
    from sazon.pipeline.kitchen import Kitchen
    from sazon.pipeline.suspects import Looked


def gather(
    kitchen: Kitchen,
    candidates: tuple[Candidate, ...],
    findings: tuple[Finding, ...],
    looked: Looked,
    evaluation: Evaluation,
    quality: QualityDraws,
    costs: Costs,
    decision: Decision,
) -> report.Evidence:
    """All that the report may say of a finished run."""
    wanted, test = kitchen.recipe, kitchen.splits.test
    manifest = kitchen.run.manifest()
    facts = {k: str(v) for k, v in machine().items()}
    return report.Evidence(
        name=wanted.name,
        command=command(kitchen),
        seed=wanted.config.seed,
        versions=versions() | facts,
        made_at=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        data=replace(report.summarise(kitchen.splits), name=wanted.name),
        findings=findings,
        candidates=candidates,
        evaluation=evaluation,
        costs=costs,
        decision=decision,
        reasons={k: tuple(decide.phrase(r, k) for r in decision.reasons[1:]) for k in LANGUAGES},
        flips={k: tuple(decide.phrase(r, k) for r in decision.flips) for k in LANGUAGES},
        gates={k: tuple(decide.phrase_gate(g, k) for g in decision.gates) for k in LANGUAGES},
        verdict={language: decide.verdict(decision, language) for language in LANGUAGES},
        quality=quality,
        inputs_shown=report.inputs_of_worst(evaluation, test, allowed=wanted.config.report.show_inputs)
        | dict(looked.shown),
        suspects=looked.found,
        policy=policy_facts(kitchen, candidates),
        exchanges=shown_policy(kitchen.run.directory),
        seconds={e["stage"]: e["seconds"] for e in manifest},
        looks=looks(kitchen),
        recipe_digest=wanted.digest,
    )


def command(kitchen: Kitchen) -> str:
    """The command that makes the same run again from its own recipe."""
    directory = kitchen.run.directory
    # No more of the path than the folder that runs lie in by default: a report goes to others.
    return f"sazon run {'runs/' if directory.parent.name == 'runs' else ''}{directory.name}"


def looks(kitchen: Kitchen) -> int:
    """How often this run has scored this test set, by distinct evaluations in the manifest."""
    test = kitchen.splits.test.digest
    seen = {
        e["output_digest"]
        for e in kitchen.run.manifest()
        if e["stage"] == "evaluate" and e["inputs"].get("test") == test
    }
    return max(1, len(seen))


def policy_facts(kitchen: Kitchen, candidates: tuple[Candidate, ...]) -> dict[str, str]:
    """What was allowed and what left, for the policy chapter; single words are keys of its words."""
    policy, may = kitchen.recipe.config.policy, kitchen.allowed
    providers = {p for c in candidates for p in c.providers}
    granted = may.providers(kitchen.splits.test, providers)
    judge = kitchen.recipe.config.evaluate.judge
    given = [record for record in may.consents.records.values() if record.ended is None]
    told = {
        "basis": ", ".join(f"{k}: {v}" for k, v in policy.local_basis.items()) or "operator",
        "opened": ", ".join(policy.opt_in) or "none",
        "exits": "" if granted else "denied",
        "exits_granted": ", ".join(sorted(granted)),
        "exits_denied": ", ".join(sorted(providers - granted)),
        "consents_given": str(len(given)) if may.root is not None else "",
        "consents_ended": str(len(may.consents.records) - len(given)) if may.root is not None else "",
        "detectors": ", ".join(policy.detectors) if policy.opt_in else "",
        "left": "none",
        "judged_by": judge.provider if judge is not None else "",
        "policy_digest": may.digest[:16],
    }
    return {key: text for key, text in told.items() if text}
