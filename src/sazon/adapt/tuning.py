"""Tune on fit, choose seed, step and reach on validation, tune again on all rows."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sazon.adapt import lora
from sazon.adapt.checkpoints import Checkpoint
from sazon.adapt.defaults import resolve
from sazon.adapt.head import Fitted, label_rows
from sazon.adapt.interpolation import set_between, weights_of
from sazon.adapt.looks import Look, Looks
from sazon.adapt.measure import calibrated_loss, fit_temperature
from sazon.adapt.processes import Company, Team, company, wanted_processes
from sazon.adapt.softmax_regression import Head, fit_head, labelled
from sazon.adapt.trainees import labelled_texts, make_plan, order_of, start, training_rows, usual_length
from sazon.adapt.training import Plan, Rows, Trainee, repeatable, seconds_per_step, train
from sazon.core import digest
from sazon.core.events import Event
from sazon.core.rng import integer
from sazon.core.run import write_aside
from sazon.core.seams import Base, Job
from sazon.core.types import Floats, TrainingData
from sazon.models.encoder import EncoderPredictor
from sazon.models.transformer import Encoder

if TYPE_CHECKING:
    from sazon.adapt.finetune import FinetuneConfig

Facts = dict[str, str | float | int | bool | None]
REACH = (0.5, 0.75, 1.0)
"""α that `interpolate: auto` chooses from."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A tuned predictor and what was seen on the way."""

    predictor: EncoderPredictor
    scores: Floats
    """Logits on validation of the model trained on fit alone, shape (n, classes)."""
    rows: int
    """Rows that the final model was trained on."""
    tokens: int
    """Tokens seen in training, all passes together."""
    cut: int
    """Fit texts longer than `training_length`."""
    training_length: int
    seconds_before: float
    """Training time of the processes that were cut short."""
    checkpoints: Path
    """Folder to remove when the predictor is safe."""
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One training on fit: its seeds, its best look, and the steps it took."""

    seed: int
    shuffle: int
    best: Look
    ran: int


def tune(
    config: FinetuneConfig, encoder: Encoder, base: Base, data: TrainingData, probe: Fitted, job: Job
) -> Tuned:
    """Fine-tune a base from the probe's head.

    Args:
        config: the options.
        encoder: the base as loaded for the probe; it is changed.
        base: from which further seeds and the refit start afresh.
        data: fit and validation rows.
        probe: the head fitted on the frozen base.
        job: streams, cache and progress.
    """
    with company(config.processes) as others:
        return _Work(config, encoder, base, data, probe, job, others).done()


class _Work:
    """The state of one fine-tuning."""

    def __init__(
        self,
        config: FinetuneConfig,
        encoder: Encoder,
        base: Base,
        data: TrainingData,
        probe: Fitted,
        job: Job,
        others: Company | None,
    ) -> None:
        self.base, self.data, self.probe, self.job, self.others = base, data, probe, job, others
        self.precision = encoder.precision
        self.length = config.max_length or usual_length(encoder, data.fit.inputs)
        self.cut = int((encoder.lengths(data.fit.inputs) > self.length).sum())
        self._warn_of_cutting()
        self.fit = training_rows(encoder, [data.fit], data, probe, length=self.length)
        self.every = self.fit
        if config.refit and len(data.validation):
            self.every = training_rows(encoder, [data.fit, data.validation], data, probe, length=self.length)
        self.config = resolve(config, rows=len(self.fit.ids))
        self.seeds = [(integer(job.rng), integer(job.rng)) for _ in range(config.seeds)]
        self.frozen = weights_of(encoder) if self.config.interpolate is not False else {}
        self.waiting: list[Encoder] = [encoder]
        """The base as it was loaded, for the first training."""
        self.folder = job.cache / "checkpoints" / self._key()[:16]
        self.seconds_before = 0.0
        self.refits = self.every is not self.fit
        self.share = len(self.every.ids) / len(self.fit.ids) if self.refits else 0.0
        self.plan = make_plan(self.config, rows=len(self.fit.ids))
        if self.config.budget is not None:
            self.plan = self._within_budget(self.config.budget.minutes)

    def done(self) -> Tuned:
        """Choose on validation, then make the final model."""
        attempts = [self._attempt(i) for i in range(len(self.seeds))]
        best = max(attempts, key=lambda a: (a.best.accuracy, -a.best.loss))
        trainee = self._restored(best)
        scores, alpha = best.best.scores, 1.0
        if self.config.interpolate is not False:
            scores, alpha = self._choose_reach(trainee, best)
        steps = 0
        if self.refits:
            # The rate falls to zero where the refit stops, however early the best step was.
            steps = max(1, round(best.best.step * self.share))
            plan = replace(self.plan, steps=steps, stop=steps)
            begun = len(self.seeds) * self.plan.steps
            trainee, _ = self._train("all", self.every, plan, best.seed, best.shuffle, begun=begun)
        self._tell(None)
        if self.config.method != "full":
            lora.merge(trainee.encoder, self.data.fit.inputs[:8])
        head = trainee.head()
        if alpha != 1.0:
            head = self._between(trainee, weights_of(trainee.encoder), alpha, refit=self.refits)
        temperature = fit_temperature(scores, self.probe.validation.truth)
        seen = sum(a.ran for a in attempts) + steps
        return Tuned(
            predictor=_predictor(trainee.encoder, head, self.data.labels, temperature),
            scores=scores,
            rows=len(self.data.fit) + (len(self.data.validation) if self.refits else 0),
            tokens=round(seen * self.plan.batch_size / len(self.fit.ids) * sum(map(len, self.fit.ids))),
            cut=self.cut,
            training_length=self.length,
            seconds_before=self.seconds_before,
            checkpoints=self.folder,
            facts=self._facts(attempts, best, alpha) | {"temperature": temperature},
        )

    # ------------------------------------------------------------------ trainings

    def _attempt(self, i: int) -> Attempt:
        """Train on fit from seed number `i`."""
        seed, shuffle = self.seeds[i]
        truth, looks = self.probe.validation.truth, []

        def look_at(trainee: Trainee) -> Looks:
            looks.append(
                Looks(
                    trainee,
                    self.data.validation.inputs,
                    truth,
                    patience=self.config.patience,
                    said=self._note,
                )
            )
            return looks[0]

        begun = i * self.plan.steps
        trainee, ran = self._train(
            f"fit-{i}", self.fit, self.plan, seed, shuffle, begun=begun, look_at=look_at
        )
        if looks[0].seen:
            return Attempt(seed=seed, shuffle=shuffle, best=looks[0].best, ran=ran)
        none = np.zeros((0, len(self.data.labels)))
        unseen = Look(step=ran, accuracy=0.0, loss=0.0, scores=none, held=trainee.snapshot())
        return Attempt(seed=seed, shuffle=shuffle, best=unseen, ran=ran)

    def _train(
        self,
        name: str,
        rows: Rows,
        plan: Plan,
        seed: int,
        shuffle: int,
        *,
        begun: int,
        look_at: Callable[[Trainee], Looks] | None = None,
    ) -> tuple[Trainee, int]:
        """One training from the base, or from its checkpoint; the model and the steps it took."""
        with repeatable(seed):
            trainee = start(self.config, self._encoder(), self.probe.head, name=self.job.name)
            looks = None if look_at is None else look_at(trainee)
            checkpoint = Checkpoint(self.folder / f"{name}.safetensors", memory=looks)
            if checkpoint.path.is_file():
                self._note(f"going on from a checkpoint of {name}")
            with self._team(rows, plan, seed, shuffle, checkpoint) as team:
                ran = train(
                    trainee,
                    rows,
                    plan,
                    rng=np.random.default_rng(shuffle),
                    at_epoch=looks or (lambda step: True),
                    told=lambda step: self._tell(begun + step),
                    checkpoint=checkpoint,
                    team=team,
                    name=self.job.name,
                )
        self.seconds_before += checkpoint.seconds_before
        return trainee, ran

    @contextlib.contextmanager
    def _team(
        self, rows: Rows, plan: Plan, seed: int, shuffle: int, checkpoint: Checkpoint
    ) -> Iterator[Team | None]:
        """The other processes at the same training; None where there are none."""
        if self.others is None:
            yield None
            return
        order = order_of(
            self.config,
            rows,
            plan,
            self.probe.head,
            base=self.base.path,
            precision=self.precision,
            seed=seed,
            shuffle=shuffle,
            checkpoint=checkpoint.path,
            name=self.job.name,
        )
        with self.others.team(order) as team:
            yield team

    def _encoder(self) -> Encoder:
        """The base, untouched."""
        if self.waiting:
            return self.waiting.pop()
        return Encoder.load(self.base.path, precision=self.precision)

    def _restored(self, attempt: Attempt) -> Trainee:
        """The model of an attempt at its best step."""
        with repeatable(attempt.seed):
            trainee = start(self.config, self._encoder(), self.probe.head, name=self.job.name)
        trainee.restore(attempt.best.held)
        return trainee

    # -------------------------------------------------------------- interpolation

    def _choose_reach(self, trainee: Trainee, best: Attempt) -> tuple[Floats, float]:
        """Logits on validation of the α that was asked for, or has the least calibrated log-loss; and α."""
        asked, truth = self.config.interpolate, self.probe.validation.truth
        tuned = weights_of(trainee.encoder)
        found = []
        for alpha in REACH if asked == "auto" and len(truth) else (1.0 if asked == "auto" else asked,):
            scores = best.best.scores
            if alpha != 1.0:
                head = self._between(trainee, tuned, alpha, refit=False)
                scores = head.scores(trainee.encoder.encode(self.data.validation.inputs))
            loss = calibrated_loss(scores, truth) if len(truth) else 0.0
            self._note(f"interpolation {alpha:g}: validation log-loss {loss:.3f}")
            found.append((loss, scores, float(alpha)))
        set_between(trainee.encoder, self.frozen, tuned, alpha=1.0)
        _, scores, alpha = min(found, key=lambda one: one[0])
        return scores, alpha

    def _between(self, trainee: Trainee, tuned: Any, alpha: float, *, refit: bool) -> Head:
        """Put the encoder at θ(α); the head that is fitted there."""
        set_between(trainee.encoder, self.frozen, tuned, alpha=alpha)
        datasets = [self.data.fit, self.data.validation] if refit else [self.data.fit]
        texts, truth = labelled_texts(datasets, self.data, self.probe)
        vectors = trainee.encoder.encode(texts)
        return fit_head(vectors, labelled(truth, len(self.data.labels)), C=self.probe.C)

    # ------------------------------------------------------------------ bookkeeping

    def _within_budget(self, minutes: float) -> Plan:
        """The plan with as many steps as the time allows: measured once, kept in the cache and replayed."""
        asked = self.config.model_dump()
        said = {"job": self.job.name, "config": asked, "revision": self.base.revision}
        key = digest.of_json(said | {"rows": len(self.fit.ids)})
        path = self.job.cache / "budget" / f"{key[:16]}.json"
        if not path.is_file():
            seed, _ = self.seeds[0]
            with repeatable(seed):
                fresh = Encoder.load(self.base.path, precision=self.precision)
                trainee = start(self.config, fresh, self.probe.head, name=self.job.name)
                seconds = seconds_per_step(trainee, self.fit, self.plan, name=self.job.name)
            affordable = int(minutes * 60 / (seconds * (len(self.seeds) + self.share)))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_aside(path, json.dumps({"steps": max(1, affordable), "seconds_per_step": seconds}))
        steps = min(self.plan.steps, int(json.loads(path.read_text("utf-8"))["steps"]))
        return replace(self.plan, steps=steps, stop=steps)

    def _key(self) -> str:
        """Digest of everything that decides the numbers in a checkpoint."""
        import torch

        return digest.of_json(
            {
                "format": 1,
                "torch": torch.__version__,
                "name": self.job.name,
                "config": self.config.model_dump(),
                "length": self.length,
                "precision": self.precision,
                "base": self.base.revision,
                "seeds": self.seeds,
                "head": digest.of_bytes(self.probe.head.weight.tobytes() + self.probe.head.bias.tobytes()),
                "rows": [self.data.fit.digest, self.data.validation.digest, list(self.data.labels)],
                "label_names": len(self.probe.names.truth) and label_rows(self.data),
            }
        )

    def _facts(self, attempts: list[Attempt], best: Attempt, alpha: float) -> Facts:
        per_epoch = -(-len(self.fit.ids) // self.plan.batch_size)
        facts: Facts = {
            "steps_planned": self.plan.steps,
            "steps": best.best.step,
            "epochs": round(best.best.step / per_epoch, 2),
            "epochs_planned": round(self.plan.steps / per_epoch, 2),
            "rate": self.plan.rate,
            "layer_decay": self.plan.layer_decay,
            "freeze_embeddings": bool(self.config.freeze_embeddings),
            "seed": best.seed,
            "refit": self.refits,
            "precision": self.precision,
            "max_length": self.length,
        }
        if self.config.interpolate is not False:
            facts["interpolation"] = alpha
        if self.others is not None:
            facts["processes"] = wanted_processes(self.config.processes)
        if len(attempts) > 1:
            found = [a.best.accuracy for a in attempts]
            known = len(self.probe.validation.truth) > 0
            facts["seeds"] = len(attempts)
            facts["seed_accuracy_mean"] = float(np.mean(found)) if known else None
            facts["seed_accuracy_sd"] = float(np.std(found, ddof=1)) if known else None
        return facts

    def _warn_of_cutting(self) -> None:
        """Say before any training how many texts are not read to their end."""
        if self.cut:
            share = self.cut / len(self.data.fit)
            self._note(
                f"{self.cut} training texts ({share:.1%}) are longer than {self.length} tokens; "
                "what follows is not read"
            )

    def _note(self, said: str) -> None:
        self.job.emit(Event(stage=f"adapt.{self.job.name}", kind="note", message=said))

    def _tell(self, step: int | None) -> None:
        """Progress in steps; None means the end, which early stopping reaches before the last step."""
        total = self.plan.steps * (len(self.seeds) + self.share)
        done = total if step is None else min(step, total)
        self.job.emit(Event(stage=f"adapt.{self.job.name}", message="tuning", done=done, total=total))


def clear_checkpoints(tuned: Tuned) -> None:
    """Remove what the finished candidate does not need any more."""
    shutil.rmtree(tuned.checkpoints, ignore_errors=True)


def _predictor(encoder: Encoder, head: Head, labels: tuple[str, ...], temperature: float) -> EncoderPredictor:
    return EncoderPredictor(
        classes=labels,
        encoder=encoder,
        weight=head.weight.astype(np.float32),
        bias=head.bias.astype(np.float32),
        temperature=temperature,
    )
