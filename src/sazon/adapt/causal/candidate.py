"""A causal candidate: tune on fit, choose the step on validation, tune again on all rows, merge, measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from sazon.adapt.causal import adapters
from sazon.adapt.causal.options import Options
from sazon.adapt.causal.rows import Pair, Row, make_rows, pairs_of, usual_length
from sazon.adapt.causal.training import (
    Loss,
    Schedule,
    affordable_steps,
    answer_tokens,
    restore,
    snapshot,
    start,
    train,
)
from sazon.adapt.checks import cut_notes, language_notes, require_learnable
from sazon.adapt.measure import NO_VALIDATION, codes, fit_temperature, training_cost, validation_metrics
from sazon.adapt.training import repeatable
from sazon.core import digest
from sazon.core.events import Event
from sazon.core.rng import integer
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, Estimate, Floats, TrainingData
from sazon.models.causal import CausalPredictor
from sazon.models.language_model import LanguageModel
from sazon.models.softmax import softmax

Prepare = Callable[[LanguageModel], None]
Facts = dict[str, str | float | int | bool | None]
ROOM = 1.5
"""An answer in free text may be so many times as long as the longest one learnt from."""


@dataclass(kw_only=True)
class _Work:
    """One candidate in the making, and what was seen on the way."""

    options: Options
    base: Base
    data: TrainingData
    job: Job
    loss: Loss | None
    prepare: Prepare
    seed: int
    length: int = 0
    best: int = 0
    """Step that is best on validation."""
    facts: Facts = field(default_factory=dict)

    def load(self) -> LanguageModel:
        """The base, unlocked for training, from the same random adapters every time."""
        model = LanguageModel.load(self.base.path, load_in=self.options.load_in)
        self.prepare(model)
        with repeatable(self.seed):
            start(model, self.options, name=self.job.name)
        return model

    @property
    def refits(self) -> bool:
        """Whether it is trained once more on fit and validation together."""
        return self.options.refit and len(self.data.validation) > 0

    def schedule(self, steps: int) -> Schedule:
        """A training of so many steps."""
        return Schedule(steps=steps, seed=self.seed, name=self.job.name, loss=self.loss)

    def told(self, done: int, total: int) -> None:
        """Progress in steps."""
        event = Event(stage=f"adapt.{self.job.name}", message="tuning", done=min(done, total), total=total)
        self.job.emit(event)


def adapt_causal(
    options: Options,
    *,
    base: Base,
    data: TrainingData,
    job: Job,
    technique: str = "finetune",
    parents: tuple[str, ...] = (),
    loss: Loss | None = None,
    prepare: Prepare = lambda model: None,
) -> Candidate:
    """Fine-tune a causal base on the rows; the task says whether it writes text or chooses a label.

    What is reported of validation was measured on the model trained on fit alone.

    Args:
        options: how it is trained.
        base: a causal language model.
        data: fit and validation rows; `task` decides how the candidate answers.
        job: where, seed, progress.
        technique: what made it, for the candidate.
        parents: candidates it was made of.
        loss: None: cross-entropy of the answer's tokens.
        prepare: is called with every model as loaded.

    Raises:
        DataError: nothing can be learnt from the rows, or one would lose its whole answer.
        RecipeError: unknown adapter targets, or training diverged.
        IntegrityError: merging the adapters changed the model.
        EnvironmentLacks: a package is not installed, or memory does not suffice.
    """
    require_learnable(data, name=job.name)
    began = time.perf_counter()
    work = _Work(
        options=options, base=base, data=data, job=job, loss=loss, prepare=prepare, seed=integer(job.rng)
    )
    model = work.load()
    pairs = pairs_of(data.fit, data.validation)
    work.length = options.max_length or usual_length(model, pairs)
    every = make_rows(model, pairs, max_length=work.length, name=job.name)
    fit = every[: len(data.fit)]
    model = _finished(work, _chosen(work, model, fit, every), every)
    predictor, validation = _measured(work, model)
    if work.refits:
        predictor.model = _finished(work, _refitted(work, fit, every), every)
    predictor.save(job.directory)
    return Candidate(
        name=job.name,
        technique=technique,
        parents=parents,
        base=f"{base.name}@{base.revision}",
        artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
        training=training_cost(
            seconds=time.perf_counter() - began,
            rows=len(every if work.refits else fit),
            tokens=_tokens_seen(work, fit, every),
            device=model.device,
        ),
        validation=validation,
        facts=work.facts | {"refit": work.refits, "temperature": predictor.temperature},
        notes=language_notes(base, data) + cut_notes(sum(row.cut for row in fit), work.length),
    )


def _chosen(work: _Work, model: LanguageModel, fit: list[Row], every: list[Row]) -> LanguageModel:
    """Train on fit; return the model as it was after the epoch of the lowest validation loss."""
    options, job, held = work.options, work.job, pairs_of(work.data.validation)
    share = 1 + (len(every) / len(fit) if work.refits else 0)
    steps = _planned_steps(work, model, fit, share=share)
    looks: list[tuple[float, int]] = []
    kept = {}

    def look(step: int) -> bool:
        if not held:
            return True
        loss = _validation_loss(model, held)
        said = f"step {step}: validation loss {loss:.3f} nats an answer"
        job.emit(Event(stage=f"adapt.{job.name}", kind="note", message=said))
        if not looks or loss < min(looks)[0]:
            kept["best"] = snapshot(model)
        looks.append((loss, step))
        return len(looks) - 1 - looks.index(min(looks)) < options.patience

    before = _validation_loss(model, held) if held else None
    total = round(steps * share)
    schedule = replace(work.schedule(steps), at_epoch=look, told=lambda step: work.told(step, total))
    last = train(model, fit, options, schedule)
    after, work.best = min(looks) if looks else (None, last)
    if looks:
        restore(model, kept["best"])
    work.facts = _facts(work, model, fit, planned=steps) | {"loss_before": before, "loss_after": after}
    return model


def _planned_steps(work: _Work, model: LanguageModel, fit: list[Row], *, share: float) -> int:
    """Steps of the epochs asked for, or of the time budget where that is less."""
    options, job = work.options, work.job
    most = work.schedule(options.epochs * -(-len(fit) // options.batch_size))
    key = digest.of_json(
        {"job": job.name, "options": repr(options), "base": work.base.revision, "rows": len(fit)}
    )
    kept = job.cache / "budget" / f"{key[:16]}.json"
    return affordable_steps(model, fit, options, most, share=share, cache=kept)


def _facts(work: _Work, model: LanguageModel, fit: list[Row], *, planned: int) -> Facts:
    return {
        "method": work.options.method,
        "task": work.data.task,
        "template": "own" if model.own_template else "plain",
        "steps_planned": planned,
        "steps": work.best,
        "epochs": round(work.best * work.options.batch_size / len(fit), 2),
        "rate": work.options.rate,
        "seed": work.seed,
        "max_length": work.length,
        "answer_tokens": answer_tokens(fit),
    }


def _tokens_seen(work: _Work, fit: list[Row], every: list[Row]) -> int:
    """Tokens of all steps together, those of the refit included."""
    epochs = work.best * work.options.batch_size / len(fit)
    once = sum(len(row.ids) for row in fit) + work.refits * sum(len(row.ids) for row in every)
    return round(epochs * once)


def _refitted(work: _Work, fit: list[Row], every: list[Row]) -> LanguageModel:
    """Train afresh on all rows; the rate falls to zero where the refit stops."""
    model = work.load()
    steps = max(1, round(work.best * len(every) / len(fit)))
    planned = int(str(work.facts["steps_planned"]))
    schedule = replace(work.schedule(steps), told=lambda step: work.told(planned + step, planned + steps))
    train(model, every, work.options, schedule)
    return model


def _finished(work: _Work, model: LanguageModel, rows: list[Row]) -> LanguageModel:
    """The model with its adapters stored beside it and merged into weights of full precision."""
    if work.options.method == "full":
        model.network.requires_grad_(False).eval()
        return model
    adapters.save_adapter(model, work.job.directory, work.base)
    if work.options.load_in is not None:
        model = LanguageModel.load(work.base.path)
        work.prepare(model)
        adapters.load_adapter(model, work.job.directory, work.base)
    adapters.merge(model, [row.ids for row in rows[:4]])
    return model


def _measured(work: _Work, model: LanguageModel) -> tuple[CausalPredictor, dict[str, Estimate]]:
    """The predictor and its metrics on validation."""
    data, held = work.data, work.data.validation
    if data.task == "generate":
        answers = model.answer_ids([p.answer for p in pairs_of(data.fit, held)])
        predictor = CausalPredictor(
            model=model,
            classes=(),
            temperature=1.0,
            new_tokens=min(round(ROOM * max(len(a) for a in answers)), model.longest // 2),
        )
        return predictor, _written(predictor, work)
    predictor = CausalPredictor(model=model, classes=data.labels, temperature=1.0, new_tokens=0)
    scores = predictor.scores(held.inputs)
    truth = codes(held.targets, data.labels)
    predictor.temperature = fit_temperature(scores, truth)
    return predictor, dict(validation_metrics(softmax(scores, temperature=predictor.temperature), truth))


def _written(predictor: CausalPredictor, work: _Work) -> dict[str, Estimate]:
    """Share of validation answers that are the target to the letter, and the loss of the targets."""
    from sazon.stats.proportions import proportion

    held = work.data.validation
    if not len(held):
        return {
            "accuracy": Estimate.none(NO_VALIDATION, unit="share", n=0),
            "log_loss": Estimate.none(NO_VALIDATION, unit="nats", n=0),
        }
    told = predictor.predict(held.inputs).labels
    right = sum(a == b for a, b in zip(told, held.targets, strict=True))
    loss = Estimate(
        value=_validation_loss(predictor.model, pairs_of(held)), unit="nats", method="mean", n=len(held)
    )
    return {"accuracy": proportion(right, len(held)), "log_loss": loss}


def _validation_loss(model: LanguageModel, pairs: list[Pair]) -> float:
    """Mean −log p(answer | prompt), nats."""
    prompts = model.prompt_ids([p.prompt for p in pairs])
    losses: Floats = -model.log_likelihoods(prompts, model.answer_ids([p.answer for p in pairs]))
    return float(np.mean(losses))
