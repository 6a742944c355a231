"""Tune on fit, choose the step on validation, tune again on all rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sazon.adapt import lora
from sazon.adapt.head import Fitted, label_rows
from sazon.adapt.measure import codes, fit_temperature
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
    refit = config.refit and len(data.validation) > 0
    every = training_rows(encoder, [data.fit, data.validation], data, probe, length=length) if refit else fit
    seed, shuffle = integer(job.rng), integer(job.rng)
    with repeatable(seed):
        trainee = start(config, encoder, probe, name=job.name)
        plan = make_plan(config, trainee, fit, every if refit else None, job, revision=base.revision)
        longer = len(every.ids) / len(fit.ids)
        told = _teller(job, total=plan.steps * (1 + longer) if refit else plan.steps)
        scores, best = choose_step(trainee, fit, data, probe, plan, shuffle=shuffle, told=told, job=job,
                                   patience=config.patience)
    if refit:
        fresh = Encoder.load(base.path, precision=encoder.precision)
        again = replace(plan, steps=round(plan.steps * longer), stop=max(1, round(best * longer)))
        with repeatable(seed):
            trainee = start(config, fresh, probe, name=job.name)
            done = lambda step: told(plan.steps + step)  # noqa: E731 - one expression, used once
            train(trainee, every, again, rng=np.random.default_rng(shuffle), told=done, name=job.name)
            told(plan.steps + again.steps)
    if config.method == "lora":
        lora.merge(trainee.encoder, data.fit.inputs[:8])
    head = trainee.head()
    temperature = fit_temperature(scores, probe.validation.truth)
    passes = (best + (round(best * longer) if refit else 0)) * config.batch_size / len(fit.ids)
    return Tuned(
        predictor=EncoderPredictor(
            classes=data.labels,
            encoder=trainee.encoder,
            weight=head.weight.astype(np.float32),
            bias=head.bias.astype(np.float32),
            temperature=temperature,
        ),
        scores=scores,
        rows=len(data.fit) + (len(data.validation) if refit else 0),
        tokens=round(passes * sum(len(row) for row in fit.ids)),
        cut=int((encoder.lengths(data.fit.inputs) > length).sum()),
        training_length=length,
        facts=_facts(plan, best, len(fit.ids), seed) | {
            "temperature": temperature, "refit": refit, "precision": encoder.precision, "max_length": length,
        },
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
    config: FinetuneConfig, trainee: Trainee, fit: Rows, refit: Rows | None, job: Job, *, revision: str
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
    key = digest.of_json({"job": job.name, "config": config.model_dump(), "revision": revision, "rows": len(fit.ids)})
    path = job.cache / "budget" / f"{key[:16]}.json"
    if not path.is_file():
        seconds = seconds_per_step(trainee, fit, plan, name=job.name)
        share = 1 + (len(refit.ids) / len(fit.ids) if refit else 0)
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
    best: tuple[tuple[float, float], int, Floats, dict[str, Any]] | None = None
    worse = 0

    def look(step: int) -> bool:
        nonlocal best, worse
        if len(truth) == 0:
            return True
        scores = trainee.head().scores(trainee.encoder.encode(data.validation.inputs))
        found = _quality(scores, truth)
        said = f"step {step}: validation accuracy {found[0]:.1%}, log-loss {-found[1]:.3f}"
        job.emit(Event(stage=f"adapt.{job.name}", kind="note", message=said))
        if best is None or found > best[0]:
            best, worse = (found, step, scores, trainee.snapshot()), 0
        else:
            worse += 1
        return worse < patience

    rng = np.random.default_rng(shuffle)
    last = train(trainee, fit, plan, rng=rng, at_epoch=look, told=told, name=job.name)
    told(plan.steps)
    if best is None:
        return np.zeros((0, len(data.labels))), last
    trainee.restore(best[3])
    return best[2], best[1]


def _quality(scores: Floats, truth: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Accuracy, then minus log-loss: the greater pair is the better model."""
    from sazon.adapt.measure import row_losses

    probabilities = softmax(scores)
    right = float((probabilities.argmax(axis=1) == truth).mean())
    return right, -float(row_losses(probabilities, truth).mean())


def _teller(job: Job, *, total: float) -> Callable[[int], None]:
    def told(step: int) -> None:
        job.emit(Event(stage=f"adapt.{job.name}", message="tuning", done=min(step, total), total=total))

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
