"""The order of the stages, from a recipe to a decision; reads like the README.

Every stage is a folder of the run, made once and skipped while its inputs stay the same:

    data → suspects → adapt/<candidate> → answers/<candidate> → evaluate → economics → decide → report
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sazon import decide, economics, recipe, report
from sazon.core import __version__, digest, files
from sazon.core.events import Emit, silent
from sazon.core.exchange import Exchanges
from sazon.core.run import Run
from sazon.core.types import (
    Candidate,
    Costs,
    Decision,
    Evaluation,
    Finding,
    QualityDraws,
)
from sazon.pipeline.comparing import evaluate_and_option
from sazon.pipeline.demo_policy import policy_digest, show_policy, shown_policy
from sazon.pipeline.evidence import gather
from sazon.pipeline.kitchen import Kitchen, prepare, run_directory
from sazon.pipeline.live import with_recordings
from sazon.pipeline.making import make_all, plans_wanted
from sazon.pipeline.on_assumptions import missing_data, stand_on_assumptions, write_assumed
from sazon.pipeline.suspects import look_for_suspects
from sazon.pipeline.unlocking import unlocked
from sazon.recipe import Recipe

STAGES = ("data", "adapt", "evaluate", "economics", "decide", "report")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to; later stages are None where it was asked to stop before them.

    Where there is no data, economics comes first: evaluation then holds what is claimed.
    """

    directory: Path
    candidates: tuple[Candidate, ...]
    evaluation: Evaluation | None = None
    costs: Costs | None = None
    decision: Decision | None = None
    findings: tuple[Finding, ...] = ()
    exchanges: Exchanges | None = None
    """What was shown at the gate, where that was wanted."""
    reported: bool = False
    """Whether the report on disk is of this outcome."""

    @property
    def without_data(self) -> bool:
        """Whether everything in it is published or assumed, for want of data."""
        return self.evaluation is not None and self.evaluation.n == 0

    @property
    def report(self) -> Path:
        """Path of the report."""
        return self.directory / "report" / "report.html"

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row a candidate: accuracy, cost per 1,000 correct answers, P(best)."""
        best = dict(self.decision.ranking) if self.decision else {}
        breaks = {b.name: b.demand for b in self.costs.outlook.breaks} if self.costs else {}
        rows = []
        for c in self.candidates:
            quality = self.evaluation.estimates.get(c.name, {}) if self.evaluation else {}
            costs = self.costs.summary.get(c.name, {}) if self.costs else {}
            rows.append(
                {
                    "candidate": c.name,
                    "technique": c.technique,
                    "kind": c.kind,
                    "accuracy": quality.get("accuracy"),
                    "per_1000_correct": costs.get("per_1000_correct"),
                    "total": costs.get("total"),
                    "p_cheapest": costs.get("p_cheapest"),
                    "break_even": breaks.get(c.name),
                    "p_best": best.get(c.name),
                }
            )
        return rows


def run(
    source: Recipe | Path | str,
    *,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    offline: bool = False,
    until: str = "report",
    only: str | None = None,
    at_the_gate: bool = False,
    emit: Emit = silent,
) -> Outcome:
    """Carry a recipe through to its decision and report.

    Args:
        source: a recipe, or the path of one.
        out: run directory; default `runs/<name>-<digest>` in the working directory.
        overrides: `a.b=c`.
        offline: refuse every download.
        until: last stage wanted, one of `STAGES`.
        only: with `until="adapt"`: make only the candidates of this stage (`federate`) and their parents.
        at_the_gate: also put one invented message before the gate, without consent and with it.
        emit: takes progress events.

    With `until="economics"` and no data there, candidates are priced on what is published or assumed.

    Raises:
        SazonError: the recipe, the data or the environment does not allow it.
    """
    wanted = source if isinstance(source, Recipe) else recipe.read(Path(source), overrides=overrides)
    directory = run_directory(wanted, out)
    last = STAGES.index(until)
    with unlocked(wanted), Run.start(directory, seed=wanted.config.seed, emit=emit) as opened:
        if until == "economics" and missing_data(wanted) is not None:
            return _on_assumptions(wanted, opened)
        kitchen, findings = prepare(wanted, opened, offline=offline)
        if last >= STAGES.index("adapt"):
            kitchen = with_recordings(kitchen, plans_wanted(wanted, only))
            kitchen, looked = look_for_suspects(kitchen)
        candidates = make_all(kitchen, only) if last >= STAGES.index("adapt") else ()
        outcome = Outcome(directory=directory, candidates=candidates, findings=tuple(findings))
        if last >= STAGES.index("evaluate"):
            evaluation, quality, options = evaluate_and_option(kitchen, candidates)
            outcome = replace(outcome, evaluation=evaluation)
        if last >= STAGES.index("economics"):
            costs = _economics(opened, kitchen.economics_config, options, quality)
            outcome = replace(outcome, costs=costs)
        if last >= STAGES.index("decide"):
            decision = _decide(kitchen, candidates, evaluation, quality, costs)
            if at_the_gate:
                show_policy(kitchen, candidates, decision)
            outcome = replace(outcome, decision=decision, exchanges=shown_policy(directory))
        if last >= STAGES.index("report"):
            found = (candidates, outcome.findings, looked, evaluation, quality, costs, decision)
            _report(kitchen, gather(kitchen, *found))
            outcome = replace(outcome, reported=True)
        return outcome


def _on_assumptions(wanted: Recipe, opened: Run) -> Outcome:
    """Economics alone, where there is no data and enough is assumed."""
    ground = stand_on_assumptions(wanted, opened)
    write_assumed(wanted, opened)
    return Outcome(
        directory=opened.directory,
        candidates=ground.candidates,
        evaluation=ground.evaluation,
        costs=_economics(opened, ground.config, ground.options, ground.quality),
        findings=ground.notes,
    )


def _economics(
    opened: Run,
    config: economics.EconomicsConfig,
    options: Sequence[economics.Option],
    quality: QualityDraws,
) -> Costs:
    """Price every candidate in every world; world i has draw i of quality."""

    def work(folder: Path) -> None:
        rng = opened.rng("economics.worlds")
        costs = economics.simulate(config, options, quality, rng=rng)
        files.write_costs(costs, folder)
        # For several runs to share machines: see pipeline/sharing.py.
        (folder / "options.json").write_text(files.to_json(tuple(options)), encoding="utf-8")
        (folder / "config.json").write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")

    inputs = {
        "config": digest.of_text(config.model_dump_json()),
        "options": digest.of_text(*(files.to_json(o) for o in options)),
        "quality": digest.of_bytes(np.ascontiguousarray(quality.values).tobytes()),
        "sazon": __version__,
    }
    return files.read_costs(opened.stage("economics", inputs=inputs, work=work))


def _decide(
    kitchen: Kitchen,
    candidates: Sequence[Candidate],
    evaluation: Evaluation,
    quality: QualityDraws,
    costs: Costs,
) -> Decision:
    """Gates first, then the probability of being best over the joint draws."""
    config = kitchen.recipe.config.decide
    open_to = kitchen.allowed.providers(kitchen.splits.test, kitchen.recipe.config.providers)

    def work(folder: Path) -> None:
        decision = decide.choose(config, candidates, evaluation, quality, costs, consented_providers=open_to)
        (folder / "decision.json").write_text(files.to_json(decision), encoding="utf-8")

    inputs = {
        "config": digest.of_text(config.model_dump_json()),
        "consented": ", ".join(sorted(open_to)),
        "evaluate": digest.of_folder(kitchen.run.directory / "evaluate"),
        "economics": digest.of_folder(kitchen.run.directory / "economics"),
        "sazon": __version__,
    }
    folder = kitchen.run.stage("decide", inputs=inputs, work=work)
    return files.from_json(Decision, (folder / "decision.json").read_text("utf-8"), where=str(folder))


def _report(kitchen: Kitchen, evidence: report.Evidence) -> None:
    """One report in the recipe's language, the other language beside it."""
    kitchen.run.stage(
        "report",
        inputs={
            "config": digest.of_text(kitchen.recipe.config.report.model_dump_json()),
            "findings": digest.of_text(files.to_json(evidence.findings)),
            **kitchen.digests(evidence.candidates),
            "suspects": digest.of_folder(kitchen.run.directory / "suspects"),
            "decide": digest.of_folder(kitchen.run.directory / "decide"),
            "economics": digest.of_folder(kitchen.run.directory / "economics"),
            "evaluate": digest.of_folder(kitchen.run.directory / "evaluate"),
            "exchanges": policy_digest(kitchen.run.directory),
            "sazon": __version__,
        },
        work=lambda folder: report.write(evidence, folder, language=kitchen.recipe.config.report.language),
    )
