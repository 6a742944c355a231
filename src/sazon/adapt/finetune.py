"""Fine-tuning: the whole encoder, or low-rank adapters beside it, starting from the probe's head."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sazon.adapt import lora
from sazon.adapt.checks import cut_notes, language_notes, note, require_base, require_learnable
from sazon.adapt.config import Budget, Switch
from sazon.adapt.head import Fitted, choose_head
from sazon.adapt.measure import training_cost, validation_metrics
from sazon.adapt.tuning import clear_checkpoints, tune
from sazon.adapt.unknown import ClassifierConfig
from sazon.core import digest
from sazon.core.config import refuse
from sazon.core.errors import RecipeError
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, Floats, Phrase, TrainingData
from sazon.models.embed import Embedder
from sazon.models.language_model import is_causal
from sazon.models.softmax import softmax

Facts = dict[str, str | float | int | bool | None]
PROBE_GRID = (10.0, 30.0)
"""Penalties tried for the head that tuning starts from."""


def _share(given: object) -> object:
    """A whole number as a float: 0 and False are equal, but not alike."""
    return float(given) if type(given) is int else given


Reach = Annotated[Annotated[float, Field(ge=0, le=1)] | Literal["auto", False], BeforeValidator(_share)]


class FinetuneConfig(ClassifierConfig):
    """Options of a fine-tuned candidate."""

    base: str
    """Name of the base model, under `models:`."""
    method: lora.Method | None = None
    """Train all layers (full), or adapters of this kind that are merged at the end; None: full for an
    encoder, lora for a causal language model, which takes no others."""
    epochs: int | None = Field(default=None, ge=1, le=200)
    """At most so many passes over the rows; None: 4 up to 1,500 rows, 6 from 5,000 on; for a
    causal model 3."""
    budget: Budget | None = None
    """Time for training and refit together; turned once into steps, which are recorded."""
    rate: float | None = Field(default=None, gt=0, le=0.1)
    """Peak learning rate of the last layer; None: 3e-4 up to 1,500 rows, 1e-4 from 5,000 on, for adapters
    as the method wants it (lora 1e-3); for a causal model 2e-5, for lora 2e-4."""
    head_rate: float = Field(default=1e-3, gt=0, le=1)
    """Peak learning rate of the head."""
    layer_decay: float | None = Field(default=None, gt=0, le=1)
    """Factor on the rate for every layer further from the head; None: 1 up to 1,500 rows,
    0.9 from 5,000 on."""
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    """AdamW's decay of matrices (not of biases and norms)."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the rate rises."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Rows of one step."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability spread over all classes in the targets."""
    max_length: int | None = Field(default=None, ge=8, le=8192)
    """Tokens of a text seen in training; None: enough for 99.5 % of the training texts, for a
    causal model prompt and answer of all of them."""
    freeze_embeddings: bool | None = None
    """Leave the word table as it is, half the parameters of a small encoder; None: above 1,500 rows."""
    patience: int = Field(default=3, ge=1, le=200)
    """Epochs without a better validation result after which training stops."""
    rank: int = Field(default=16, ge=1, le=512)
    """Rank of the adapters."""
    alpha: float = Field(default=32.0, gt=0)
    """Scale of the adapters, divided by the rank."""
    targets: list[str] | None = Field(default=None, min_length=1)
    """Names of the linear layers that get adapters; None: query, key, value and dense, in a causal
    model all of them."""
    load_in: Literal["4bit", "8bit"] | None = None
    """Hold the weights of a causal model in fewer bits while adapters are trained (bitsandbytes)."""
    label_names: Switch = "auto"
    """Label names and descriptions as extra training rows; auto: up to 20 rows a class."""
    seeds: int = Field(default=1, ge=1, le=20)
    """Trainings from so many seeds; the best on validation is kept, and their spread is said."""
    interpolate: Reach = False
    """Share α of the way from the base's weights to the tuned ones that is gone, the head fitted anew
    there; auto: 0.5, 0.75 or 1, as validation says; false: all of it. Only for method: full."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Keep a moving average of the weights with this share of the past, e.g. 0.99; None: the weights."""
    processes: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = 1
    """Processes that share every batch; auto: one for each GPU. Under torchrun all of its processes."""
    refit: bool = True
    """Train once more, for as many steps as were best, on fit and validation together."""

    @model_validator(mode="after")
    def _whole_models_only(self) -> Self:
        if self.interpolate is not False and self.method not in (None, "full"):
            raise refuse(
                f"weights of method: {self.method} are not interpolated",
                "Use method: full, or set interpolate: false and a smaller alpha.",
            )
        return self


def require_encoder_task(config: FinetuneConfig, data: TrainingData, *, name: str) -> None:
    """Refuse what an encoder cannot do.

    Raises:
        RecipeError: the task is to write text, or the weights are wanted in fewer bits.
    """
    mend = "Name a base whose config.json says ForCausalLM."
    if data.task == "generate":
        raise RecipeError("an encoder cannot write text", where=f"candidates.{name}.base", mend=mend)
    if config.load_in is not None:
        raise RecipeError("only a causal base takes load_in", where=f"candidates.{name}.load_in", mend=mend)


class Finetune:
    """LP-FT with layer-wise rates, early stopping on validation and a final refit on all rows."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[FinetuneConfig]] = FinetuneConfig
    tasks: ClassVar[tuple[str, ...]] = ("classify", "generate")
    """What it can learn; to generate it needs a causal base."""

    def parents(self, config: FinetuneConfig) -> tuple[str, ...]:
        """None."""
        return ()

    def adapt(
        self,
        config: FinetuneConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Fit the probe, tune on fit, choose the step on validation, tune again on all rows.

        Raises:
            DataError: nothing can be learnt from the rows.
            RecipeError: unknown adapter targets, or training diverged.
            EnvironmentLacks: torch or peft is not installed, or memory does not suffice.
        """
        base = require_base(base, name=job.name)
        if is_causal(base.path):
            from sazon.adapt.causal import Options, adapt_causal

            return adapt_causal(Options.of(config, name=job.name), base=base, data=data, job=job)
        require_encoder_task(config, data, name=job.name)
        require_learnable(data, name=job.name)
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
        tuned = tune(config, embedder.encoder, base, data, probe, job)
        tuned.predictor.save(job.directory)
        clear_checkpoints(tuned)
        compared = compare(probe, tuned.scores)
        return Candidate(
            name=job.name,
            technique="finetune",
            base=f"{base.name}@{base.revision}",
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(
                seconds=time.perf_counter() - began + tuned.seconds_before,
                rows=tuned.rows,
                tokens=tuned.tokens,
                device=embedder.encoder.device,
            ),
            validation=validation_metrics(
                softmax(tuned.scores, temperature=tuned.predictor.temperature), probe.validation.truth
            ),
            facts={"method": config.method or "full"} | tuned.facts | compared,
            notes=language_notes(base, data) + cut_notes(tuned.cut, tuned.training_length) + _said(compared),
        )


def compare(probe: Fitted, scores: Floats) -> Facts:
    """The tuned model beside the frozen probe on the same validation rows.

    Args:
        probe: the head on the frozen base, trained on fit alone.
        scores: logits of the tuned model trained on fit alone, shape (n, classes).
    """
    truth = probe.validation.truth
    if len(truth) == 0:
        return {"beats_probe": None}
    frozen = probe.on_validation().argmax(axis=1) == truth
    tuned = scores.argmax(axis=1) == truth
    return {
        "probe_accuracy": float(frozen.mean()),
        "tuned_accuracy": float(tuned.mean()),
        "only_tuned_right": int((tuned & ~frozen).sum()),
        "only_probe_right": int((frozen & ~tuned).sum()),
        "beats_probe": bool(tuned.mean() > frozen.mean()),
    }


def _said(compared: Facts) -> tuple[Phrase, ...]:
    if compared["beats_probe"] is not False:
        return ()
    return (
        note(
            "tuning_lost",
            tuned_accuracy=compared["tuned_accuracy"],
            probe_accuracy=compared["probe_accuracy"],
        ),
    )
