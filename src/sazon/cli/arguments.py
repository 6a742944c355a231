"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[Path, typer.Argument(help="A recipe (YAML) or the directory of a run.")]
Out = Annotated[Path | None, typer.Option("--out", help="Run directory. Default: runs/<name>-<digest>.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override one value: a.b=c. May be repeated.")]
Offline = Annotated[bool, typer.Option("--offline", help="Refuse every download.")]
Record = Annotated[
    list[str] | None,
    typer.Option(
        "--record",
        help="Ask this candidate's provider first, and keep its answers; evaluate.judge: the judge."
        " Repeatable.",
    ),
]
Spend = Annotated[float | None, typer.Option("--spend", help="Most money each --record may cost.")]
Yes = Annotated[bool, typer.Option("--yes", help="Give the consent that --record asks for.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
