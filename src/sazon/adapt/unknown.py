"""The optional answer `unknown`: one option for every technique that trains a classifier, handled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from sazon import models
from sazon.adapt.checks import note
from sazon.core import digest
from sazon.core.config import Config, refuse
from sazon.core.errors import DataError, RecipeError
from sazon.core.seams import Base, Job, Technique
from sazon.core.types import Artifact, Candidate, Phrase, TrainingData
from sazon.models.folder import read_facts, write_facts
from sazon.models.unknown import BELOW, UNKNOWN
from sazon.stats.certify import rows_needed
from sazon.stats.selective import Selection, by_accuracy, by_coverage


class UnknownConfig(Config):
    """When to answer `unknown` instead of a class: exactly one of the first two."""

    accuracy: float | None = Field(default=None, gt=0, lt=1)
    """Accuracy that the answered cases must be shown to reach on validation."""
    coverage: float | None = Field(default=None, gt=0, le=1)
    """Share of cases to answer, the surest ones."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """How surely the accuracy of the answered is not below its bound."""

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        if (self.accuracy is None) == (self.coverage is None):
            raise refuse(
                "needs exactly one of accuracy and coverage", "Write e.g. unknown: (accuracy: 0.95)."
            )
        return self


class ClassifierConfig(Config):
    """Options of every technique that trains a classifier."""

    unknown: UnknownConfig | None = None
    """Answer `unknown` below a confidence chosen on validation, e.g. `{accuracy: 0.95}`; validation
    rows are then never trained on (`refit` is off)."""


def make(
    technique: Technique,
    config: Any,
    *,
    base: Base | None,
    data: TrainingData,
    parents: Mapping[str, Candidate],
    job: Job,
) -> Candidate:
    """Let a technique make its candidate, and teach it to say `unknown` where the recipe asks for it.

    Raises:
        RecipeError: the task is to generate.
        DataError: a class of the task is called `unknown`.
    """
    wanted: UnknownConfig | None = getattr(config, "unknown", None)
    if wanted is None:
        return technique.adapt(config, base=base, data=data, parents=parents, job=job)
    where = f"candidates.{job.name}.unknown"
    if data.task == "generate":
        raise RecipeError("only classifiers can answer unknown", where=where, mend="Remove this option.")
    if UNKNOWN in data.labels:
        raise DataError(
            f"a class of the task is called {UNKNOWN!r} already",
            where=where,
            mend="Rename the class, or remove this option.",
        )
    # The threshold is worth something only on rows that the final model has not learnt from.
    apart = config.model_copy(update={"refit": False}) if hasattr(config, "refit") else config
    made = technique.adapt(apart, base=base, data=data, parents=parents, job=job)
    return _cautious(made, wanted, data)


def _cautious(candidate: Candidate, wanted: UnknownConfig, data: TrainingData) -> Candidate:
    """The candidate with its threshold written beside its predictor, and what to say of it."""
    chosen = _choose(candidate, wanted, data)
    said = (*candidate.notes, _said(chosen, wanted))
    if not chosen.threshold or candidate.artifact is None:
        return replace(candidate, notes=said)
    folder = candidate.artifact.path
    facts = read_facts(folder)
    write_facts(folder, str(facts.pop("predictor")), facts | {BELOW: chosen.threshold})
    artifact = Artifact(path=folder, digest=digest.of_folder(folder))
    told = {**candidate.facts, BELOW: chosen.threshold}
    return replace(candidate, artifact=artifact, facts=told, notes=said)


def _choose(candidate: Candidate, wanted: UnknownConfig, data: TrainingData) -> Selection:
    """The threshold by one validation row of each group: the bound is for independent rows."""
    groups = data.validation.groups
    rows = data.validation.select(sorted({g: i for i, g in reversed(list(enumerate(groups)))}.values()))
    answers = models.load_bare(candidate).predict(rows.inputs)
    right = np.array([a == t for a, t in zip(answers.labels, rows.targets, strict=True)], dtype=bool)
    delta = 1 - wanted.confidence
    if wanted.accuracy is not None:
        return by_accuracy(answers.confidence, right, accuracy=wanted.accuracy, delta=delta)
    return by_coverage(answers.confidence, right, coverage=wanted.coverage or 1.0, delta=delta)


def _said(chosen: Selection, wanted: UnknownConfig) -> Phrase:
    if chosen.threshold is None:
        least = (
            rows_needed(epsilon=1 - wanted.accuracy, delta=1 - wanted.confidence) if wanted.accuracy else 1
        )
        return note("unknown_cannot", wanted_accuracy=wanted.accuracy or 0.0, rows=chosen.n, least=least)
    return note(
        "unknown_below" if chosen.threshold else "unknown_everything",
        threshold_level=round(chosen.threshold, 3),
        answered=chosen.answered,
        rows=chosen.n,
        answered_accuracy=chosen.accuracy.value,
        least_accuracy=chosen.accuracy.low,
        confidence_share=wanted.confidence,
    )
