"""A moving average of the weights: steadier than the last step, at no cost when answering."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sazon.adapt.training import Trainee


class MovingAverage:
    """θ̄ₜ = βₜ·θ̄ₜ₋₁ + (1 − βₜ)·θₜ with βₜ = min(β, (1 + t)/(10 + t)), so that the start is soon forgotten.

    Source: Tarvainen & Valpola 2017, "Mean teachers are better role models", section 2; the
    warm-up of β as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, trainee: Trainee, beta: float) -> None:
        """Start at the trainee's weights."""
        self.trainee, self.beta = trainee, beta
        self.held = trainee.snapshot()

    def take_in(self, step: int) -> None:
        """Move towards the weights after step `step` (from 1)."""
        import torch

        beta = min(self.beta, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, parameter in self.trainee.trained().items():
                self.held[name].lerp_(parameter.detach(), 1 - beta)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the trainee have the averaged weights for a while."""
        own = self.trainee.snapshot()
        self.trainee.restore(self.held)
        try:
            yield
        finally:
            self.trainee.restore(own)
