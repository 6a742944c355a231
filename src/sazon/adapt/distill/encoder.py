"""The transformer student: some layers of an encoder, trained on a lesson."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sazon.adapt.distill.lesson import Lesson
from sazon.adapt.distill.mixture import Mixture
from sazon.adapt.distill.table import goals, softened
from sazon.adapt.softmax_regression import fit_head
from sazon.adapt.trainees import usual_length
from sazon.adapt.training import Loss, Plan, Rows, Trainee, repeatable, train
from sazon.core.errors import RecipeError
from sazon.core.types import Floats
from sazon.models.encoder import EncoderPredictor
from sazon.models.transformer import Encoder

if TYPE_CHECKING:
    import torch

    from sazon.adapt.distill.config import DistillConfig


def evenly_spread(layers: int, kept: int) -> list[int]:
    """Indices of `kept` of `layers` layers: evenly spread, the last one always among them.

    Source: Jiao et al. 2020, "TinyBERT", section 3.1: student layer m learns teacher layer m·N/M.
    """
    return [(i + 1) * layers // kept - 1 for i in range(kept)]


RATE = 1e-4
"""Peak learning rate where the recipe names none."""


def shorten(encoder: Encoder, kept: int, *, name: str) -> None:
    """Leave an encoder only some of its layers.

    Raises:
        RecipeError: it has fewer layers, or none that can be told apart.
    """
    import torch

    backbone = encoder.backbone
    depth = int(getattr(backbone.config, "num_hidden_layers", 0))
    stacks = [
        (module, attribute, child)
        for module in backbone.modules()
        for attribute, child in module.named_children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == depth
    ]
    if len(stacks) != 1 or kept > depth:
        raise RecipeError(
            f"the encoder has {depth} layers, so {kept} of them cannot be kept"
            if len(stacks) == 1
            else "the layers of this encoder cannot be told apart",
            where=f"candidates.{name}.layers",
            mend=f"Choose layers: {max(1, depth // 2)} or fewer, or another base.",
        )
    module, attribute, layers = stacks[0]
    chosen = evenly_spread(depth, kept)
    setattr(module, attribute, torch.nn.ModuleList(layers[i] for i in chosen))
    backbone.config.num_hidden_layers = kept
    if getattr(backbone.config, "layer_types", None):
        backbone.config.layer_types = [backbone.config.layer_types[i] for i in chosen]


def train_encoder(
    config: DistillConfig,
    encoder: Encoder,
    lesson: Lesson,
    labels: tuple[str, ...],
    *,
    vectors: Floats | None,
    seed: int,
    told: Callable[[int, int], None],
    name: str,
) -> EncoderPredictor:
    """Fit a head on the shortened encoder, then tune both on the lesson.

    Args:
        config: the options.
        encoder: already shortened; it is changed.
        lesson: the rows.
        labels: order of the columns.
        vectors: the teacher's unit vectors of the rows, shape (n, width), where they are followed.
        seed: of the order of the rows and of dropout.
        told: is called with steps done and steps in all.
        name: of the candidate, for errors.

    Raises:
        RecipeError: training diverged.
        EnvironmentLacks: memory does not suffice.
    """
    mixture = Mixture.of(config)
    wanted = goals(mixture, lesson, len(labels))
    head = fit_head(encoder.encode(lesson.texts), *wanted, C=mixture.C, steps=100)
    steps = config.epochs * -(-len(lesson) // config.batch_size)
    rate = config.rate or RATE
    plan = Plan(
        rate=rate,
        head_rate=max(1e-3, rate),
        layer_decay=1.0,
        weight_decay=0.01,
        warmup=0.1,
        batch_size=config.batch_size,
        label_smoothing=0.0,
        steps=steps,
        stop=steps,
    )
    ids = encoder.tokenise(lesson.texts, max_length=usual_length(encoder, lesson.texts))
    for parameter_name, parameter in encoder.backbone.named_parameters():
        parameter.requires_grad_("word_embeddings" not in parameter_name)
    with repeatable(seed):
        trainee = Trainee(encoder, head)
        train(
            trainee,
            # The loss is told which row it is by its number, in place of its class.
            Rows(ids=ids, truth=np.arange(len(lesson), dtype=np.intp)),
            plan,
            rng=np.random.default_rng(seed),
            told=lambda step: told(step, steps),
            loss=distillation_loss(config, lesson, vectors, device=encoder.device),
            name=name,
        )
    encoder.backbone.requires_grad_(False).eval()
    last = trainee.head()
    return EncoderPredictor(
        classes=labels,
        encoder=encoder,
        weight=last.weight.astype(np.float32),
        bias=last.bias.astype(np.float32),
        temperature=1.0,
    )


def distillation_loss(
    config: DistillConfig, lesson: Lesson, vectors: Floats | None, *, device: str = "cpu"
) -> Loss:
    """λ·CE(truth, s) + (1−λ)·T²·KL(teacher at T ‖ s/T) [+ w·(1 − cos)], the mean over a batch.

    The first term counts on labelled rows, the others as much as the teacher is followed. The
    function takes row numbers of the lesson in place of classes.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    import torch
    from torch.nn import functional

    mixture = Mixture.of(config)
    T, gold = mixture.temperature, mixture.gold
    soft = torch.from_numpy(softened(lesson, T)).float().to(device)
    follow = torch.from_numpy(lesson.follow).float().to(device)
    truth = torch.from_numpy(lesson.truth.astype(np.int64)).to(device)
    wanted = None if vectors is None else torch.from_numpy(vectors).float().to(device)

    def loss(found: torch.Tensor, scores: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        hard = functional.cross_entropy(scores, truth[rows], ignore_index=-1, reduction="none")
        apart = functional.kl_div(
            functional.log_softmax(scores / T, dim=1), soft[rows], reduction="none"
        ).sum(dim=1)
        total = gold * hard + (1 - gold) * T**2 * follow[rows] * apart
        if wanted is not None:
            cosine = functional.cosine_similarity(found, wanted[rows], dim=1)
            total = total + config.vectors * follow[rows] * (1 - cosine)
        return total.mean()

    return loss


def has_layers(predictor: Any) -> bool:
    """Whether a predictor is built on an encoder."""
    return isinstance(getattr(predictor, "encoder", None), Encoder)


def encoder_of(predictors: Sequence[Any], *, name: str) -> Encoder:
    """The encoder of the first teacher that has one.

    Raises:
        RecipeError: none has.
    """
    for predictor in predictors:
        if has_layers(predictor):
            found: Encoder = predictor.encoder
            return found
    raise RecipeError(
        "no teacher has layers that a transformer student could start from",
        where=f"candidates.{name}.teacher",
        mend="Name a finetune or transfer candidate as teacher, or give base.",
    )


def own_copy(encoder: Encoder) -> Encoder:
    """The same encoder with weights of its own, so that its teacher stays as it is."""
    twin = copy.copy(encoder)
    twin.backbone = copy.deepcopy(encoder.backbone)
    return twin
