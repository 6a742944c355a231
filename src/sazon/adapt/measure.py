"""What a trained candidate reports of itself: validation metrics and what training took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sazon.core.types import Estimate, Floats, TrainingCost
from sazon.models.power import assumed_energy
from sazon.models.softmax import softmax

NO_VALIDATION = "there are no validation rows"


def codes(targets: Sequence[str], classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """Column of each target's class."""
    column = {label: i for i, label in enumerate(classes)}
    return np.array([column[t] for t in targets], dtype=np.intp)


def validation_metrics(probabilities: Floats, truth: npt.NDArray[np.intp]) -> Mapping[str, Estimate]:
    """Accuracy and log-loss of probabilities (n, classes) against class columns (n,)."""
    from sazon.stats.proportions import proportion

    n = len(truth)
    if n == 0:
        none = Estimate.none(NO_VALIDATION, unit="share", n=0)
        return {"accuracy": none, "log_loss": Estimate.none(NO_VALIDATION, unit="nats", n=0)}
    right = int((probabilities.argmax(axis=1) == truth).sum())
    losses = row_losses(probabilities, truth)
    half = 1.96 * float(losses.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    mean = float(losses.mean())
    log_loss = Estimate(
        value=mean,
        low=None if half is None else max(0.0, mean - half),
        high=None if half is None else mean + half,
        unit="nats",
        method="mean with normal interval",
        n=n,
    )
    return {"accuracy": proportion(right, n), "log_loss": log_loss}


def row_losses(probabilities: Floats, truth: npt.NDArray[np.intp]) -> Floats:
    """−log p of the true class, row by row."""
    held = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.maximum(held, 1e-12)), dtype=np.float64)


def fit_temperature(scores: npt.NDArray[np.floating], truth: npt.NDArray[np.intp]) -> float:
    """The T that minimises n·log-loss(softmax(scores/T)) + ½·(log T)²; 1 where there are no rows.

    The second term is a standard normal prior on log T: without it a validation set without
    a single error would drive T to zero and every confidence to one.

    Args:
        scores: shape (n, classes), of rows the model was not trained on.
        truth: column of the true class, shape (n,).

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    if len(truth) == 0:
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        losses = row_losses(softmax(scores, temperature=math.exp(log_temperature)), truth)
        return float(losses.sum()) + 0.5 * log_temperature**2

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded")
    return math.exp(float(found.x))


def training_cost(*, seconds: float, rows: int, tokens: int | None, device: str) -> TrainingCost:
    """Seconds and an assumed energy: watts of the busy hardware times the time.

    kWh = seconds · watts / 3.6e6, watts = threads · watts per core, or the accelerator's.
    """
    energy = assumed_energy(seconds, device=device)
    return TrainingCost(seconds=seconds, rows=rows, tokens=tokens, energy_kwh=energy, device=device)


def calibrated_loss(scores: npt.NDArray[np.floating], truth: npt.NDArray[np.intp]) -> float:
    """Mean log-loss of softmax(scores/T) at the T of `fit_temperature`."""
    shares = softmax(scores, temperature=fit_temperature(scores, truth))
    return float(row_losses(shares, truth).mean())
