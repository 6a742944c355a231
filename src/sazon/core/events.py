"""What a stage tells while it works; the command line draws it, the run stores it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Event:
    """One step of progress. Never holds inputs."""

    stage: str
    """Where: `adapt.tuned`, `evaluate.frontier`, …"""
    kind: str = "progress"
    """started, progress, note, skipped or done."""
    message: str = ""
    """Words for people, without inputs or secrets."""
    done: float | None = None
    """Work done so far, in the unit of `total`."""
    total: float | None = None
    """Work in all."""
    spent: float | None = None
    """Money spent so far, where the stage spends any."""


Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """Take an event and say nothing."""
