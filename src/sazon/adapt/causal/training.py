"""Supervised fine-tuning of a causal language model through TRL's SFTTrainer, seeded and quiet."""

from __future__ import annotations

import contextlib
import json
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sazon.adapt.causal import adapters
from sazon.adapt.causal.options import Options
from sazon.adapt.causal.rows import IGNORED, Pair, Row, make_rows, usual_length
from sazon.adapt.training import repeatable
from sazon.core import registry
from sazon.core.errors import RecipeError
from sazon.core.run import write_aside
from sazon.models.language_model import LanguageModel
from sazon.models.transformer import quiet_transformers, readable_memory_errors

if TYPE_CHECKING:
    import torch

Loss = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""(logits (rows, length, vocabulary), ids, attention mask, labels, (rows, length) each) → scalar."""
TRIAL = 8
"""Steps that are timed, and undone, to turn a time budget into steps."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One training: how many steps, and after which of them to look up."""

    steps: int
    """Over which the rate falls to zero."""
    seed: int
    name: str
    """Of the candidate, for errors."""
    loss: Loss | None = None
    """None: cross-entropy of the answer's tokens."""
    at_epoch: Callable[[int], bool] = lambda step: True
    """Called after every epoch and at the end; False stops."""
    told: Callable[[int], None] = lambda step: None
    """Called after every step."""


def tune_on(
    model: LanguageModel, pairs: Sequence[Pair], options: Options, *, seed: int, name: str = "sft"
) -> None:
    """Fine-tune a model on (prompt, answer) pairs for `options.epochs`; adapters are merged at the end.

    Args:
        model: is changed in place.
        pairs: from labelled rows, or from recorded answers of another model.
        options: how.
        seed: of the shuffling and of the adapters.
        name: of the candidate, for errors.

    Raises:
        DataError: a row would lose its whole answer at `max_length`.
        RecipeError: unknown adapter targets, or training diverged.
    """
    length = options.max_length or usual_length(model, pairs)
    rows = make_rows(model, pairs, max_length=length, name=name)
    with repeatable(seed):
        start(model, options, name=name)
    steps = options.epochs * -(-len(rows) // options.batch_size)
    train(model, rows, options, Schedule(steps=steps, seed=seed, name=name))
    if options.method == "lora":
        adapters.merge(model, [row.ids for row in rows[:4]])


def start(model: LanguageModel, options: Options, *, name: str) -> None:
    """Unlock what is to be trained: adapters, or all weights."""
    if options.method == "lora":
        adapters.attach(model, options, name=name)
    else:
        model.network.requires_grad_(True)


def train(model: LanguageModel, rows: Sequence[Row], options: Options, schedule: Schedule) -> int:
    """Minimise the loss on the rows; return the step at which it stopped.

    Args:
        model: is changed in place.
        rows: tokens and labels.
        options: rate, decay, batch size.
        schedule: steps, seed, loss and whom to tell.

    Raises:
        RecipeError: the loss is not a number any more.
        EnvironmentLacks: trl is not installed, or memory does not suffice.
    """
    watch = _watch(schedule)
    cached = model.network.config.use_cache
    with _undisturbed(schedule.seed), quiet_transformers(), tempfile.TemporaryDirectory() as scratch:
        with readable_memory_errors(options.batch_size):
            trainer = _trainer(model, rows, options, schedule, Path(scratch))
            trainer.add_callback(watch)
            trainer.train()
        step = int(trainer.state.global_step)
        # The trainer wraps the forward of what it trains; adapters and weights are the model's own.
        model.network = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        model.network.config.use_cache = cached
        model.network.eval()
    return step


def snapshot(model: LanguageModel) -> dict[str, Any]:
    """A copy of all numbers that training changes."""
    return {k: p.detach().clone() for k, p in model.network.named_parameters() if p.requires_grad}


def restore(model: LanguageModel, held: dict[str, Any]) -> None:
    """Go back to a snapshot."""
    import torch

    named = dict(model.network.named_parameters())
    with torch.no_grad():
        for name, value in held.items():
            named[name].copy_(value)


def affordable_steps(
    model: LanguageModel,
    rows: Sequence[Row],
    options: Options,
    schedule: Schedule,
    *,
    share: float,
    cache: Path,
) -> int:
    """Steps that the time budget allows, measured once, kept in `cache` and replayed.

    Args:
        model: is left as it was.
        rows: as for `train`.
        options: with a budget.
        schedule: whose steps are the most.
        share: steps of the whole work over steps of this training (the refit comes later).
        cache: file that keeps the answer.
    """
    if options.budget is None:
        return schedule.steps
    if not cache.is_file():
        before, ticks = snapshot(model), []
        trial = Schedule(
            steps=min(TRIAL, max(2, schedule.steps)),
            seed=schedule.seed,
            name=schedule.name,
            loss=schedule.loss,
            told=lambda step: ticks.append(time.perf_counter()),
        )
        train(model, rows, options, trial)
        restore(model, before)
        # The first step allocates and is not like the others.
        seconds = float(np.median(np.diff(ticks)))
        affordable = max(1, int(options.budget.minutes * 60 / (seconds * share)))
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_aside(cache, json.dumps({"steps": affordable, "seconds_per_step": seconds}))
    return min(schedule.steps, int(json.loads(cache.read_text("utf-8"))["steps"]))


def _trainer(
    model: LanguageModel, rows: Sequence[Row], options: Options, schedule: Schedule, scratch: Path
) -> Any:
    try:
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import SFTConfig, SFTTrainer
    except ModuleNotFoundError as error:
        raise registry.lacking(error.name or "trl", purpose="a causal language model") from error

    class Trainer(SFTTrainer):  # type: ignore[misc]
        """SFTTrainer with the loss asked for, and an end to training that diverges."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """The loss of a batch; raises RecipeError where it is not a number."""
            if schedule.loss is None:
                found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            else:
                ids, mask, labels = (inputs[k] for k in ("input_ids", "attention_mask", "labels"))
                logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
                found = schedule.loss(logits, ids, mask, labels)
            loss = found[0] if isinstance(found, tuple) else found
            if not math.isfinite(float(loss.detach())):
                raise _diverged(options, schedule, self.state.global_step + 1)
            return found

    on_gpu = model.device == "cuda"
    arguments = SFTConfig(
        output_dir=str(scratch),
        use_cpu=not on_gpu,
        bf16=on_gpu,
        activation_checkpointing=on_gpu,
        per_device_train_batch_size=options.batch_size,
        max_steps=schedule.steps,
        learning_rate=options.rate,
        weight_decay=options.weight_decay,
        warmup_steps=max(1, round(options.warmup * schedule.steps)),
        lr_scheduler_type="linear",
        label_smoothing_factor=options.label_smoothing,
        seed=schedule.seed,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = Trainer(
        model=model.network,
        args=arguments,
        train_dataset=Dataset.from_list([{"input_ids": row.ids, "labels": row.labels} for row in rows]),
        processing_class=model.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _watch(schedule: Schedule) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Tells of steps, and looks up after epochs."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            schedule.told(state.global_step)

        def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
            model.eval()
            if not schedule.at_epoch(state.global_step):
                control.should_training_stop = True
            model.train()

    return Watch()


def _diverged(options: Options, schedule: Schedule, step: int) -> RecipeError:
    return RecipeError(
        f"training diverged at step {step}: the loss is not a number",
        where=f"candidates.{schedule.name}.rate",
        mend=f"Try rate: {options.rate / 3:.1g}.",
    )


@contextlib.contextmanager
def _undisturbed(seed: int) -> Iterator[None]:
    """Train repeatably; the trainer seeds every generator, so the caller's are put back."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with repeatable(seed):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)  # noqa: NPY002


def answer_tokens(rows: Sequence[Row]) -> int:
    """Tokens that bear a loss."""
    return sum(label != IGNORED for row in rows for label in row.labels)
