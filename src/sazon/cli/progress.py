"""Progress with time left, drawn from the events that stages emit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sazon.core.events import Event

if TYPE_CHECKING:
    from sazon.recipe import Recipe

# Rough seconds on two laptop cores; only their proportions matter, for the time left.
TYPICAL_SECONDS = {"linear": 4, "transfer": 10, "finetune": 45, "distill": 6, "federate": 8, "cascade": 3}
TYPICAL_ANSWER_SECONDS = {"transfer": 6, "finetune": 6, "federate": 6, "cascade": 6}
REST = {"data": 2.0, "evaluate": 4.0, "economics": 1.0, "decide": 1.0, "report": 5.0}


class Progress:
    """Draws one bar over the whole run; without a terminal, one line a finished stage."""

    def __init__(self, recipe: Recipe, *, quiet: bool = False) -> None:
        """Weigh the stages that the recipe will need."""
        self._weights: dict[str, float] = dict(REST)
        for plan in recipe.plans:
            self._weights[f"adapt.{plan.name}"] = TYPICAL_SECONDS.get(plan.technique, 0.5)
            self._weights[f"answers.{plan.name}"] = TYPICAL_ANSWER_SECONDS.get(plan.technique, 0.5)
        self._done: dict[str, float] = {}
        self._worked = 0.0
        self._skipped = 0.0
        self._began = time.monotonic()
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        """Start drawing."""
        if not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            console = Console(stderr=True)
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
            )
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task("starting", total=sum(self._weights.values()), left="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        weight = self._weights.get(event.stage, 0.0)
        if event.kind in {"done", "skipped"}:
            self._done[event.stage] = weight
            if event.kind == "skipped":
                self._skipped += weight
        elif event.total and event.done is not None:
            self._done[event.stage] = weight * min(1.0, event.done / event.total)
        self._draw(event)

    def _draw(self, event: Event) -> None:
        if self._bar is None:
            return
        complete = sum(self._done.values())
        if event.kind == "done":
            self._bar.console.print(
                f"  {event.stage:<24} {event.done or 0:6.1f} s", markup=False, highlight=False
            )
        elif event.kind == "skipped":
            self._bar.console.print(f"  {event.stage:<24}   kept", markup=False, highlight=False)
        label = event.stage if not event.message else f"{event.stage}: {event.message}"
        left = self._time_left(complete)
        self._bar.update(self._task, completed=complete, description=label[:44].ljust(44), left=left)

    def _time_left(self, complete: float) -> str:
        worked = complete - self._skipped
        remaining = sum(self._weights.values()) - complete
        if worked < 2.0:
            return ""
        seconds = (time.monotonic() - self._began) / worked * remaining
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"
