"""The floor every other candidate must beat: always the most frequent class."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from sazon.adapt.checks import require_learnable
from sazon.adapt.measure import codes, training_cost, validation_metrics
from sazon.core import digest
from sazon.core.config import Config
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, TrainingData
from sazon.models.majority import MajorityPredictor


class MajorityConfig(Config):
    """It has no options."""


class Majority:
    """Answers with the most frequent class of the training rows."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[MajorityConfig]] = MajorityConfig

    def parents(self, config: MajorityConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def adapt(
        self,
        config: MajorityConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Count the classes; (count + 1) / (n + classes), so that no share is zero.

        Raises:
            DataError: nothing can be learnt from the rows.
        """
        require_learnable(data, name=job.name)
        began = time.perf_counter()
        truth = codes(data.fit.targets, data.labels)
        counts = np.bincount(truth, minlength=len(data.labels)) + 1.0
        predictor = MajorityPredictor(data.labels, counts / counts.sum())
        predictor.save(job.directory)
        checked = predictor.predict(data.validation.inputs).probabilities
        seconds = time.perf_counter() - began
        assert checked is not None  # noqa: S101 - this predictor always gives them
        return Candidate(
            name=job.name,
            technique="majority",
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(seconds=seconds, rows=len(data.fit), tokens=None, device="cpu"),
            validation=validation_metrics(checked, codes(data.validation.targets, data.labels)),
            facts={"answer": data.labels[int(counts.argmax())], "share": float(counts.max() / counts.sum())},
        )
