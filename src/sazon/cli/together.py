"""What `sazon decide` prints where several finished runs are decided together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sazon.cli.show import print_whole, three_figures
from sazon.core.errors import RecipeError
from sazon.core.types import Estimate
from sazon.core.words import Language, say

if TYPE_CHECKING:
    from sazon.economics import Sharing


def decide(directories: Sequence[Path], *, alone: bool, as_json: bool) -> None:
    """Decide the runs together and print it.

    Args:
        directories: of finished runs.
        alone: whether options were given that belong to one run.
        as_json: print JSON instead.

    Raises:
        RecipeError: `alone`, or runs that cannot be put together.
        EnvironmentLacks: one of them is not finished.
    """
    from pydantic import TypeAdapter

    from sazon import pipeline

    if alone:
        raise RecipeError(
            "--set and --out belong to one run",
            mend="Finish each run by itself, then name their directories.",
        )
    found = pipeline.decide_together(directories)
    if as_json:
        data = TypeAdapter(type(found)).dump_python(found, mode="json")
        typer.echo(json.dumps(data, ensure_ascii=False, indent=1))
        return
    _table(found, pipeline.recipe_of(directories[0]).config.report.language)


def _table(found: Sharing, language: Language) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("task", "alone", "cost_alone", "together", "cost_together", "with"):
        right = "right" if name.startswith("cost") else "left"
        table.add_column(_say(language, name, currency=found.currency), justify=right)  # type: ignore[arg-type]  # one of the two words
    for task in found.tasks:
        table.add_row(
            task.name,
            task.choice_alone,
            _money(task.alone, language),
            task.choice_together,
            _money(task.together, language),
            ", ".join(task.shares_with) or "–",
        )
    console = Console()
    print_whole(table, console)
    share = three_figures(100 * (found.p_best.value or 0.0), language)
    money = {n: _money(getattr(found, n), language) for n in ("alone", "together", "saved")}
    lines = [_say(language, "sum", months=found.months, currency=found.currency, share=share, **money)]
    changed = [t.name for t in found.tasks if t.choice_alone != t.choice_together]
    lines.append(_say(language, "changes" if changed else "no_change", names=", ".join(changed)))
    lines.append(_say(language, "what"))
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _say(language: Language, key: str, **values: object) -> str:
    return say("sazon.cli", language, f"together.{key}", **values)


def _money(estimate: Estimate, language: Language) -> str:
    value, low, high = (
        three_figures(x or 0.0, language) for x in (estimate.value, estimate.low, estimate.high)
    )
    return value if low == high else f"{value} ({low}–{high})"
