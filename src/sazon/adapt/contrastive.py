"""Few-shot tuning: the base learns to put texts of one class together, then a head is fitted on it.

Batches of labelled rows are contrasted as they come, so a step costs O(batch) forward passes and
no list of pairs is ever made. How far to go from the base, nowhere included, is chosen on validation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sazon.adapt.checks import cut_notes, language_notes, note, require_base, require_learnable
from sazon.adapt.config import Switch
from sazon.adapt.further import further_texts
from sazon.adapt.head import Fitted, choose_head, label_rows
from sazon.adapt.interpolation import Weights, set_between, weights_of
from sazon.adapt.measure import calibrated_loss, codes, fit_temperature, training_cost, validation_metrics
from sazon.adapt.self_training import self_train
from sazon.adapt.softmax_regression import Head, fit_head, labelled
from sazon.adapt.trainees import usual_length
from sazon.adapt.training import Batches, Loss, Plan, Rows, Trainee, repeatable, train
from sazon.adapt.unknown import ClassifierConfig
from sazon.core import digest
from sazon.core.errors import DataError
from sazon.core.events import Event
from sazon.core.rng import integer
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, Dataset, Floats, TrainingData
from sazon.models.embed import Embedder
from sazon.models.encoder import EncoderPredictor
from sazon.models.softmax import softmax
from sazon.models.transformer import LENGTH_STEP, Encoder

if TYPE_CHECKING:
    import torch

PROBE_GRID = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Penalties that cross-validation chooses from for the head on the frozen base."""
LENGTH_NOISE = 3.0
"""Standard deviation, in tokens, of the noise that draws a row's partner."""


class ContrastiveConfig(ClassifierConfig):
    """Options of a contrastively tuned candidate."""

    base: str
    """Name of the base model, under `models:`."""
    epochs: int = Field(default=6, ge=1, le=200)
    """Passes over the labelled rows."""
    rate: float = Field(default=1e-4, gt=0, le=0.1)
    """Peak learning rate."""
    batch_size: int = Field(default=128, ge=2, le=4096)
    """Rows contrasted with one another in one step."""
    temperature: float = Field(default=0.1, gt=0, le=10)
    """τ: the smaller, the more the nearest rows of other classes count."""
    reach: list[float] = Field(default=[0.5, 0.75, 1.0], min_length=1, max_length=20)
    """How far from the base (0) to the tuned model (1) the weights may go; validation chooses,
    and the base itself is always among the choices."""
    C: float = Field(default=10.0, gt=0, le=1e6)
    """Inverse penalty of the head on the tuned base."""
    label_names: Switch = "auto"
    """Label names and descriptions as extra training rows; auto: up to 20 rows a class."""
    max_length: int | None = Field(default=None, ge=8, le=8192)
    """Tokens of a text seen in training; None: enough for 99.5 % of the training texts."""
    self_training: Switch = "auto"
    """Take the surest answers on `data.unlabelled` as rows for the head; auto: where validation
    gets better by it."""
    per_class: int = Field(default=20, ge=1, le=10_000)
    """Unlabelled texts taken of each class in the last round of self-training."""
    rounds: int = Field(default=2, ge=1, le=20)
    """Rounds of self-training."""
    refit: bool = True
    """Tune once more on fit and validation together after all choices are made."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What validation chose, and how it did there, trained on fit alone."""

    reach: float
    """α of the weights; 0: the frozen base was better."""
    self_trained: bool
    scores: Floats
    """Logits on validation, shape (n, classes)."""
    losses: Mapping[str, float]
    """Log-loss after calibration of each choice looked at."""


class Contrastive:
    """Supervised contrastive tuning, weights interpolated with the base's, logistic regression on top."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[ContrastiveConfig]] = ContrastiveConfig

    def parents(self, config: ContrastiveConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def adapt(
        self,
        config: ContrastiveConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Tune on fit, choose the reach on validation, tune again on all rows, fit the head.

        Raises:
            DataError: nothing can be learnt from the rows, or none are left for validation.
            RecipeError: training diverged.
            EnvironmentLacks: torch is not installed, or memory does not suffice.
        """
        base = require_base(base, name=job.name)
        require_learnable(data, name=job.name)
        _require_validation(data, name=job.name)
        began = time.perf_counter()
        embedder = Embedder(base, cache=job.cache, emit=job.emit, stage=f"adapt.{job.name}")
        probe = choose_head(
            embedder,
            data,
            grid=PROBE_GRID,
            folds=5,
            label_names=config.label_names,
            rng=job.rng,
            name=job.name,
        )
        work = _Work(config=config, base=base, data=data, probe=probe, encoder=embedder.encoder, job=job)
        choice = work.choose()
        truth = probe.validation.truth
        temperature = fit_temperature(choice.scores, truth)
        work.finish(choice, temperature).save(job.directory)
        return Candidate(
            name=job.name,
            technique="contrastive",
            base=f"{base.name}@{base.revision}",
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(
                seconds=time.perf_counter() - began,
                rows=len(data.fit) + (len(data.validation) if config.refit else 0),
                tokens=work.tokens,
                device=embedder.encoder.device,
            ),
            validation=validation_metrics(softmax(choice.scores, temperature=temperature), truth),
            facts={
                "reach": choice.reach,
                "self_trained": choice.self_trained,
                "epochs": config.epochs,
                "C": config.C if choice.reach else probe.C,
                "label_names": len(probe.names.truth) > 0,
                "temperature": temperature,
                "precision": embedder.precision,
                **{f"log_loss.{name}": loss for name, loss in choice.losses.items()},
            },
            notes=language_notes(base, data)
            + cut_notes(work.cut, work.length)
            + (() if choice.reach else (note("not_tuned"),))
            + ((note("left_out", excluded=work.further.excluded),) if work.further.excluded else ()),
        )


class _Work:
    """The state of one such training."""

    def __init__(
        self,
        *,
        config: ContrastiveConfig,
        base: Base,
        data: TrainingData,
        probe: Fitted,
        encoder: Encoder,
        job: Job,
    ) -> None:
        self.config, self.base, self.data, self.probe, self.job = config, base, data, probe, job
        self.encoder = encoder
        self.frozen: Weights = weights_of(encoder)
        self.classes = len(data.labels)
        self.length = config.max_length or usual_length(encoder, data.fit.inputs)
        self.cut = int((encoder.lengths(data.fit.inputs) > self.length).sum())
        self.further = further_texts(data)
        self.pool = self.further.texts
        self.seed, self.shuffle = integer(job.rng), integer(job.rng)
        self.tokens = 0
        self.done = 0

    def choose(self) -> Choice:
        """Tune on fit alone and look at every reach, with and without self-training."""
        tuned = self._tune([self.data.fit])
        truth = self.probe.validation.truth
        frozen = self.probe.head.scores(self.probe.validation.X)
        found = [(0.0, False, frozen)]
        for reach in sorted(set(self.config.reach) - {0.0}):
            set_between(self.encoder, self.frozen, tuned, alpha=reach)
            head = self._head([self.data.fit], self.config.C)
            seen = self.encoder.encode(self.data.validation.inputs)
            found.append((reach, False, head.scores(seen)))
            if self.pool and self.config.self_training is not False:
                found.append((reach, True, self._self_train([self.data.fit], head).scores(seen)))
        losses = [calibrated_loss(scores, truth) for *_, scores in found]
        allowed = [
            self.config.self_training is not True or trained or not self.pool for _, trained, _ in found
        ]
        best = int(np.where(allowed, losses, np.inf).argmin())
        names = [f"reach {r:g}" + (" self-trained" if s else "") for r, s, _ in found]
        for name, loss in zip(names, losses, strict=True):
            said = f"{name}: validation log-loss {loss:.3f}"
            self.job.emit(Event(stage=f"adapt.{self.job.name}", kind="note", message=said))
        reach, self_trained, scores = found[best]
        return Choice(
            reach=reach,
            self_trained=self_trained,
            scores=scores,
            losses=dict(zip(names, losses, strict=True)),
        )

    def finish(self, choice: Choice, temperature: float) -> EncoderPredictor:
        """The predictor that was chosen, tuned on all rows where a refit is wanted."""
        rows = [self.data.fit, self.data.validation] if self.config.refit else [self.data.fit]
        if choice.reach == 0.0:
            set_between(self.encoder, self.frozen, self.frozen, alpha=0.0)
            head = self.probe.refitted() if self.config.refit else self.probe.head
        else:
            # Without a refit this repeats the tuning on fit bit by bit, instead of keeping its weights.
            set_between(self.encoder, self.frozen, self.frozen, alpha=0.0)
            set_between(self.encoder, self.frozen, self._tune(rows), alpha=choice.reach)
            head = self._head(rows, self.config.C)
            if choice.self_trained:
                head = self._self_train(rows, head)
        self._tell(None)
        return EncoderPredictor(
            classes=self.data.labels,
            encoder=self.encoder,
            weight=head.weight.astype(np.float32),
            bias=head.bias.astype(np.float32),
            temperature=temperature,
        )

    def _tune(self, datasets: list[Dataset]) -> Weights:
        """Train the encoder, which stands at the base, on labelled rows; its weights afterwards."""
        texts, truth = self._rows(datasets)
        rows = Rows(ids=self.encoder.tokenise(texts, max_length=self.length), truth=truth)
        steps = self.config.epochs * -(-len(texts) // self.config.batch_size)
        plan = Plan(
            rate=self.config.rate,
            head_rate=0.0,
            layer_decay=1.0,
            weight_decay=0.01,
            warmup=0.1,
            batch_size=self.config.batch_size,
            label_smoothing=0.0,
            steps=steps,
            stop=steps,
        )
        self.encoder.backbone.requires_grad_(True)
        with repeatable(self.seed):
            train(
                Trainee(self.encoder, self.probe.head),
                rows,
                plan,
                rng=np.random.default_rng(self.shuffle),
                told=lambda step: self._tell((step, steps)),
                loss=supervised_contrastive(self.config.temperature),
                batches=paired_batches(truth),
                name=self.job.name,
            )
        self.encoder.backbone.requires_grad_(False).eval()
        self.tokens += self.config.epochs * sum(len(ids) for ids in rows.ids)
        self.done += 1
        return weights_of(self.encoder)

    def _rows(self, datasets: list[Dataset]) -> tuple[list[str], npt.NDArray[np.intp]]:
        texts, targets = label_rows(self.data) if len(self.probe.names.truth) else ([], [])
        texts = [t for d in datasets for t in d.inputs] + texts
        return texts, codes([t for d in datasets for t in d.targets] + targets, self.data.labels)

    def _head(self, datasets: list[Dataset], C: float) -> Head:
        texts, truth = self._rows(datasets)
        return fit_head(self.encoder.encode(texts), labelled(truth, self.classes), C=C)

    def _self_train(self, datasets: list[Dataset], head: Head) -> Head:
        texts, truth = self._rows(datasets)
        return self_train(
            self.encoder.encode(texts),
            truth,
            self.encoder.encode(self.pool),
            head=head,
            classes=self.classes,
            per_class=self.config.per_class,
            rounds=self.config.rounds,
            C=self.config.C,
        )

    def _tell(self, at: tuple[int, int] | None) -> None:
        """Progress in shares of the trainings that are done; None: the end."""
        trainings = 2
        done = float(trainings) if at is None else self.done + at[0] / at[1]
        told = Event(stage=f"adapt.{self.job.name}", message="tuning", done=done, total=trainings)
        self.job.emit(told)


def supervised_contrastive(temperature: float) -> Loss:
    """−mean over rows i of mean over P(i) of log( exp(zᵢ·zₚ/τ) / Σ_{a≠i} exp(zᵢ·zₐ/τ) ).

    P(i) are the other rows of i's class in the batch; rows without any are left out.

    Args:
        temperature: τ.

    Source: Khosla et al. 2020, "Supervised Contrastive Learning", equation 2.
    """

    def loss(vectors: torch.Tensor, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        import torch

        itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        # A large negative number instead of −∞, whose product with zero has no gradient.
        alike = (vectors @ vectors.T / temperature).masked_fill(itself, -1e9)
        log_share = alike - torch.logsumexp(alike, dim=1, keepdim=True)
        same = (wanted[:, None] == wanted[None]) & ~itself
        count = same.sum(dim=1)
        mean = (log_share * same).sum(dim=1) / count.clamp(min=1)
        return -mean.sum() / (count > 0).sum().clamp(min=1)

    return loss


def paired_batches(truth: npt.NDArray[np.intp]) -> Batches:
    """Batches in which rows come with a partner of their class and of about their length.

    Drawn at random, a row of a task with many classes meets none of its own in a batch, and
    teaches nothing.

    Args:
        truth: class column of every row, shape (n,).
    """

    def batches(
        lengths: Sequence[int], *, rows: int, rng: np.random.Generator
    ) -> Iterator[tuple[list[int], int]]:
        # Lengths with noise: other partners in every epoch, and still little padding.
        key = np.asarray(lengths, dtype=np.float64) + rng.normal(scale=LENGTH_NOISE, size=len(lengths))
        partners: list[list[int]] = []
        for column in np.unique(truth):
            mine = np.flatnonzero(truth == column)
            mine = mine[np.argsort(key[mine], kind="stable")]
            start = int(rng.integers(0, 2))
            cuts = [mine[:start], *(mine[i : i + 2] for i in range(start, len(mine), 2))]
            partners += [cut.tolist() for cut in cuts if len(cut)]
        partners.sort(key=lambda pair: float(key[pair].mean()))
        filled: list[list[int]] = [[]]
        for pair in partners:
            if len(filled[-1]) + len(pair) > rows:
                filled.append([])
            filled[-1] += pair
        for i in rng.permutation(len(filled)):
            batch = filled[int(i)]
            yield batch, -(-max(lengths[r] for r in batch) // LENGTH_STEP) * LENGTH_STEP

    return batches


def _require_validation(data: TrainingData, *, name: str) -> None:
    if not len(data.validation):
        raise DataError(
            "there are no validation rows, so nothing says whether tuning helps",
            where=f"candidates.{name}",
            mend="Leave some rows for validation, or use technique: transfer.",
        )
