"""How errors look: words and exit codes for what sazon refuses, a traceback for a bug."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import typer


@contextlib.contextmanager
def speaking_plainly(*, as_json: bool = False) -> Iterator[None]:
    """Turn sazon's errors into words and exit codes; a bug keeps its traceback."""
    from sazon.core.errors import SazonError

    try:
        yield
    except SazonError as error:
        problems = [str(p) for p in getattr(error, "problems", ())] or [str(error)]
        if as_json:
            typer.echo(json.dumps({"error": type(error).__name__, "problems": problems}, ensure_ascii=False))
        else:
            for problem in problems:
                typer.echo(problem, err=True)
            if len(problems) > 1:
                typer.echo(f"{len(problems)} problems; nothing was done.", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("Stopped. What was finished is kept; the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
