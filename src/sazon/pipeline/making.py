"""Making the candidates: each in a folder of its own, parents first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sazon import evaluate
from sazon.adapt import unknown
from sazon.core import __version__, digest, files, registry
from sazon.core.errors import RecipeError
from sazon.core.run import Run
from sazon.core.seams import Base, Job
from sazon.core.types import Candidate, TrainingData
from sazon.pipeline.kitchen import Kitchen, prepare
from sazon.pipeline.live import with_recordings
from sazon.pipeline.suspects import look_for_suspects
from sazon.recipe import Plan, Recipe


def made(wanted: Recipe, opened: Run, *, offline: bool) -> tuple[Kitchen, tuple[Candidate, ...]]:
    """A run up to its candidates, what is there already read back; nothing is sent.

    Raises:
        SazonError: the recipe, the data or the environment does not allow it.
    """
    kitchen, _ = prepare(wanted, opened, offline=offline)
    kitchen = with_recordings(kitchen, plans_wanted(wanted, None))
    kitchen, _ = look_for_suspects(kitchen)
    return kitchen, make_all(kitchen)


def make_all(kitchen: Kitchen, only: str | None = None) -> tuple[Candidate, ...]:
    """Make every candidate, or those of one stage, parents first; return them in the recipe's order."""
    made: dict[str, Candidate] = {}
    for plan in plans_wanted(kitchen.recipe, only):
        made[plan.name] = _make(kitchen, plan, {p: made[p] for p in plan.parents})
    return tuple(made[name] for name in kitchen.recipe.config.candidates if name in made)


def plans_wanted(wanted: Recipe, only: str | None) -> list[Plan]:
    """The plans of one stage with all they are made of; all plans where no stage is named."""
    needed = {p.name for p in wanted.plans if only in (None, p.stage)}
    if not needed:
        raise RecipeError(
            f"no candidate of this recipe belongs to the stage {only!r}",
            where="candidates",
            mend="Add one, or make all candidates with: sazon adapt.",
        )
    # Parents stand before their children, so one walk from the end finds all of them.
    for plan in reversed(wanted.plans):
        if plan.name in needed:
            needed.update(plan.parents)
    return [p for p in wanted.plans if p.name in needed]


def _make(kitchen: Kitchen, plan: Plan, parents: Mapping[str, Candidate]) -> Candidate:
    """Make one candidate in its own folder, or read it back."""
    splits, options = kitchen.splits, plan.config.model_dump_json()
    base = _base_of(kitchen, plan)
    seen = splits.digests if plan.stage == "evaluate" else {}
    config = plan.config
    if plan.name in kitchen.recordings:
        config = config.answered_by(kitchen.recordings[plan.name])
    recorded = getattr(config, "recorded", None)
    inputs = {
        "technique": plan.technique,
        "options": digest.of_text(options),
        "base": base.revision if base else "",
        "fit": splits.fit.digest,
        "validation": splits.validation.digest,
        "unlabelled": kitchen.unlabelled.digest if kitchen.unlabelled else "",
        # A cascade must not depend on the test set; a recording must belong to it.
        **{f"split.{k}": v for k, v in seen.items() if k != "test" or recorded},
        **_judged_by(kitchen, plan),
        "recorded": _digest_if_there(kitchen.recipe.root / recorded) if recorded else "",
        # What further texts may be learnt from depends on the texts kept apart, not on their labels.
        "held_out": digest.of_text(*sorted(kitchen.held_out)) if recorded or kitchen.unlabelled else "",
        **{f"parent.{n}": p.digest for n, p in parents.items()},
        "labels": digest.of_json(kitchen.recipe.data.labels),
        "seed": str(kitchen.run.seed),
        "sazon": __version__,
    }

    training = kitchen.allowed.for_sites(_training(kitchen), plan)
    inputs |= {"fit": training.fit.digest, "validation": training.validation.digest}

    def work(folder: Path) -> None:
        (folder / "artifact").mkdir()
        job = Job(
            name=plan.name,
            directory=folder / "artifact",
            cache=kitchen.cache,
            rng=kitchen.run.rng(f"{plan.stage}.{plan.name}"),
            emit=kitchen.run.emit,
            root=kitchen.recipe.root,
            right=evaluate.Grader(kitchen.recipe.config.evaluate).right,
            certificates=_cascades(kitchen),
        )
        technique = registry.load("technique", plan.technique)()
        with registry.packages_for(f"candidate {plan.name!r}"):
            if plan.stage == "evaluate":
                candidate = technique.make(
                    config, splits=splits, parents=parents, job=job, root=kitchen.recipe.root
                )
            else:
                candidate = unknown.make(
                    technique, plan.config, base=base, data=training, parents=parents, job=job
                )
        kitchen.allowed.note(training, plan, candidate, run=kitchen.run.directory.name)
        facts = {**candidate.facts, "options": options, "policy": kitchen.allowed.digest}
        files.write_candidate(replace(candidate, facts=facts), folder)

    folder = kitchen.run.stage(f"adapt/{plan.name}", inputs=inputs, work=work)
    return files.read_candidate(folder)


def _judged_by(kitchen: Kitchen, plan: Plan) -> dict[str, str]:
    """What the making of a cascade depends on beside its rows and members."""
    if plan.technique != "cascade":
        return {}
    config = kitchen.recipe.config.evaluate
    right = digest.of_json([config.right.model_dump(), config.json_schema])
    return {"right": right, "certificates": str(_cascades(kitchen))}


def _cascades(kitchen: Kitchen) -> int:
    return sum(p.technique == "cascade" for p in kitchen.recipe.plans)


def _digest_if_there(path: Path) -> str:
    return digest.of_file(path) if path.is_file() else "missing"


def _training(kitchen: Kitchen) -> TrainingData:
    s = kitchen.splits
    described = kitchen.recipe.data.labels
    labels = tuple(sorted({*s.fit.targets, *s.validation.targets, *described}))
    return TrainingData(
        fit=s.fit,
        validation=s.validation,
        labels=labels,
        descriptions={label: words for label, words in described.items() if words},
        task=kitchen.recipe.data.task,
        unlabelled=kitchen.unlabelled,
        held_out=kitchen.held_out,
    )


def _base_of(kitchen: Kitchen, plan: Plan) -> Base | None:
    """The base a candidate uses itself, or through the candidate it is made of."""
    name = plan.base
    for parent in plan.parents if plan.stage == "federate" else ():
        name = name or kitchen.recipe.plan(parent).base
    return kitchen.bases[name] if name is not None else None
