"""A run under other economics: each change priced in the same futures, so that differences are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sazon import economics, recipe
from sazon.core.errors import RecipeError
from sazon.core.events import Emit, silent
from sazon.core.run import Run
from sazon.core.types import Costs
from sazon.pipeline.comparing import evaluate_and_option
from sazon.pipeline.kitchen import run_directory
from sazon.pipeline.making import made
from sazon.pipeline.on_assumptions import missing_data, stand_on_assumptions
from sazon.pipeline.options import with_tokens
from sazon.pipeline.unlocking import unlocked
from sazon.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One change and what everything costs under it."""

    change: str
    """`demand.requests_per_day=50000`; empty for the recipe as it is."""
    costs: Costs


def what_if(
    wanted: Recipe,
    changes: Sequence[str],
    *,
    out: Path | None = None,
    offline: bool = False,
    emit: Emit = silent,
) -> list[Variant]:
    """Price every candidate as the recipe says, then under each change alone.

    Nothing is trained or answered anew that is there already, and nothing is written over. World i has
    the same random numbers in every variant, so a difference is the change's and no accident.

    Args:
        wanted: the recipe.
        changes: `path=value` under `economics:`, values as in YAML; several values parted by commas
            are a sweep.
        out: run directory.
        offline: refuse every download.
        emit: told of progress.

    Raises:
        RecipeError: a change that is none, or to what the recipe does not know or allow.
    """
    recipes = [("", wanted), *((change, _changed(wanted, change)) for change in spread_out(changes))]
    with (
        unlocked(wanted),
        Run.start(run_directory(wanted, out), seed=wanted.config.seed, emit=emit) as opened,
    ):
        if missing_data(wanted) is not None:
            return [_on_assumptions(change, changed, opened) for change, changed in recipes]
        kitchen, candidates = made(wanted, opened, offline=offline)
        _, quality, options = evaluate_and_option(kitchen, candidates)
        variants = []
        for change, changed in recipes:
            config = with_tokens(changed.config.economics, kitchen.splits.test, task=changed.data.task)
            costs = economics.simulate(config, options, quality, rng=opened.rng("economics.worlds"))
            variants.append(Variant(change=change, costs=costs))
    return variants


def _on_assumptions(change: str, changed: Recipe, opened: Run) -> Variant:
    """One variant where there is no data; draws of quality are the same in all of them."""
    ground = stand_on_assumptions(changed, opened)
    costs = economics.simulate(
        ground.config, ground.options, ground.quality, rng=opened.rng("economics.worlds")
    )
    return Variant(change=change, costs=costs)


def spread_out(changes: Sequence[str]) -> list[str]:
    """One change for each value of a sweep: `a=1,2` is `a=1` and `a=2`; commas in brackets part nothing.

    Raises:
        RecipeError: no `=`, or nothing on one of its sides.
    """
    found = []
    for change in changes:
        path, sign, values = change.partition("=")
        if not (path.strip() and sign and values.strip()):
            raise RecipeError(
                f"{change!r} changes nothing",
                where="--what-if",
                mend="Write e.g. --what-if demand.requests_per_day=1000,50000.",
            )
        found += [f"{path.strip()}={value}" for value in _parted(values)]
    return found


def _parted(values: str) -> list[str]:
    """The values between commas that stand in no bracket."""
    parts, depth = [""], 0
    for sign in values:
        depth += (sign in "{[") - (sign in "}]")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _changed(wanted: Recipe, change: str) -> Recipe:
    """The recipe with one more override in its economics."""
    path = change.partition("=")[0]
    if path == "currency":
        raise RecipeError(
            "the recipe's amounts are in its own currency, and would be taken for another's",
            where="--what-if",
            mend="Write them anew in that currency, and run that recipe.",
        )
    for fixed in ("worlds", "error_costs"):
        if path.split(".")[0] == fixed:
            raise RecipeError(
                f"economics.{fixed} belongs to the draws of quality, which stay as they are",
                where="--what-if",
                mend=f"Use --set economics.{fixed}=… and run again.",
            )
    return recipe.parse(
        wanted.text,
        name="--what-if",
        root=wanted.root,
        overrides=[*wanted.overrides, f"economics.{change}"],
    )
