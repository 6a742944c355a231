"""Distillation of one causal language model into a smaller one, token by token.

λ·CE(y, s) + (1−λ)·T²·KL(softmax(z_teacher/T) ‖ softmax(z_student/T)), mean over the answer's tokens.
Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sazon import models
from sazon.adapt.causal.candidate import adapt_causal
from sazon.adapt.causal.options import Options
from sazon.adapt.causal.rows import IGNORED
from sazon.adapt.causal.training import Loss
from sazon.core.errors import RecipeError
from sazon.core.seams import Base, Job
from sazon.core.types import Candidate, TrainingData
from sazon.models.causal import CausalPredictor
from sazon.models.language_model import LanguageModel

if TYPE_CHECKING:
    import torch


def distil_causal(
    options: Options,
    *,
    teacher: Candidate,
    gold: float,
    temperature: float,
    base: Base,
    data: TrainingData,
    job: Job,
) -> Candidate:
    """Train a smaller causal base on the labels and on a causal teacher's logits.

    Args:
        options: how the student is trained.
        teacher: a candidate whose predictor is a causal language model.
        gold: λ in [0, 1], share of the true answers in the loss.
        temperature: T > 0, how much both are softened when they are compared.
        base: of the student; it takes the teacher's chat template.
        data: fit and validation rows.
        job: where, seed, progress.

    Raises:
        RecipeError: the teacher is no causal language model, or has another vocabulary.
    """
    model = teacher_model(teacher, name=job.name)

    def check(student: LanguageModel) -> None:
        require_shared_vocabulary(model, student, name=job.name)
        # Both must read the same tokens at the same places, or there is nothing to compare.
        student.tokenizer.chat_template = model.tokenizer.chat_template
        student.end, student.own_template = model.end, model.own_template

    return adapt_causal(
        options,
        base=base,
        data=data,
        job=job,
        technique="distill",
        parents=(teacher.name,),
        loss=followed(model, gold=gold, temperature=temperature),
        prepare=check,
    )


def teacher_model(teacher: Candidate, *, name: str) -> LanguageModel:
    """The language model of a teacher candidate.

    Raises:
        RecipeError: it is none.
    """
    predictor = models.load(teacher)
    if not isinstance(predictor, CausalPredictor):
        raise RecipeError(
            f"the teacher {teacher.name!r} is no causal language model, so it has no logits of tokens",
            where=f"candidates.{name}.teacher",
            mend="Name a finetune candidate with a causal base, or choose another student.",
        )
    return predictor.model


def require_shared_vocabulary(teacher: LanguageModel, student: LanguageModel, *, name: str) -> None:
    """Refuse a student that reads other tokens than its teacher.

    Raises:
        RecipeError: with the number of tokens that differ.
    """
    theirs, ours = teacher.tokenizer.get_vocab(), student.tokenizer.get_vocab()
    if theirs != ours:
        differ = len(set(theirs.items()) ^ set(ours.items()))
        raise RecipeError(
            f"teacher and student have different vocabularies ({differ} tokens differ)",
            where=f"candidates.{name}.base",
            mend="Use bases of one family, e.g. two sizes of the same model.",
        )


def followed(teacher: LanguageModel, *, gold: float, temperature: float) -> Loss:
    """The loss that follows a teacher, which reads every batch itself."""
    import torch

    def loss(
        logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        with torch.no_grad():
            told = teacher.network(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return distil_loss(logits, told, labels, gold=gold, temperature=temperature)

    return loss


def distil_loss(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, *, gold: float, temperature: float
) -> torch.Tensor:
    """λ·CE + (1−λ)·T²·KL, mean over the answer's tokens, in nats.

    Networks of one family may pad their vocabulary to different sizes: the KL is over the columns
    that both have.

    Args:
        student: logits, shape (rows, length, vocabulary).
        teacher: logits, shape (rows, length, vocabulary).
        labels: shape (rows, length), −100 where there is no loss; position t is told by logits t−1.
        gold: λ in [0, 1].
        temperature: T > 0.
    """
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    wanted = labels[:, 1:]
    kept = wanted != IGNORED
    s, t = student[:, :-1][kept].float(), teacher[:, :-1][kept].float()
    shared = min(s.shape[-1], t.shape[-1])
    ours = log_softmax(s[:, :shared] / temperature, dim=-1)
    theirs = log_softmax(t[:, :shared] / temperature, dim=-1)
    soft = kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return gold * cross_entropy(s, wanted[kept]) + (1 - gold) * temperature**2 * soft
