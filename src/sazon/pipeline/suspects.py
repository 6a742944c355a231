"""The stage between data and training: which labels are doubtful, and whether those rows are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sazon import report
from sazon.adapt import suspects
from sazon.core import __version__, files
from sazon.core.seams import Base
from sazon.core.suspects import Suspects
from sazon.core.types import Phrase
from sazon.models.language_model import is_causal
from sazon.pipeline.kitchen import Kitchen

FILE = "suspects.json"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was found, and the texts of it that the report may show."""

    found: Suspects
    shown: Mapping[str, str]
    """Example id → text, only where the data is public or the recipe asked for it."""


def look_for_suspects(kitchen: Kitchen) -> tuple[Kitchen, Looked]:
    """Look at the labels of the fit rows; where the recipe says so, go on without the suspects.

    Validation, trust, calibration and test rows are neither looked at nor dropped.

    Returns:
        The kitchen to go on with, and what was found.
    """
    fit, config = kitchen.splits.fit, kitchen.recipe.config
    base = _encoder(kitchen)

    def work(folder: Path) -> None:
        if kitchen.recipe.data.task == "generate":
            found = suspects.not_looked_at(fit, "suspects_generate")
        else:
            rng, emit = kitchen.run.rng("suspects"), kitchen.run.emit
            found = suspects.find(fit, base=base, cache=kitchen.cache, rng=rng, emit=emit)
        if config.adapt.drop_suspects:
            found = replace(found, dropped=len(fit) - len(suspects.without(fit, found)))
        (folder / FILE).write_text(files.to_json(found), encoding="utf-8")

    inputs = {
        "fit": fit.digest,
        "task": kitchen.recipe.data.task,
        "base": base.revision if base else "",
        "drop": str(config.adapt.drop_suspects),
        "seed": str(kitchen.run.seed),
        **{f"has.{package}": str(suspects.installed(package)) for package in ("sklearn", "torch")},
        "sazon": __version__,
    }
    folder = kitchen.run.stage("suspects", inputs=inputs, work=work)
    found = files.from_json(Suspects, (folder / FILE).read_text("utf-8"), where=str(folder))
    shown = report.inputs_of_suspects(found, fit, allowed=config.report.show_inputs)
    looked = Looked(found=found, shown=shown)
    if not found.dropped:
        return kitchen, looked
    said = Phrase(package="sazon.adapt", key="note.suspects_dropped", values={"rows": found.dropped})
    splits = replace(kitchen.splits, fit=suspects.without(fit, found), how=(*kitchen.splits.how, said))
    return replace(kitchen, splits=splits), looked


def _encoder(kitchen: Kitchen) -> Base | None:
    """The first encoder that a candidate is made from: its embeddings are needed anyway."""
    for plan in kitchen.recipe.plans:
        if plan.base is not None and not is_causal(kitchen.bases[plan.base].path):
            return kitchen.bases[plan.base]
    return None
