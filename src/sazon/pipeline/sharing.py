"""Several finished runs decided together: what stands on the same machines shares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sazon import economics
from sazon.core import files
from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError
from sazon.core.rng import integer
from sazon.core.run import Run, read_resolved
from sazon.core.types import Decision


def decide_together(directories: Sequence[Path]) -> economics.Sharing:
    """Choose for all tasks at once, machines and hosting shared; nothing is measured or written.

    Args:
        directories: of two finished runs or more.

    Raises:
        EnvironmentLacks: one of them has no prices yet.
        RecipeError: they are not of the same economics.
    """
    apart = [d.resolve() for d in directories]
    if len(set(apart)) < len(apart):
        raise RecipeError("a run is named twice", mend="Name each run once.")
    names = [str(read_resolved(d)["recipe"]["name"]) for d in directories]
    return economics.share(
        [
            _task(d, name if names.count(name) == 1 else d.name)
            for d, name in zip(directories, names, strict=True)
        ]
    )


def _task(directory: Path, name: str) -> economics.Task:
    folder = directory / "economics"
    if not all((folder / f).is_file() for f in ("options.json", "config.json", "costs.json")):
        raise EnvironmentLacks(
            "this run has no prices to share yet",
            where=str(directory),
            mend=f"Finish it: sazon decide {directory}, or without data: sazon economics {directory}",
        )
    path = folder / "options.json"
    options = files.from_json(tuple[economics.Option, ...], path.read_text("utf-8"), where=str(path))
    costs = files.read_costs(folder)
    return economics.Task(
        name=name,
        config=_config(folder / "config.json"),
        options={option.name: option for option in options},
        costs=costs,
        choices=_choices(directory, costs.candidates),
        seed=integer(Run.read(directory).rng("economics.worlds")),
    )


def _config(path: Path) -> economics.EconomicsConfig:
    from pydantic import ValidationError

    try:
        return economics.EconomicsConfig.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        raise IntegrityError(
            "the file was changed or cut", where=str(path), mend="Remove its folder and run again."
        ) from error


def _choices(directory: Path, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Those that pass the gates; all of a run that was priced without data."""
    path = directory / "decide" / "decision.json"
    if not path.is_file():
        return candidates
    decision = files.from_json(Decision, path.read_text("utf-8"), where=str(path))
    passed = {name for name, _ in decision.ranking}
    return tuple(name for name in candidates if name in passed)
