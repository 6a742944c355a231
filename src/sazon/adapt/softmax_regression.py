"""Multinomial logistic regression with soft targets, dense or sparse, by L-BFGS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sazon.core.types import Floats


@dataclass(frozen=True, kw_only=True)
class Head:
    """A linear classifier: weight (classes, features) and bias (classes,)."""

    weight: Floats
    bias: Floats

    def scores(self, X: Any) -> Floats:
        """X·Wᵀ + b, shape (n, classes)."""
        return np.asarray(X @ self.weight.T + self.bias, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Class probabilities wanted of each row, and how much they count."""

    targets: Floats
    """Shape (n, classes), rows summing to 1."""
    weights: Floats | None = None
    """Weight of each row, shape (n,); 1 where not given."""
    temperature: float = 1.0
    """Divides the scores; the loss is multiplied by its square."""

    def loss(self, scores: Floats) -> tuple[float, Floats]:
        """T²·Σ w·CE(targets, softmax(scores/T)) and its gradient by the scores (n, classes)."""
        scaled = scores / self.temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        log_norm = np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        losses = self.temperature**2 * (self.targets * (log_norm - scaled)).sum(axis=1)
        slope = self.temperature * (np.exp(scaled - log_norm) - self.targets)
        if self.weights is None:
            return float(losses.sum()), np.asarray(slope)
        return float(self.weights @ losses), np.asarray(self.weights[:, None] * slope)


def fit_head(X: Any, *goals: Goal, C: float, start: Head | None = None, steps: int = 300) -> Head:
    """Minimise C · Σ over goals of their loss on softmax(W·x + b), + ½‖W‖², the bias unpenalised.

    Args:
        X: rows, shape (n, features), dense or scipy sparse.
        goals: what is wanted of the rows; one of hard labels is plain logistic regression, one
            of hard labels and one of a teacher's probabilities is distillation.
        C: inverse strength of the penalty, as in scikit-learn.
        start: where to begin (a solution for another C saves most of the work).
        steps: at most this many L-BFGS iterations.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    features, (n, classes) = X.shape[1], goals[0].targets.shape
    cut = classes * features
    transposed = X.T.tocsr() if hasattr(X, "tocsr") else X.T
    # Divided by C·n, so that one stopping tolerance serves every C and n.
    scale = 1.0 / (C * n)

    def objective(flat: Floats) -> tuple[float, Floats]:
        W, b = flat[:cut].reshape(features, classes), flat[cut:]
        scores = np.asarray(X @ W.astype(X.dtype), dtype=np.float64) + b
        found = [goal.loss(scores) for goal in goals]
        residual = sum((r for _, r in found[1:]), start=found[0][1])
        slope = np.asarray(transposed @ residual.astype(X.dtype), dtype=np.float64)
        value = scale * (C * sum(loss for loss, _ in found) + 0.5 * float(flat[:cut] @ flat[:cut]))
        gradient = np.concatenate([(scale * (C * slope + W)).ravel(), scale * C * residual.sum(axis=0)])
        return value, gradient

    first = np.zeros(cut + classes)
    if start is not None:
        first = np.concatenate([start.weight.T.ravel(), start.bias])
    options = {"maxiter": steps, "gtol": 1e-5, "ftol": 1e-9}
    # Thousands of products of small matrices: threads spend more time meeting than multiplying,
    # a hundred times more where another program wants a core.
    with threadpool_limits(1, user_api="blas"):
        found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
    return Head(weight=found.x[:cut].reshape(features, classes).T.copy(), bias=found.x[cut:])


def labelled(truth: npt.NDArray[np.intp], classes: int) -> Goal:
    """The goal of hard labels."""
    return Goal(targets=one_hot(truth, classes))


def one_hot(truth: npt.NDArray[np.intp], classes: int) -> Floats:
    """Rows of zeros with a one at the true class, shape (n, classes)."""
    return np.asarray(np.eye(classes)[truth])


def deal_folds(
    groups: Sequence[str], targets: Sequence[str], k: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Fold number of each row: whole groups, dealt class by class so that folds stay alike.

    A group belongs to the class of its first row.

    Returns:
        shape (n,), values in 0…k−1.
    """
    class_of: dict[str, str] = {}
    for group, target in zip(groups, targets, strict=True):
        class_of.setdefault(group, target)
    fold_of: dict[str, int] = {}
    for label in sorted(set(class_of.values())):
        members = sorted(g for g, t in class_of.items() if t == label)
        for i in rng.permutation(len(members)):
            fold_of[members[int(i)]] = len(fold_of) % k
    return np.array([fold_of[g] for g in groups], dtype=np.intp)


def cross_validate(
    X: npt.NDArray[np.float32],
    truth: npt.NDArray[np.intp],
    folds: npt.NDArray[np.intp],
    *,
    classes: int,
    grid: Sequence[float],
    always: tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]],
) -> Floats:
    """Out-of-fold scores of every row for each C of the grid.

    Args:
        X: rows, shape (n, features).
        truth: class columns, shape (n,).
        folds: fold of each row, shape (n,).
        classes: how many columns.
        grid: values of C, in rising order: each starts where the last one ended.
        always: rows and class columns that every fold trains on (label names).

    Returns:
        shape (len(grid), n, classes).
    """
    scores = np.zeros((len(grid), len(truth), classes))
    for fold in np.unique(folds):
        held = folds == fold
        rows = np.concatenate([X[~held], always[0]])
        wanted = labelled(np.concatenate([truth[~held], always[1]]), classes)
        head: Head | None = None
        for i, C in enumerate(grid):
            head = fit_head(rows, wanted, C=C, start=head, steps=100)
            scores[i, held] = head.scores(X[held])
    return scores
