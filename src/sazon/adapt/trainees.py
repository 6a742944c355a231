"""From options and data to what the training loop takes: rows, plan, trainee; here and in other processes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sazon.adapt import lora
from sazon.adapt.checkpoints import Checkpoint
from sazon.adapt.head import Fitted, label_rows
from sazon.adapt.measure import codes
from sazon.adapt.processes import Order, Team
from sazon.adapt.softmax_regression import Head
from sazon.adapt.training import Plan, Rows, Trainee, repeatable, train
from sazon.core.types import Dataset, TrainingData
from sazon.models.transformer import LENGTH_STEP, Encoder, Precision

if TYPE_CHECKING:
    from sazon.adapt.finetune import FinetuneConfig


def usual_length(encoder: Encoder, texts: list[str]) -> int:
    """Tokens that 99.5 % of the texts do not exceed, rounded up to a batch's step."""
    usual = float(np.quantile(encoder.lengths(texts), 0.995))
    return min(encoder.max_length, -(-round(usual) // LENGTH_STEP) * LENGTH_STEP)


def training_rows(
    encoder: Encoder, datasets: list[Dataset], data: TrainingData, probe: Fitted, *, length: int
) -> Rows:
    """Tokenised rows, with label names where the probe used them, cut at `length` tokens."""
    texts, truth = labelled_texts(datasets, data, probe)
    return Rows(ids=encoder.tokenise(texts, max_length=length), truth=truth)


def labelled_texts(
    datasets: list[Dataset], data: TrainingData, probe: Fitted
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Texts and class columns, with label names where the probe used them."""
    texts, targets = label_rows(data) if len(probe.names.truth) else ([], [])
    texts = [t for d in datasets for t in d.inputs] + texts
    return texts, codes([t for d in datasets for t in d.targets] + targets, data.labels)


def start(config: FinetuneConfig, encoder: Encoder, head: Head, *, name: str) -> Trainee:
    """The encoder with what is to be trained unlocked, and the probe's head on it.

    Args:
        config: resolved options.
        encoder: is changed.
        head: fitted on the frozen base.
        name: of the candidate, for errors.
    """
    if config.method is not None and config.method != "full":
        lora.attach(
            encoder,
            rank=config.rank,
            alpha=config.alpha,
            targets=config.targets or (),
            name=name,
            method=config.method,
        )
    else:
        for parameter_name, parameter in encoder.backbone.named_parameters():
            parameter.requires_grad_(not (config.freeze_embeddings and "word_embeddings" in parameter_name))
    return Trainee(encoder, head)


def make_plan(config: FinetuneConfig, *, rows: int) -> Plan:
    """Rates and steps of resolved options for so many rows."""
    steps = (config.epochs or 1) * -(-rows // config.batch_size)
    return Plan(
        rate=config.rate or 0.0,
        head_rate=config.head_rate,
        layer_decay=config.layer_decay or 1.0,
        weight_decay=config.weight_decay,
        warmup=config.warmup,
        batch_size=config.batch_size,
        label_smoothing=config.label_smoothing,
        steps=steps,
        stop=steps,
        average=config.ema,
    )


def order_of(
    config: FinetuneConfig,
    rows: Rows,
    plan: Plan,
    head: Head,
    *,
    base: Path,
    precision: Precision,
    seed: int,
    shuffle: int,
    checkpoint: Path,
    name: str,
) -> Order:
    """A training as other processes are told of it.

    Args:
        config: resolved options.
        rows: of all processes together.
        plan: rates and steps.
        head: to start from.
        base: folder of the base, which every process can read.
        precision: of the encoder.
        seed: of everything random but the order of rows.
        shuffle: of the order of rows.
        checkpoint: from which all of them go on, where it exists.
        name: of the candidate.
    """
    facts = {
        "config": config.model_dump_json(),
        "plan": asdict(plan),
        "base": str(base),
        "precision": precision,
        "seed": seed,
        "shuffle": shuffle,
        "checkpoint": str(checkpoint),
        "name": name,
    }
    arrays = {
        "ids": np.array([token for ids in rows.ids for token in ids], dtype=np.int64),
        "lengths": np.array([len(ids) for ids in rows.ids], dtype=np.int64),
        "truth": rows.truth,
        "weight": head.weight,
        "bias": head.bias,
    }
    return Order(facts=facts, arrays=arrays)


def take_part(order: Order, team: Team) -> None:
    """Train together with rank 0, in a process that keeps nothing."""
    import torch

    from sazon.adapt.finetune import FinetuneConfig

    facts, arrays = order.facts, order.arrays
    config = FinetuneConfig.model_validate_json(facts["config"])
    cuts = np.cumsum(arrays["lengths"])[:-1]
    rows = Rows(ids=[ids.tolist() for ids in np.split(arrays["ids"], cuts)], truth=arrays["truth"])
    with repeatable(facts["seed"]):
        encoder = Encoder.load(Path(facts["base"]), precision=facts["precision"])
        head = Head(weight=arrays["weight"], bias=arrays["bias"])
        trainee = start(config, encoder, head, name=facts["name"])
        torch.manual_seed(facts["seed"] + team.rank)  # every process drops other units
        train(
            trainee,
            rows,
            Plan(**facts["plan"]),
            rng=np.random.default_rng(facts["shuffle"]),
            checkpoint=Checkpoint(Path(facts["checkpoint"])),
            team=team,
            name=facts["name"],
        )
