"""Transfer learning: the base stays frozen, only a linear head is trained on its embeddings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sazon.adapt import local_step
from sazon.adapt.checks import cut_notes, language_notes, require_base, require_learnable
from sazon.adapt.config import Switch
from sazon.adapt.head import choose_head
from sazon.adapt.measure import codes, training_cost
from sazon.adapt.unknown import ClassifierConfig
from sazon.core import digest
from sazon.core.seams import Base, Job, State
from sazon.core.types import Answers, Artifact, Candidate, Dataset, TrainingData
from sazon.models.embed import Embedder
from sazon.models.probe import head_probabilities, save_probe
from sazon.models.softmax import answer


class TransferConfig(ClassifierConfig):
    """Options of a transfer candidate."""

    base: str
    """Name of the base model, under `models:`."""
    label_names: Switch = "auto"
    """Label names and descriptions as extra training rows; auto: up to 20 rows a class."""
    C: list[float] = Field(default=[1.0, 3.0, 10.0, 30.0, 100.0], min_length=1, max_length=20)
    """Inverse penalties that cross-validation chooses from; a single one is simply taken."""
    folds: int = Field(default=5, ge=2, le=20)
    """Folds of the cross-validation (three from 4,000 rows on)."""
    refit: bool = True
    """Train once more on fit and validation together after measuring on validation."""
    local_epochs: int = Field(default=5, ge=1, le=1000)
    """Passes over a site's rows in one federated round."""
    local_rate: float = Field(default=2.0, gt=0, lt=4)
    """Learning rate of a federated round; from 4 on it need not converge on unit vectors."""
    local_batch: int = Field(default=32, ge=1, le=4096)
    """Rows of one step in a federated round."""


class Transfer:
    """Logistic regression on frozen embeddings, its penalty chosen by grouped cross-validation."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[TransferConfig]] = TransferConfig

    def parents(self, config: TransferConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def adapt(
        self,
        config: TransferConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Embed once, choose C on fit, measure on validation, fit on all rows.

        Raises:
            DataError: nothing can be learnt from the rows.
            EnvironmentLacks: torch is not installed, or memory does not suffice.
        """
        base = require_base(base, name=job.name)
        require_learnable(data, name=job.name)
        began = time.perf_counter()
        embedder = Embedder(base, cache=job.cache, emit=job.emit, stage=f"adapt.{job.name}")
        fitted = choose_head(
            embedder,
            data,
            grid=config.C,
            folds=config.folds,
            label_names=config.label_names,
            rng=job.rng,
            name=job.name,
        )
        refit = config.refit and len(data.validation) > 0
        head = fitted.refitted() if refit else fitted.head
        save_probe(
            job.directory,
            base=base,
            classes=data.labels,
            weight=head.weight,
            bias=head.bias,
            temperature=fitted.temperature,
            precision=embedder.precision,
            max_length=embedder.encoder.max_length,
        )
        return Candidate(
            name=job.name,
            technique="transfer",
            base=f"{base.name}@{base.revision}",
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(
                seconds=time.perf_counter() - began,
                rows=len(data.fit) + (len(data.validation) if refit else 0),
                tokens=embedder.tokens,
                device=embedder.encoder.device,
            ),
            validation=fitted.metrics(),
            facts=fitted.facts() | {"precision": embedder.precision, "texts_cut": embedder.cut},
            notes=language_notes(base, data) + cut_notes(embedder.cut, embedder.encoder.max_length),
        )

    # --------------------------------------------------------------- federation

    def initial_state(self, config: TransferConfig, *, base: Base | None, labels: Sequence[str]) -> State:
        """A head of zeros: weight (classes, width) and bias (classes,)."""
        return local_step.zeros(require_base(base, name="federate"), labels)

    def local_step(
        self,
        state: State,
        rows: Dataset,
        config: TransferConfig,
        *,
        base: Base | None,
        labels: Sequence[str],
        cache: Path,
        rng: np.random.Generator,
    ) -> State:
        """A few epochs of gradient descent on one site's rows, embeddings from its own cache."""
        embedder = local_step.embedder_of(require_base(base, name="federate"), cache)
        return local_step.descend(
            state,
            embedder.embed(rows.inputs),
            codes(rows.targets, labels),
            epochs=config.local_epochs,
            rate=config.local_rate,
            batch=config.local_batch,
            rng=rng,
        )

    def answer_state(
        self,
        state: State,
        inputs: Sequence[str],
        config: TransferConfig,
        *,
        base: Base | None,
        labels: Sequence[str],
        cache: Path,
    ) -> Answers:
        """Answer with this head, embeddings from the cache."""
        embedder = local_step.embedder_of(require_base(base, name="federate"), cache)
        shares = head_probabilities(embedder.embed(inputs), state["weight"], state["bias"])
        return answer(shares, tuple(labels))

    def save_state(
        self,
        state: State,
        config: TransferConfig,
        *,
        base: Base | None,
        labels: Sequence[str],
        directory: Path,
    ) -> None:
        """Write a probe with this head."""
        found = require_base(base, name="federate")
        local_step.save(state, base=found, labels=labels, directory=directory)
