"""Word and character TF-IDF with a linear classifier: seconds to train, hard to beat by much."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from sazon.adapt.checks import require_all_labels, require_learnable
from sazon.adapt.measure import codes, fit_temperature, training_cost, validation_metrics
from sazon.adapt.unknown import ClassifierConfig
from sazon.core import digest
from sazon.core.errors import DataError
from sazon.core.events import Event
from sazon.core.rng import integer
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, Dataset, TrainingData
from sazon.models.linear import LinearPredictor, vectorisers
from sazon.models.softmax import softmax


class LinearConfig(ClassifierConfig):
    """Options of a linear candidate."""

    C: float = Field(default=1.0, gt=0, le=1e6)
    """Inverse strength of the penalty of the support-vector classifier."""
    refit: bool = True
    """Train once more on fit and validation together after measuring on validation."""


class Linear:
    """One-against-rest support-vector classifier on TF-IDF, its scores turned into probabilities."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[LinearConfig]] = LinearConfig

    def parents(self, config: LinearConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def adapt(
        self,
        config: LinearConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Fit, find the temperature on validation, then fit on all rows.

        Raises:
            DataError: nothing can be learnt from the rows.
            EnvironmentLacks: scikit-learn is not installed.
        """
        require_learnable(data, name=job.name)
        require_all_labels(data, name=job.name)
        began = time.perf_counter()
        seed = integer(job.rng)
        steps = 2 if config.refit else 1
        predictor = _fit([data.fit], data.labels, C=config.C, temperature=1.0, seed=seed, name=job.name)
        job.emit(Event(stage=f"adapt.{job.name}", done=1, total=steps))
        truth = codes(data.validation.targets, data.labels)
        scores = predictor.scores(data.validation.inputs) if len(truth) else np.zeros((0, len(data.labels)))
        temperature = fit_temperature(scores, truth)
        if config.refit and len(truth):
            both = [data.fit, data.validation]
            predictor = _fit(both, data.labels, C=config.C, temperature=temperature, seed=seed, name=job.name)
            job.emit(Event(stage=f"adapt.{job.name}", done=2, total=steps))
        predictor.temperature = temperature
        predictor.save(job.directory)
        rows = len(data.fit) + (len(data.validation) if config.refit else 0)
        return Candidate(
            name=job.name,
            technique="linear",
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(seconds=time.perf_counter() - began, rows=rows, tokens=None, device="cpu"),
            validation=validation_metrics(softmax(scores, temperature=temperature), truth),
            facts={"C": config.C, "features": len(predictor.weight), "temperature": temperature},
        )


def _fit(
    datasets: list[Dataset], labels: tuple[str, ...], *, C: float, temperature: float, seed: int, name: str
) -> LinearPredictor:
    from scipy.sparse import hstack
    from sklearn.svm import LinearSVC

    inputs = [text for d in datasets for text in d.inputs]
    truth = codes([target for d in datasets for target in d.targets], labels)
    views: dict[str, Any] = vectorisers()
    try:
        features = hstack([view.fit_transform(inputs) for view in views.values()], format="csr")
    except ValueError as error:
        raise DataError(
            "the training texts hold no words", where=f"candidates.{name}", mend="Check the input column."
        ) from error
    machine = LinearSVC(C=C, random_state=seed, max_iter=5000).fit(features, truth)
    weight, bias = machine.coef_, machine.intercept_
    if len(labels) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return LinearPredictor(
        classes=labels,
        vectorisers=views,
        weight=np.ascontiguousarray(weight.T, dtype=np.float32),
        bias=bias.astype(np.float32),
        temperature=temperature,
    )
