"""What validation says of a model after every epoch, and which epoch to keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sazon.adapt.checkpoints import part_of
from sazon.adapt.measure import row_losses
from sazon.adapt.training import Trainee
from sazon.core.types import Floats
from sazon.models.softmax import softmax

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """The model after an epoch, as validation sees it."""

    step: int
    accuracy: float
    loss: float
    scores: Floats
    """Logits on validation, shape (n, classes); nothing where a better look was found."""
    held: dict[str, Any]
    """Copy of the model's numbers, empty where a better look was found."""


class Looks:
    """Looks at a trainee after each epoch and keeps the best; the memory of its checkpoints."""

    def __init__(
        self,
        trainee: Trainee,
        inputs: list[str],
        truth: npt.NDArray[np.intp],
        *,
        patience: int,
        said: Callable[[str], None],
    ) -> None:
        """Look at nothing yet.

        Args:
            trainee: the model.
            inputs: validation texts.
            truth: their class columns, shape (n,).
            patience: epochs without a better look after which training stops.
            said: takes a sentence on each look.
        """
        self.trainee, self.inputs, self.truth = trainee, inputs, truth
        self.patience, self.said = patience, said
        self.seen: list[Look] = []

    def __call__(self, step: int) -> bool:
        """Look; whether to go on."""
        if len(self.truth) == 0:
            return True
        scores = self.trainee.head().scores(self.trainee.encoder.encode(self.inputs))
        accuracy, loss = quality(scores, self.truth)
        self.said(f"step {step}: validation accuracy {accuracy:.1%}, log-loss {loss:.3f}")
        held = self.trainee.snapshot()
        self.seen.append(Look(step=step, accuracy=accuracy, loss=loss, scores=scores, held=held))
        best = self.best
        for other in self.seen:
            if other is not best:
                other.held.clear()  # one copy of the weights is enough
        return len(self.seen) - 1 - self.seen.index(best) < self.patience

    @property
    def best(self) -> Look:
        """The latest whose accuracy is within half a standard error of the highest.

        Smaller differences are noise, and a later epoch has the lower learning rate.
        """
        highest = max(look.accuracy for look in self.seen)
        margin = 0.5 * math.sqrt(highest * (1 - highest) / len(self.truth))
        return [look for look in self.seen if look.accuracy >= highest - margin][-1]

    def remember(self) -> tuple[Mapping[str, Any], Mapping[str, torch.Tensor]]:
        """All looks, with the weights and scores of the best."""
        import torch

        looks = [{"step": s.step, "accuracy": s.accuracy, "loss": s.loss} for s in self.seen]
        if not self.seen:
            return {"looks": looks}, {}
        tensors = {f"best/{name}": value for name, value in self.best.held.items()}
        return {"looks": looks}, tensors | {"scores": torch.from_numpy(self.best.scores)}

    def recall(self, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Take back what `remember` gave."""
        none = np.zeros((0, 0))
        self.seen = [Look(**look, scores=none, held={}) for look in facts["looks"]]
        if self.seen:
            best = self.best
            scores = tensors["scores"].numpy().copy()
            found = Look(
                step=best.step,
                accuracy=best.accuracy,
                loss=best.loss,
                scores=scores,
                held=part_of(tensors, "best"),
            )
            self.seen[self.seen.index(best)] = found


def quality(scores: Floats, truth: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Accuracy and log-loss."""
    probabilities = softmax(scores)
    right = float((probabilities.argmax(axis=1) == truth).mean())
    return right, float(row_losses(probabilities, truth).mean())
