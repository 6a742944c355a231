"""The doors beside `run`: look before, explain, write a first recipe, serve afterwards."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from sazon import data, models, recipe
from sazon.core import files, registry
from sazon.core.errors import EnvironmentLacks, PolicyRefused, RecipeError
from sazon.core.run import read_resolved, readable_disk_errors, write_aside
from sazon.core.types import Decision, Finding, Phrase
from sazon.pipeline.foresight import foresight
from sazon.pipeline.kitchen import look
from sazon.pipeline.live import unasked
from sazon.pipeline.on_assumptions import check_assumed
from sazon.pipeline.options import check_hosts, check_risks, prices_of
from sazon.pipeline.unlocking import unlocked
from sazon.recipe import Recipe
from sazon.recipe.explain import Explained
from sazon.recipe.explain import explain as explain_recipe
from sazon.recipe.write import first_recipe, task_name


def recipe_of(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, or the recipe of a run directory with the overrides it was made with.

    Raises:
        SazonError: no recipe there, or a wrong one.
    """
    if not path.is_dir():
        return recipe.read(path, overrides=overrides)
    resolved = read_resolved(path)
    return recipe.parse(
        (path / "recipe.yaml").read_text("utf-8"),
        name=str(path / "recipe.yaml"),
        root=Path(os.path.normpath(path / resolved["root"])),
        overrides=[*resolved["overrides"], *overrides],
    )


def check(wanted: Recipe, *, offline: bool = False) -> list[Finding]:
    """Look at the data and at what the candidates need and will take, without doing any work.

    Raises:
        DataError: the data cannot be read, or cannot carry the task.
        EnvironmentLacks: a base model is not there.
        RecipeError: a provider that is used has no price.
    """
    check_hosts(wanted)
    check_risks(wanted)
    prices_of(wanted, on=datetime.datetime.now(tz=datetime.UTC).date())
    if wanted.config.data is None:
        check_assumed(wanted)
        only = Phrase(package="sazon.pipeline", key="on_assumptions.only", values={})
        return [Finding(level="note", says=only, where="data")]
    loaded, bases, findings = look(wanted, offline=offline)
    rows = len(loaded.train) + sum(len(d) for d in (loaded.validation, loaded.test) if d is not None)
    order = " → ".join(p.name for p in wanted.plans)
    findings.append(
        Finding(
            level="note",
            says=Phrase(
                package="sazon.pipeline",
                key="check.plan",
                values={"rows": rows, "classes": len(loaded.train.labels), "order": order},
            ),
        )
    )
    with unlocked(wanted):
        findings += unasked(wanted, loaded)
    return findings + foresight(wanted, loaded, bases)


def explain(wanted: Recipe) -> list[Explained]:
    """Every resolved value and why."""
    return explain_recipe(wanted)


def init(path: Path, *, out: Path, force: bool = False) -> str:
    """Write a recipe for a data file and return its text.

    Raises:
        RecipeError: the recipe exists already.
        DataError: the file cannot be read or holds nothing to learn.
    """
    if out.exists() and not force:
        raise RecipeError("the file exists already", where=str(out), mend="Add --force, or another --out.")
    found = data.inspect(path)
    relative = os.path.relpath(path.resolve(), out.resolve().parent)
    text = first_recipe(found, path=relative, name=task_name(path))
    recipe.parse(text, name=str(out), root=out.resolve().parent)
    with readable_disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_aside(out, text)
    return text


def serve(directory: Path, *, candidate: str | None = None, port: int | None = None) -> None:
    """Serve the decision's local candidate, or the one named, until stopped.

    Where the recipe opens `infer.external` and keys were made, its providers answer too, each request
    ruled on by itself; whatever may not leave is answered here.

    Raises:
        EnvironmentLacks: no finished run here.
        RecipeError: no such candidate.
        PolicyRefused: the candidate would need a provider.
    """
    from sazon.gateway.served import Served
    from sazon.gateway.server import serve as answer_requests
    from sazon.pipeline.openings import passage_of

    read_resolved(directory)
    wanted = recipe_of(directory, [] if port is None else [f"gateway.port={port}"])
    name = candidate or _chosen(directory)
    if name not in wanted.config.candidates:
        raise registry.unknown("candidate", name, list(wanted.config.candidates))
    folder = directory / "adapt" / name
    if not (folder / "candidate.json").is_file():
        raise EnvironmentLacks(
            "this candidate is not made yet", where=str(folder), mend=f"Finish it: sazon run {directory}"
        )
    made = files.read_candidate(folder)
    if made.artifact is None:
        raise PolicyRefused(
            "nothing of this candidate runs here: its quality was assumed or published",
            where=name,
            mend="Serve a local candidate: sazon serve RUN --candidate NAME.",
        )
    with unlocked(wanted), passage_of(wanted) as passage:
        served = Served(name=wanted.name, candidate=made, predictor=models.load(made))
        answer_requests(
            served, wanted.config.gateway, passage=passage, language=wanted.config.report.language
        )


def _chosen(directory: Path) -> str:
    """The candidate the decision chose, or the front-runner where it is undecided."""
    path = directory / "decide" / "decision.json"
    if not path.is_file():
        raise EnvironmentLacks(
            "this run has no decision yet", where=str(directory), mend=f"Finish it: sazon run {directory}"
        )
    decision = files.from_json(Decision, path.read_text("utf-8"), where=str(path))
    if decision.choice is None:
        raise PolicyRefused(
            "no candidate passed the gates, so there is nothing to serve",
            where=str(directory),
            mend="Name one yourself: --candidate NAME.",
        )
    return decision.choice
