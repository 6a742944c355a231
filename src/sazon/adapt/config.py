"""The section `adapt:` of a recipe: defaults for every candidate that is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sazon.core.config import Config

Switch = Literal["auto", True, False]


class Budget(Config):
    """How long training may take; turned once into optimiser steps, which are recorded."""

    minutes: float = Field(gt=0, le=24 * 60)
    """Wall-clock minutes on this machine."""


class AdaptConfig(Config):
    """Defaults; an option under a candidate's own name has the last word."""

    budget: Budget | None = None
    """Time for each fine-tuned candidate; None: its epochs decide."""
    label_names: Switch = "auto"
    """Use label names and descriptions as training rows: auto does when there are few rows."""
    refit: bool = True
    """After choices are made on validation, train once more on fit and validation together."""
    drop_suspects: bool = False
    """Leave out of training the rows whose label is doubtful (never of validation or test); by default
    they are only shown."""
    max_length: int | None = Field(default=None, ge=8, le=8192)
    """Tokens kept of a text when fine-tuning; None: enough for 99.5 % of the training texts."""
