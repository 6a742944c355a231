"""Tune on fit, choose the step on validation, tune again on all rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sazon.adapt import lora
from sazon.adapt.head import Fitted, label_rows
from sazon.adapt.measure import codes, fit_temperature, row_losses
from sazon.adapt.training import Plan, Rows, Trainee, repeatable, seconds_per_step, train
from sazon.core import digest
from sazon.core.events import Event
from sazon.core.rng import integer
from sazon.core.run import write_aside
from sazon.core.seams import Base, Job
from sazon.core.types import Dataset, Floats, TrainingData
from sazon.models.encoder import EncoderPredictor
from sazon.models.softmax import softmax
from sazon.models.transformer import LENGTH_STEP, Encoder

if TYPE_CHECKING:
    from sazon.adapt.finetune import FinetuneConfig

MANY_ROWS, FEW_ROWS = 5000, 1500
MANY_EPOCHS, FEW_EPOCHS = 6, 12
"""Epochs where the recipe names none: few rows are seen more often."""
RATE = {"full": 1e-4, "lora": 1e-3}
"""Adapters want about ten times the rate of full tuning (TRL, "LoRA without regret")."""


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
    facts: dict[str, str | float | int | bool | None]


def tune(
    config: FinetuneConfig, encoder: Encoder, base: Base, data: TrainingData, probe: Fitted, job: Job
) -> Tuned:
    """Fine-tune a base from the probe's head.

    Args:
        config: the options.
        encoder: the base as loaded for the probe; it is changed.
        base: from which the refit starts afresh.
        data: fit and validation rows.
        probe: the head fitted on the frozen base.
        job: streams, cache and progress.
    """
    length = config.max_length or usual_length(encoder, data.fit.inputs)
    fit = training_rows(encoder, [data.fit], data, probe, length=length)
    every = fit
    if config.refit and len(data.validation):
        every = training_rows(encoder, [data.fit, data.validation], data, probe, length=length)
    seed, shuffle = integer(job.rng), integer(job.rng)
    with repeatable(seed):
        trainee = start(config, encoder, probe, name=job.name)
        plan = make_plan(config, trainee, fit, every, job, revision=base.revision)
        told = _teller(
            job, total=plan.steps * (1 + (len(every.ids) / len(fit.ids) if every is not fit else 0))
        )
        scores, best = choose_step(
            trainee, fit, data, probe, plan, shuffle=shuffle, told=told, job=job, patience=config.patience
        )
    seen = best
    if every is not fit:
        # The rate falls to zero where the refit stops, however early the best step was.
        steps = max(1, round(best * len(every.ids) / len(fit.ids)))
        fresh = Encoder.load(base.path, precision=encoder.precision)
        with repeatable(seed):
            trainee = start(config, fresh, probe, name=job.name)
            train(
                trainee,
                every,
                replace(plan, steps=steps, stop=steps),
                rng=np.random.default_rng(shuffle),
                told=lambda step: told(plan.steps + step),
                name=job.name,
            )
        seen += steps
    told(None)
    if config.method == "lora":
        lora.merge(trainee.encoder, data.fit.inputs[:8])
    temperature = fit_temperature(scores, probe.validation.truth)
    facts = _facts(plan, best, len(fit.ids), seed) | {"refit": every is not fit, "temperature": temperature}
    return Tuned(
        predictor=_predictor(trainee, data.labels, temperature),
        scores=scores,
        rows=len(data.fit) + (len(data.validation) if every is not fit else 0),
        tokens=round(seen * config.batch_size / len(fit.ids) * sum(len(row) for row in fit.ids)),
        cut=int((encoder.lengths(data.fit.inputs) > length).sum()),
        training_length=length,
        facts=facts | {"precision": encoder.precision, "max_length": length},
    )


def _predictor(trainee: Trainee, labels: tuple[str, ...], temperature: float) -> EncoderPredictor:
    head = trainee.head()
    return EncoderPredictor(
        classes=labels,
        encoder=trainee.encoder,
        weight=head.weight.astype(np.float32),
        bias=head.bias.astype(np.float32),
        temperature=temperature,
    )


def usual_length(encoder: Encoder, texts: list[str]) -> int:
    """Tokens that 99.5 % of the texts do not exceed, rounded up to a batch's step."""
    usual = float(np.quantile(encoder.lengths(texts), 0.995))
    return min(encoder.max_length, -(-round(usual) // LENGTH_STEP) * LENGTH_STEP)


def training_rows(
    encoder: Encoder, datasets: list[Dataset], data: TrainingData, probe: Fitted, *, length: int
) -> Rows:
    """Tokenised rows, with label names where the probe used them, cut at `length` tokens."""
    texts, targets = label_rows(data) if len(probe.names.truth) else ([], [])
    texts = [t for d in datasets for t in d.inputs] + texts
    targets = [t for d in datasets for t in d.targets] + targets
    return Rows(ids=encoder.tokenise(texts, max_length=length), truth=codes(targets, data.labels))


def start(config: FinetuneConfig, encoder: Encoder, probe: Fitted, *, name: str) -> Trainee:
    """The encoder with what is to be trained unlocked, and the probe's head on it."""
    if config.method == "lora":
        lora.attach(encoder, rank=config.rank, alpha=config.alpha, targets=config.targets, name=name)
    else:
        for parameter_name, parameter in encoder.backbone.named_parameters():
            parameter.requires_grad_(not (config.freeze_embeddings and "word_embeddings" in parameter_name))
    return Trainee(encoder, probe.head)


def make_plan(
    config: FinetuneConfig, trainee: Trainee, fit: Rows, every: Rows, job: Job, *, revision: str
) -> Plan:
    """Rates and steps; a time budget is measured once, kept in the cache and replayed."""
    per_epoch = -(-len(fit.ids) // config.batch_size)
    few = float(np.clip((MANY_ROWS - len(fit.ids)) / (MANY_ROWS - FEW_ROWS), 0, 1))
    epochs = config.epochs or round(MANY_EPOCHS + few * (FEW_EPOCHS - MANY_EPOCHS))
    rate = config.rate or RATE[config.method]
    plan = Plan(
        rate=rate,
        head_rate=config.head_rate,
        layer_decay=config.layer_decay if config.method == "full" else 1.0,
        weight_decay=config.weight_decay,
        warmup=config.warmup,
        batch_size=config.batch_size,
        label_smoothing=config.label_smoothing,
        steps=epochs * per_epoch,
        stop=epochs * per_epoch,
    )
    if config.budget is None:
        return plan
    key = digest.of_json(
        {"job": job.name, "config": config.model_dump(), "revision": revision, "rows": len(fit.ids)}
    )
    path = job.cache / "budget" / f"{key[:16]}.json"
    if not path.is_file():
        seconds = seconds_per_step(trainee, fit, plan, name=job.name)
        share = 1 + (len(every.ids) / len(fit.ids) if every is not fit else 0)
        affordable = int(config.budget.minutes * 60 / (seconds * share))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, json.dumps({"steps": max(1, affordable), "seconds_per_step": seconds}))
    steps = min(plan.steps, int(json.loads(path.read_text("utf-8"))["steps"]))
    return replace(plan, steps=steps, stop=steps)


def choose_step(
    trainee: Trainee,
    fit: Rows,
    data: TrainingData,
    probe: Fitted,
    plan: Plan,
    *,
    shuffle: int,
    told: Callable[[int], None],
    job: Job,
    patience: int,
) -> tuple[Floats, int]:
    """Train on fit; leave the trainee at the epoch that is best on validation.

    Returns:
        its logits on validation, shape (n, classes), and its step.
    """
    truth = probe.validation.truth
    seen: list[Look] = []

    def look(step: int) -> bool:
        if len(truth) == 0:
            return True
        scores = trainee.head().scores(trainee.encoder.encode(data.validation.inputs))
        accuracy, loss = _quality(scores, truth)
        said = f"step {step}: validation accuracy {accuracy:.1%}, log-loss {loss:.3f}"
        job.emit(Event(stage=f"adapt.{job.name}", kind="note", message=said))
        seen.append(Look(step=step, accuracy=accuracy, loss=loss, scores=scores, held=trainee.snapshot()))
        best = _best(seen, n=len(truth))
        for other in seen:
            if other is not best:
                other.held.clear()  # one copy of the weights is enough
        return len(seen) - 1 - seen.index(best) < patience

    rng = np.random.default_rng(shuffle)
    last = train(trainee, fit, plan, rng=rng, at_epoch=look, told=told, name=job.name)
    if not seen:
        return np.zeros((0, len(data.labels))), last
    best = _best(seen, n=len(truth))
    trainee.restore(best.held)
    return best.scores, best.step


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """The model after an epoch, as validation sees it."""

    step: int
    accuracy: float
    loss: float
    scores: Floats
    held: dict[str, Any]
    """Copy of its numbers, empty where a better one was found."""


def _best(seen: list[Look], *, n: int) -> Look:
    """The latest whose accuracy on `n` rows is within half a standard error of the highest.

    Smaller differences are noise, and a later epoch has the lower learning rate.
    """
    highest = max(look.accuracy for look in seen)
    margin = 0.5 * math.sqrt(highest * (1 - highest) / n)
    return [look for look in seen if look.accuracy >= highest - margin][-1]


def _quality(scores: Floats, truth: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Accuracy and log-loss."""
    probabilities = softmax(scores)
    right = float((probabilities.argmax(axis=1) == truth).mean())
    return right, float(row_losses(probabilities, truth).mean())


def _teller(job: Job, *, total: float) -> Callable[[int | None], None]:
    """Progress in steps; None means the end, which early stopping reaches before the last step."""

    def told(step: int | None) -> None:
        done = total if step is None else min(step, total)
        job.emit(Event(stage=f"adapt.{job.name}", message="tuning", done=done, total=total))

    return told


def _facts(plan: Plan, best: int, rows: int, seed: int) -> dict[str, str | float | int | bool | None]:
    per_epoch = -(-rows // plan.batch_size)
    return {
        "steps_planned": plan.steps,
        "steps": best,
        "epochs": round(best / per_epoch, 2),
        "rate": plan.rate,
        "seed": seed,
    }
